"""A Twilio account with one WhatsApp sender: what it takes for sending, what becomes of it, and what comes in."""

from __future__ import annotations

import asyncio
import json
import re
from collections import OrderedDict, deque
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit

from simulators.faults import ON_OUTCOMES, ON_WEBHOOKS, Faults, Kind, latency_seconds
from simulators.twilio import errors
from simulators.twilio.errors import Rejected
from simulators.twilio.inbound import InboundMessage, parameters_of
from simulators.twilio.messages import INBOUND, OUTBOUND, PREFIX, Media, Message, Messages, new_sid
from simulators.twilio.webhooks import Webhooks

Value = TypeVar("Value")

WEBHOOK_INBOUND, WEBHOOK_STATUS, OUTCOME = "webhooks.inbound", "webhooks.status", "messages.outcome"
OPERATIONS = (
    "messages.create",
    "messages.fetch",
    "messages.list",
    "media.list",
    "media.fetch",
    WEBHOOK_INBOUND,
    WEBHOOK_STATUS,
    OUTCOME,
)
API_VERSION = "2010-04-01"
WINDOW = timedelta(hours=24)
BODY_CHARACTERS_MAX = 1600
NUMBERS_MAX = 20_000
REFUSALS_MAX = 1_000
# A webhook that waits for a later one to overtake it goes alone after this.
HELD_SECONDS = 1.0
STOP_WORDS = frozenset({"stop", "stopall", "unsubscribe", "end", "quit", "cancel", "revoke", "optout"})
START_WORDS = frozenset({"start", "unstop", "yes"})
HELP_WORDS = frozenset({"help", "info"})
_WHATSAPP_ADDRESS = re.compile(r"whatsapp:\+[1-9][0-9]{6,14}")
_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")
_UNDELIVERED = 63024


@dataclass(frozen=True, slots=True)
class Config:
    """Whose account it is and where its webhooks go.

    Webhooks are signed for addresses under `public_url` and reach them at `gateway_url`, which is the same unless it is
    named. `templates` are the approved ones: their text by ContentSid, with placeholders such as `{{1}}`. Between two
    states of a message pass `step_seconds`. The fragment of `webhook` is Twilio's connection overrides.
    """

    account_sid: str = "AC00000000000000000000000000000000"
    auth_token: str = "the-auth-token-of-a-simulator"
    whatsapp_from: str = "+14155550100"
    public_url: str = "http://127.0.0.1:8080"
    gateway_url: str = ""
    webhook: str = "/api/v1/webhooks/whatsapp#rc=5&rp=5xx,ct,rt"
    templates: Mapping[str, str] = field(default_factory=dict)
    step_seconds: float = 0.05


@dataclass(frozen=True, slots=True)
class Refusal:
    """A message that was not taken."""

    recipient: str
    code: int
    status: int


@dataclass(frozen=True, slots=True)
class Received:
    """A message that came in, and what the mesh answered to each webhook about it (None: no answer)."""

    message: Message
    statuses: tuple[int | None, ...]


