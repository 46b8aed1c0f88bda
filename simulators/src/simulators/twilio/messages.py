"""What the simulated Twilio remembers: messages in both directions, newest last, as many as fit a limit."""

from __future__ import annotations

import secrets
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

MESSAGES_MAX = 10_000
MEDIA_BYTES_MAX = 64 * 1024 * 1024
INBOUND, OUTBOUND = "inbound", "outbound-api"
PREFIX = "whatsapp:"


def new_sid(prefix: str) -> str:
    """A SID as Twilio makes them: two letters for the kind, and 32 hexadecimal digits."""
    return prefix + secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class Media:
    """A file that a customer sent, which Twilio keeps."""

    sid: str
    content_type: str
    content: bytes


@dataclass(slots=True)
class Message:
    """A message. `sender` and `recipient` are addresses as Twilio writes them, `whatsapp:+…`.

    `sent` is None until the message has left Twilio: a list that is filtered by date does not show it before.
    """

    sid: str
    direction: str
    sender: str
    recipient: str
    body: str
    status: str
    created: datetime
    updated: datetime
    sent: datetime | None = None
    error_code: int | None = None
    content_sid: str | None = None
    content_variables: str | None = None
    status_callback: str | None = None
    media: tuple[Media, ...] = ()


@dataclass(frozen=True, slots=True)
class Filter:
    """Which messages a list is of; None is any. Times are whole seconds and belong to the range, as Twilio has it."""

    to: str | None = None
    sender: str | None = None
    sent_from: datetime | None = None
    sent_until: datetime | None = None

    def takes(self, message: Message) -> bool:
        """Whether the message is one of those."""
        if self.to not in (None, message.recipient) or self.sender not in (None, message.sender):
            return False
        if self.sent_from is None and self.sent_until is None:
            return True
        if message.sent is None:
            return False
        sent = message.sent.replace(microsecond=0)
        return (self.sent_from is None or sent >= self.sent_from) and (
            self.sent_until is None or sent <= self.sent_until
        )


ANY = Filter()


@dataclass(slots=True)
class Messages:
    """All messages by SID. Past the limits the oldest is forgotten, and the oldest files."""

    limit: int = MESSAGES_MAX
    media_bytes_max: int = MEDIA_BYTES_MAX
    _by_sid: OrderedDict[str, Message] = field(default_factory=OrderedDict)
    _with_media: deque[Message] = field(default_factory=deque)
    _media_bytes: int = 0

    def add(self, message: Message) -> None:
        """Remember it as the newest."""
        self._by_sid[message.sid] = message
        while len(self._by_sid) > self.limit:
            self._by_sid.popitem(last=False)
        if message.media:
            self._with_media.append(message)
            self._media_bytes += _size(message)
        while self._media_bytes > self.media_bytes_max:
            oldest = self._with_media.popleft()
            self._media_bytes -= _size(oldest)
            oldest.media = ()

    def get(self, sid: str) -> Message | None:
        """The message of this SID, if it is remembered."""
        return self._by_sid.get(sid)

    def newest_first(self, wanted: Filter = ANY) -> Iterator[Message]:
        """Those that the filter takes, the newest first, as Twilio lists them."""
        return (message for message in reversed(self._by_sid.values()) if wanted.takes(message))

    def oldest_first(self, direction: str) -> Iterator[Message]:
        """Those of one direction, in the order they came in."""
        return (message for message in self._by_sid.values() if message.direction == direction)

    def clear(self) -> None:
        """Forget all of them."""
        self._by_sid.clear()
        self._with_media.clear()
        self._media_bytes = 0


def _size(message: Message) -> int:
    return sum(len(media.content) for media in message.media)


def whole_day(date: datetime) -> tuple[datetime, datetime]:
    """The first and the last second of a day."""
    return date, date + timedelta(days=1, seconds=-1)
