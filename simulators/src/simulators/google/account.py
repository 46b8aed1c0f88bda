"""A Google account with everything that belongs to it: the mailbox, its keys and tokens, its pushes and its truth."""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from simulators.faults import ON_OUTCOMES, Faults
from simulators.google import bounces, inbound, mime, sending
from simulators.google.bounces import Bounce
from simulators.google.errors import user_rate_limit_exceeded
from simulators.google.inbound import InboundMail
from simulators.google.mailbox import Mailbox, Message
from simulators.google.oauth import ServiceAccount, SigningKeys, TokenEndpoint
from simulators.google.pubsub import PUSH, Pushed, Pushing, Subscription
from simulators.google.sending import Truth

TOKEN, CERTS, SEND = "token", "certs", "messages.send"
OPERATIONS = (
    TOKEN, CERTS, PUSH, SEND, "messages.get", "messages.list", "messages.delete", "messages.modify", "attachments.get",
    "threads.get", "threads.list", "history.list", "watch", "stop", "getProfile", "labels.list", "labels.get",
    "labels.create",
)  # fmt: skip
_BOUNCES_MAX = 10_000
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")


@dataclass(frozen=True, slots=True)
class Config:
    """Whose mailbox it is, who may use it, and whom changes are pushed to.

    `service_account` None makes one with a fresh key, which `GET /_control/credentials` shows. `units_per_second` is
    the mailbox's quota, 0 for none: Gmail's own is 250. With `watched`, changes of the inbox are pushed without having
    been asked for: a watch outlives whoever set it, and the simulator that it was set at.
    """

    address: str = "support@techcorp.example"
    service_account: ServiceAccount | None = None
    topic: str = "projects/fte-local/topics/gmail"
    pushing: Pushing = field(default_factory=Pushing)
    units_per_second: float = 0.0
    watched: bool = False


@dataclass(slots=True)
class Quota:
    """Quota units of one mailbox, refilled steadily; one second's worth may be used at once."""

    units_per_second: float
    clock: Callable[[], float] = time.monotonic
    _left: float = field(init=False)
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        self._left, self._at = self.units_per_second, self.clock()

    def take(self, units: int) -> None:
        """Uses so many units. Raises ApiError (429) when they are not there."""
        if not self.units_per_second:
            return
        now = self.clock()
        self._left = min(self.units_per_second, self._left + (now - self._at) * self.units_per_second)
        self._at = now
        if self._left < units:
            raise user_rate_limit_exceeded()
        self._left -= units


@dataclass(slots=True)
class Account:
    """Everything that one simulated Google knows. One event loop uses it; nothing in it is shared between threads."""

    config: Config
    clock: Callable[[], float] = time.time
    service_account: ServiceAccount = field(init=False)
    mailbox: Mailbox = field(init=False)
    tokens: TokenEndpoint = field(init=False)
    keys: SigningKeys = field(default_factory=SigningKeys)
    faults: Faults = field(default_factory=lambda: Faults(OPERATIONS))
    subscription: Subscription = field(init=False)
    quota: Quota = field(init=False)
    truth: Truth = field(default_factory=Truth)
    _bounces: OrderedDict[str, Bounce] = field(default_factory=OrderedDict)
    _late: set[asyncio.TimerHandle] = field(default_factory=set)

    def __post_init__(self) -> None:
        address = self.config.address.lower()
        self.service_account = self.config.service_account or ServiceAccount.new()
        self.mailbox = Mailbox(address, self.clock)
        if self.config.watched:
            self.mailbox.start_watch(self.config.topic, ["INBOX"], exclude=False)
        self.tokens = TokenEndpoint(self.service_account, (address,), self.clock)
        self.subscription = Subscription(self.config.pushing, self.keys, self.faults, self.clock)
        self.quota = Quota(self.config.units_per_second)

    def arrive(self, mail: InboundMail) -> tuple[list[Message], Pushed | None]:
        """Puts the mail in the mailbox, `count` times, and announces them all with one push.

        The push is None when the mail asks for none, or nobody watches. Raises ValueError for a mail that cannot be
        composed.
        """
        arrived = []
        for _ in range(mail.count):
            at = self._now()
            raw = inbound.receive(
                inbound.compose(mail, self.mailbox.address, at),
                self.mailbox.address,
                at,
                authenticated=mail.authenticated,
            )
            arrived.append(self._file(raw, mail.labels))
        return arrived, self.announce(mail.labels) if mail.push else None

    def send(self, body: Mapping[str, Any]) -> Message:
        """Accepts a mail for sending, and lets it bounce where that is arranged. Raises ApiError."""
        message = sending.accept(body, self.mailbox, self._now(), self.truth)
        self.announce(message.labels)
        for bounce in self._bounces_of(message):
            self._bounce(bounce, message)
        return message

    def announce(self, labels: Collection[str]) -> Pushed | None:
        """Pushes that the mailbox has changed; None unless such changes are watched."""
        return self.push() if self.mailbox.watched(labels) else None

    def push(self, *, history_id: int | None = None, **options: Any) -> Pushed | None:
        """Pushes a notice, watched or not; the options are those of `Subscription.publish`."""
        identity = self.mailbox.history_id if history_id is None else history_id
        return self.subscription.publish({"emailAddress": self.mailbox.address, "historyId": str(identity)}, **options)

    def arrange_bounce(self, bounce: Bounce) -> None:
        """Lets every mail to that address bounce from now on."""
        self._bounces[bounce.address.lower()] = bounce
        while len(self._bounces) > _BOUNCES_MAX:
            self._bounces.popitem(last=False)

    def clear_bounces(self) -> None:
        """Lets nothing bounce any more."""
        self._bounces.clear()

    async def close(self) -> None:
        """Stops what goes on in the background."""
        for handle in self._late:
            handle.cancel()
        self._late.clear()
        await self.subscription.close()

    def _bounces_of(self, message: Message) -> list[Bounce]:
        recipients = sending.recipients(message.headers)
        bounces = [
            self._bounces[address].model_copy(update={"address": address})
            for address in recipients
            if address in self._bounces
        ]
        for fault in self.faults.strike(SEND, ON_OUTCOMES):
            status = str(fault.code) if _STATUS.fullmatch(str(fault.code)) else "5.1.1"
            bounces.append(Bounce(address=recipients[0], status=status, delaySeconds=fault.seconds))
        return bounces

    def _bounce(self, bounce: Bounce, original: Message) -> None:
        def arrive() -> None:
            raw = bounces.notification(bounce, original.raw, self.mailbox.address, self._now())
            self._file(raw, ("INBOX", "UNREAD"), thread_id=original.thread_id)
            self.announce(("INBOX", "UNREAD"))

        if not bounce.delay_seconds:
            arrive()
            return

        def arrive_late() -> None:
            self._late.discard(handle)
            arrive()

        handle = asyncio.get_running_loop().call_later(bounce.delay_seconds, arrive_late)
        self._late.add(handle)

    def _file(self, raw: bytes, labels: Collection[str], *, thread_id: str | None = None) -> Message:
        joined = thread_id or self.mailbox.thread_for(mime.headers(raw))
        return self.mailbox.add(raw, labels, thread_id=joined)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)