@dataclass(slots=True)
class Account:
    """Everything that one simulated Twilio knows. One event loop uses it."""

    config: Config
    faults: Faults = field(default_factory=lambda: Faults(OPERATIONS))
    messages: Messages = field(default_factory=Messages)
    refused: deque[Refusal] = field(default_factory=lambda: deque(maxlen=REFUSALS_MAX))
    webhooks: Webhooks = field(init=False)
    _heard: OrderedDict[str, datetime] = field(default_factory=OrderedDict)
    _stopped: OrderedDict[str, None] = field(default_factory=OrderedDict)
    _overtaken: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        public = self.config.public_url.rstrip("/")
        gateway = self.config.gateway_url.rstrip("/") or public
        self.webhooks = Webhooks(self.config.auth_token, public, gateway)

    @property
    def address(self) -> str:
        """The sender's own address."""
        return PREFIX + self.config.whatsapp_from.removeprefix(PREFIX)

    def send(self, form: Mapping[str, str]) -> Message:
        """Takes a message for sending, from the parameters of a request. Raises Rejected."""
        try:
            message = self._accepted(form)
        except Rejected as rejected:
            self.refused.append(Refusal(form.get("To", ""), rejected.code, rejected.status))
            raise
        self.messages.add(message)
        self._go(self._progress(message))
        return message

    async def receive(self, inbound: InboundMessage, base_url: str) -> Received:
        """A customer's message: remembered, and told to the mesh as often as `inbound.times` says.

        `base_url` is where this simulator is reached: media are served there.
        """
        message = self._arrived(inbound)
        parameters = parameters_of(inbound, message, self.config.account_sid, base_url, self._opt_out_type(message))
        url = self.webhooks.public_url + self.config.webhook
        striking = self.faults.strike(WEBHOOK_INBOUND, ON_WEBHOOKS)
        await asyncio.sleep(latency_seconds(striking))
        kinds = {fault.kind for fault in striking}
        if Kind.REORDER in kinds:
            await self._be_overtaken()
        times = inbound.times * (2 if Kind.DUPLICATE in kinds else 1)
        statuses = await asyncio.gather(*(self.webhooks.post(url, parameters) for _ in range(times)))
        self._overtaken.set()
        return Received(message, tuple(statuses))

    def set_heard(self, number: str, seconds_ago: float | None) -> None:
        """When a customer last wrote, as far as the window is concerned; None: never."""
        if seconds_ago is None:
            self._heard.pop(PREFIX + number, None)
        else:
            _remember(self._heard, PREFIX + number, now() - timedelta(seconds=seconds_ago))

    async def tell_status(self, message: Message, status: str) -> int | None:
        """A webhook about a message's status, to the address that the message names: what was answered."""
        assert message.status_callback
        return await self.webhooks.post(message.status_callback, self._status_parameters(message, status))

    def clear(self) -> None:
        """Forget messages, windows, opt-outs and attempts; what is under way goes on."""
        self.messages.clear()
        for remembered in (self.refused, self._heard, self._stopped, self.webhooks.attempts):
            remembered.clear()

    async def close(self) -> None:
        """End what is under way."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.webhooks.close()

    def _accepted(self, form: Mapping[str, str]) -> Message:
        to, sender, body = form.get("To", ""), form.get("From", ""), form.get("Body", "")
        content_sid = form.get("ContentSid", "")
        if not to:
            raise Rejected(errors.NO_TO)
        if not sender:
            raise Rejected(errors.NO_FROM)
        if sender != self.address:
            raise Rejected(errors.NO_SUCH_SENDER)
        if _WHATSAPP_ADDRESS.fullmatch(to) is None:
            raise Rejected(errors.INVALID_TO)
        if to in self._stopped:
            raise Rejected(errors.UNSUBSCRIBED)
        callback = form.get("StatusCallback", "")
        if callback and urlsplit(callback).scheme not in ("http", "https"):
            raise Rejected(errors.INVALID_CALLBACK)
        variables = form.get("ContentVariables") or None
        if content_sid:
            body = self._templated(content_sid, variables)
        elif not body:
            raise Rejected(errors.NO_BODY)
        if len(body) > BODY_CHARACTERS_MAX:
            raise Rejected(errors.BODY_TOO_LONG)
        at = now()
        return Message(
            new_sid("SM"), OUTBOUND, sender, to, body, "queued", at, at,
            content_sid=content_sid or None, content_variables=variables, status_callback=callback or None,
        )  # fmt: skip

    def _templated(self, content_sid: str, variables: str | None) -> str:
        template = self.config.templates.get(content_sid)
        if template is None:
            raise Rejected(errors.INVALID_CONTENT_SID)
        try:
            given = json.loads(variables or "{}")
        except ValueError as error:
            raise Rejected(errors.INVALID_CONTENT_VARIABLES) from error
        if not isinstance(given, dict) or not all(isinstance(value, str) and value for value in given.values()):
            raise Rejected(errors.INVALID_CONTENT_VARIABLES)
        if not set(_PLACEHOLDER.findall(template)) <= given.keys():
            raise Rejected(errors.INVALID_CONTENT_VARIABLES)
        return _PLACEHOLDER.sub(lambda place: given[place[1]], template)

    async def _progress(self, message: Message) -> None:
        """What becomes of a message that was taken, told as it happens; or afterwards and backwards, by a fault."""
        striking = self.faults.strike(WEBHOOK_STATUS, ON_WEBHOOKS)
        kinds = {fault.kind for fault in striking}
        late: list[str] = []
        for status in ("queued", *self._course(message)):
            if status != "queued":
                await asyncio.sleep(self.config.step_seconds)
                self._reach(message, status)
            if Kind.REORDER in kinds:
                late.insert(0, status)
            else:
                await self._tell(message, status, kinds, latency_seconds(striking))
        for status in late:
            await self._tell(message, status, kinds, latency_seconds(striking))

    def _course(self, message: Message) -> tuple[str, ...]:
        """The states that a message has yet to come to."""
        for fault in self.faults.strike(OUTCOME, ON_OUTCOMES):
            message.error_code = fault.code if isinstance(fault.code, int) else _UNDELIVERED
            return ("failed",) if message.error_code == errors.CHANNEL_RATE_LIMIT else ("sent", "undelivered")
        heard = self._heard.get(message.recipient)
        if message.content_sid is None and (heard is None or now() - heard > WINDOW):
            message.error_code = errors.OUTSIDE_WINDOW
            return ("failed",)
        return ("sent", "delivered", "read")

    def _reach(self, message: Message, status: str) -> None:
        message.status = status
        message.updated = now()
        if message.sent is None:
            message.sent = message.updated

    async def _tell(self, message: Message, status: str, kinds: set[Kind], seconds: float) -> None:
        if message.status_callback is None:
            return
        await asyncio.sleep(seconds)
        for _ in range(2 if Kind.DUPLICATE in kinds else 1):
            await self.tell_status(message, status)

    def _status_parameters(self, message: Message, status: str) -> dict[str, str]:
        parameters = {
            "AccountSid": self.config.account_sid,
            "ApiVersion": API_VERSION,
            "ChannelPrefix": "whatsapp",
            "From": message.sender,
            "MessageSid": message.sid,
            "MessageStatus": status,
            "SmsSid": message.sid,
            "SmsStatus": status,
            "To": message.recipient,
        }
        if status == "read":
            parameters["EventType"] = "READ"
        if status in ("failed", "undelivered"):
            code = message.error_code or _UNDELIVERED
            parameters |= {"ErrorCode": str(code), "ErrorMessage": errors.MESSAGES.get(code, "An error occurred")}
        return parameters

    def _arrived(self, inbound: InboundMessage) -> Message:
        at = now() - timedelta(seconds=inbound.age_seconds)
        sender = PREFIX + inbound.sender
        media = tuple(Media(new_sid("ME"), one.content_type, one.content) for one in inbound.media)
        message = Message(
            inbound.message_sid or new_sid("MM" if media or inbound.media_urls else "SM"),
            INBOUND, sender, self.address, inbound.body, "received", at, at, sent=at, media=media,
        )  # fmt: skip
        self.messages.add(message)
        _remember(self._heard, sender, max(at, self._heard.get(sender, at)))
        return message

    def _opt_out_type(self, message: Message) -> str:
        """What Twilio takes the message for, and does: it counts only when it is the whole message."""
        word = message.body.strip().casefold()
        if word in STOP_WORDS:
            _remember(self._stopped, message.sender, None)
            return "STOP"
        if word in START_WORDS:
            # YES is a way back in, and for everybody else an answer.
            known = message.sender in self._stopped
            self._stopped.pop(message.sender, None)
            return "START" if known or word != "yes" else ""
        return "HELP" if word in HELP_WORDS else ""

    async def _be_overtaken(self) -> None:
        self._overtaken.clear()
        try:
            async with asyncio.timeout(HELD_SECONDS):
                await self._overtaken.wait()
        except TimeoutError:
            pass

    def _go(self, course: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(course)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def now() -> datetime:
    """The time as Twilio tells it."""
    return datetime.now(UTC)


def _remember(remembered: OrderedDict[str, Value], key: str, value: Value) -> None:
    remembered[key] = value
    remembered.move_to_end(key)
    while len(remembered) > NUMBERS_MAX:
        remembered.popitem(last=False)
