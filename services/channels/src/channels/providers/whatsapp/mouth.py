"""WhatsApp's mouth: letters in WhatsApp's form, sent by Twilio's Messages API and found again there."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

import regex
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.rest import Client

from channels.model import Channel, Condition, Content, DeliveryState
from channels.providers.base import Accepted, Letter, NotSent, Parcel, Refused, Throttled, Unclear, Unreachable
from channels.providers.whatsapp.codes import OUTSIDE_WINDOW, THROTTLING_CODES, cause, state
from channels.providers.whatsapp.splitting import split
from channels.providers.whatsapp.transport import TwilioHttp

STATUS_PATH = "/api/v1/webhooks/whatsapp/status"
# Connection overrides: five retries. Without them Twilio does not repeat what was answered with a 5xx.
_PATIENCE = "#rc=5&rp=5xx,ct,rt"

# WhatsApp takes free text for 24 hours from the customer's last message; a little of that is for the way there.
WINDOW = timedelta(hours=24) - timedelta(minutes=1)

# A template's text has at most 1024 characters, its own words among them, and no line breaks within a variable.
_VARIABLE_CHARACTERS_MAX = 800

# Far beyond what clocks may differ by: what is recorded of other messages is told apart by id, not by time.
_LOOKBACK = timedelta(hours=26)
_PAGE_SIZE = 50
_PAGES_MAX = 20

_PAUSE_SECONDS = 2.0
_GIVEN_NAME = regex.compile(r"[\p{L}\p{M}][\p{L}\p{M}'\u2019-]{0,29}")
# The account or its token is not accepted, or Twilio does not know the account: for us to mend, not for the customer.
_NOT_SIGNED_IN = frozenset({401, 403, 404})


class WhatsApp:
    """The channel WhatsApp. Leave it as a context manager to end its connections."""

    channel = Channel.WHATSAPP

    def __init__(
        self,
        *,
        account_sid: str,
        auth_token: str,
        own_number: str,
        content_sid: str,
        public_url: str,
        api_url: str,
        characters_max: int,
        messages_per_second: float,
        deadline_seconds: float,
    ) -> None:
        self._http = TwilioHttp(api_url, deadline_seconds)
        # An environment of its own: the library would look for an edge and a region in the process's.
        environment = {"TWILIO_EDGE": "", "TWILIO_REGION": ""}
        self._client = Client(account_sid, auth_token, http_client=self._http, environment=environment)
        self._from = _address(own_number)
        self._content_sid = content_sid
        self._status_url = public_url + STATUS_PATH + _PATIENCE
        self._characters_max = characters_max
        self._messages_per_second = messages_per_second
        self._condition = Condition.OK

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    @property
    def lists_by_recipient(self) -> bool:
        """Twilio lists the messages to one number."""
        return True

    @property
    def messages_per_second(self) -> float:
        """What Twilio takes from one WhatsApp sender."""
        return self._messages_per_second

    def condition(self) -> Condition:
        """Down while Twilio does not accept our account or its token."""
        return self._condition

    def compose(self, letter: Letter) -> Sequence[Content]:
        """A greeting on the first message of a day, the text in parts, and the ticket's reference under the last one.

        When the customer has not written for 24 hours, each part goes as the approved template, which has two
        variables: the reference, and the part's text on one line. Raises Refused OUTSIDE_WINDOW without a template.

        What a part within the window carries in `variables` is the text from there on, for a template in place of the
        rest: the window may close on the way.
        """
        limit = self._characters_max
        if letter.last_heard is not None and letter.now - letter.last_heard < WINDOW:
            return _in_the_window(letter, limit)
        if not self._content_sid:
            raise Refused(OUTSIDE_WINDOW)
        parts = split(letter.text, min(limit, _VARIABLE_CHARACTERS_MAX))
        contents = [self._templated(_variables(letter.reference, part)) for part in parts]
        taken = [content for content in contents if content is not None]
        if len(taken) < len(parts):
            # A part that cannot be parted is longer than any template may be.
            raise Refused(OUTSIDE_WINDOW)
        return taken

    async def send(self, parcel: Parcel) -> Accepted:
        """Has Twilio take one message. Raises Refused, Throttled, Unreachable, Unclear."""
        content = parcel.content
        if content.template:
            said = {"content_sid": content.template, "content_variables": json.dumps(dict(content.variables))}
        else:
            said = {"body": content.text}
        try:
            message = await self._client.messages.create_async(
                to=_address(parcel.recipient.value), from_=self._from, status_callback=self._status_url, **said
            )
            accepted = _accepted(message)
        except (NotSent, Unclear):
            raise
        except (TwilioRestException, TwilioServiceException) as error:
            # Without its cause, whose text names the customer's number.
            raise self._not_sent(error.status, error.code, content) from None
        except Exception:
            # Whatever the answer is made of, the request went out; its text may hold the customer's words.
            raise Unclear("Twilio's answer cannot be read") from None
        self._condition = Condition.OK
        return accepted

    async def find(self, parcel: Parcel) -> Accepted | None:
        """The message to this number that holds the parcel's words and is not known to be another's, the oldest first.

        Twilio takes no name of ours for a message, so it is told by its words, its age and `known_ids`. None when
        Twilio lists everything to this number since the claim, and it is not there. Raises Unclear when Twilio lists
        more than is looked through, or a message without its words; Throttled or Unreachable when it cannot be asked.
        """
        try:
            listed = await self._listed(parcel)
        except (NotSent, Unclear):
            raise
        except TwilioException:
            raise Unreachable("Twilio does not list our messages") from None
        except Exception:
            raise Unclear("Twilio's list cannot be read") from None
        unknown = [message for message in listed if message.sid not in parcel.known_ids]
        for message in reversed(unknown):
            if _holds(message.body or "", parcel.content):
                return _accepted(message)
        if any(not (message.body or "").strip() for message in unknown):
            raise Unclear("Twilio lists a message without its words")
        return None

    async def _listed(self, parcel: Parcel) -> list[Any]:
        """What Twilio took from us for this recipient since a while before the claim, newest first."""
        since = parcel.claimed_time - _LOOKBACK
        found: list[Any] = []
        # Not filtered by date: that filter is on when a message was sent, which queued ones were not yet.
        page = await self._client.messages.page_async(
            to=_address(parcel.recipient.value), from_=self._from, page_size=_PAGE_SIZE
        )
        for _ in range(_PAGES_MAX):
            messages = list(page)
            recent = [message for message in messages if _created(message) >= since]
            found += recent
            if not recent:
                return found
            page = await page.next_page_async()
            if page is None:
                return found
        raise Unclear("Twilio lists more messages to one number than are looked through")

    def _not_sent(self, status: int, code: int | None, content: Content) -> NotSent:
        if code in THROTTLING_CODES:
            return Throttled(_PAUSE_SECONDS)
        why = cause(code, otherwise="REFUSED")
        if status in _NOT_SIGNED_IN and why.reachability is None:
            self._condition = Condition.DOWN
            return Unreachable(f"Twilio answered {status}: it does not accept our account or token")
        instead = self._templated(content.variables) if why.reason == OUTSIDE_WINDOW and not content.template else None
        return Refused(why.reason, reachability=why.reachability, instead=instead)

    def _templated(self, variables: Mapping[str, str]) -> Content | None:
        if not self._content_sid or not variables:
            return None
        return Content("", template=self._content_sid, variables=variables)


def _address(number: str) -> str:
    return f"whatsapp:{number.removeprefix('whatsapp:')}"


def _in_the_window(letter: Letter, limit: int) -> list[Content]:
    ending = f"\n\nRef. {letter.reference}"
    parts = split(letter.text, limit, ending)
    bare = (*parts[:-1], f"\n\n{parts[-1]}".removesuffix(ending))
    return [
        Content(part, variables=_variables(letter.reference, " ".join(bare[number:])))
        for number, part in enumerate(_greeted(letter, parts, limit))
    ]


def _greeted(letter: Letter, parts: tuple[str, ...], limit: int) -> tuple[str, ...]:
    """The parts with a greeting where none was said today and it has room: it is not worth a message of its own."""
    if letter.last_written is not None and letter.last_written.date() == letter.now.date():
        return parts
    # A profile's name is whatever its owner typed: only what looks like a given name is said.
    given = letter.recipient.display_name.partition(" ")[0]
    first = f"Hi {given},\n{parts[0]}" if _GIVEN_NAME.fullmatch(given) else f"Hi,\n{parts[0]}"
    return (first, *parts[1:]) if len(first) <= limit else parts


def _variables(reference: str, text: str) -> dict[str, str]:
    """What the template says in place of the text; nothing when it cannot hold it."""
    line = " ".join(text.split())
    return {"1": reference, "2": line} if line and len(line) <= _VARIABLE_CHARACTERS_MAX else {}


def _holds(body: str, content: Content) -> bool:
    """Whether Twilio's text of a message is the content's. Of a template only the variables are known to us."""
    found = _words(body)
    if content.template:
        return all(_words(value) in found for value in content.variables.values())
    return found == _words(content.text)


def _words(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _accepted(message: Any) -> Accepted:
    if not isinstance(message.sid, str) or not message.sid:
        raise Unclear("Twilio's answer has no SID")
    reached = state(str(message.status or ""))
    if reached is not DeliveryState.FAILED:
        return Accepted(message.sid, reached)
    return Accepted(message.sid, reached, cause(message.error_code, otherwise="NOT_DELIVERED").reason)


def _created(message: Any) -> datetime:
    """When Twilio took the message; now where it does not say, which makes it one to look at."""
    created = message.date_created
    return created if isinstance(created, datetime) else datetime.now(UTC)
