"""Events on Kafka: a protobuf value, and CloudEvents 1.0 attributes in binary-mode headers beside it.

Headers: `ce_specversion`, `ce_id`, `ce_type` (the message's full name), `ce_source`, `ce_time`, `ce_subject`,
`content-type`; and `traceparent` (W3C), `x-request-id`, `sequence` (the id in the producer's outbox, which grows with
each event of one key), `redrive` (how often people sent it again) and `redrive_for` (the one consumer it is for).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Protocol, TypeAlias, TypeVar

from google.protobuf.message import DecodeError, Message

from meshkit.context import Call
from meshkit.ids import uuid7
from meshkit.interceptors.correlation import is_request_id, is_traceparent

M = TypeVar("M")

Headers: TypeAlias = Sequence[tuple[str, bytes]]

CONTENT_TYPE = "application/protobuf"
SPEC_VERSION = b"1.0"
# Records without an id of ours still need the same id each time they are read.
_NAMESPACE = uuid.UUID("6f9c3f7a-0f0f-5d58-9d55-6d1a4cf0a8b1")


class Record(Protocol):
    """What we read of a record from Kafka; aiokafka's `ConsumerRecord` is one."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Headers: ...


class Undecodable(Exception):
    """A record that is no event we know; `reason` (UPPER_SNAKE) says why, and trying again cannot mend it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Event:
    """A fact to publish: events with the same key on a topic are handled in the order they were published in."""

    topic: str
    key: str
    message: Message
    subject: str = ""
    id: uuid.UUID = field(default_factory=uuid7)


@dataclass(frozen=True, slots=True)
class Received(Generic[M]):
    """A fact as a consumer gets it.

    `time` is when it was published (None if the header is missing or no date), `sequence` the id in its producer's
    outbox. `headers` holds all headers as they came; of a name given twice, the last counts.
    """

    id: uuid.UUID
    type: str
    source: str
    time: datetime | None
    subject: str
    key: str
    message: M
    traceparent: str | None
    request_id: str
    sequence: int | None
    redrive: int
    topic: str
    partition: int
    offset: int
    headers: Headers = ()

    @property
    def inbox_key(self) -> str:
        """What makes this fact, or this redrive of it, the same one when it is read again."""
        return inbox_key(self.id, dict(self.headers))


def encode_headers(event: Event, *, source: str, time: datetime, call: Call) -> list[tuple[str, bytes]]:
    """The headers of an event that `source` (`/fte/tickets`) publishes now, on behalf of `call`."""
    headers = [
        ("ce_specversion", SPEC_VERSION),
        ("ce_id", str(event.id).encode()),
        ("ce_type", event.message.DESCRIPTOR.full_name.encode()),
        ("ce_source", source.encode()),
        ("ce_time", time.isoformat(timespec="microseconds").replace("+00:00", "Z").encode()),
        ("content-type", CONTENT_TYPE.encode()),
    ]
    if event.subject:
        headers.append(("ce_subject", event.subject.encode()))
    if call.traceparent:
        headers.append(("traceparent", call.traceparent.encode()))
    if call.request_id:
        headers.append(("x-request-id", call.request_id.encode()))
    return headers


def event_type(record: Record) -> str:
    """The full name of the message in a record, empty when it does not say."""
    return _text(dict(record.headers), "ce_type")


MessageType = TypeVar("MessageType", bound=Message)


def decode(record: Record, message_type: type[MessageType]) -> Received[MessageType]:
    """The event in a record.

    Errors: `Undecodable` with CE_ID_MISSING, CE_ID_INVALID, CE_TYPE_UNKNOWN, CONTENT_TYPE_UNKNOWN, VALUE_MISSING or
    VALUE_UNDECODABLE.
    """
    headers = dict(record.headers)
    identifier = _identifier(headers)
    if headers.get("ce_type") != message_type.DESCRIPTOR.full_name.encode():
        raise Undecodable("CE_TYPE_UNKNOWN")
    if headers.get("content-type", CONTENT_TYPE.encode()) != CONTENT_TYPE.encode():
        raise Undecodable("CONTENT_TYPE_UNKNOWN")
    if record.value is None:
        raise Undecodable("VALUE_MISSING")
    try:
        message = message_type.FromString(record.value)
    except DecodeError as error:
        raise Undecodable("VALUE_UNDECODABLE") from error
    return _received(record, headers, identifier, message)


def decode_raw(record: Record) -> Received[bytes]:
    """The record as it is, whatever it holds: for those who keep events without reading them.

    One without a usable `ce_id` gets an id made from where it was first read, the same each time.
    """
    headers = dict(record.headers)
    return _received(record, headers, identify(record), record.value or b"")


def identify(record: Record) -> uuid.UUID:
    """The id of a record: its own, or, where it has none that we can read, one made from where it stands."""
    headers = dict(record.headers)
    try:
        return _identifier(headers)
    except Undecodable:
        given = headers.get("ce_id") or f"{record.topic}/{record.partition}/{record.offset}".encode()
        return uuid.uuid5(_NAMESPACE, given.hex())


def inbox_key(identifier: uuid.UUID, headers: Mapping[str, bytes]) -> str:
    """The key of an event in the inbox: id and redrive; for a dead letter also the consumer that gave it up.

    One event may die in several consumers, and each of these is a letter of its own.
    """
    key = f"{identifier}#{_number(headers, 'redrive') or 0}"
    if "dlq_consumer" in headers:
        return f"{key}@{_text(headers, 'dlq_consumer')}"
    return key


def redrive_for(record: Record) -> str:
    """The one consumer group a redriven record is for; empty when it is for all."""
    headers = record.headers
    return _text(dict(headers), "redrive_for") if headers else ""


def _identifier(headers: Mapping[str, bytes]) -> uuid.UUID:
    given = headers.get("ce_id")
    if not given:
        raise Undecodable("CE_ID_MISSING")
    try:
        return uuid.UUID(given.decode("ascii"))
    except ValueError as error:
        raise Undecodable("CE_ID_INVALID") from error


def _received(record: Record, headers: Mapping[str, bytes], identifier: uuid.UUID, message: M) -> Received[M]:
    traceparent, request_id = _text(headers, "traceparent"), _text(headers, "x-request-id")
    return Received(
        id=identifier,
        type=_text(headers, "ce_type"),
        source=_text(headers, "ce_source"),
        time=_time(headers),
        subject=_text(headers, "ce_subject"),
        key="" if record.key is None else record.key.decode("utf-8", "replace"),
        message=message,
        traceparent=traceparent if is_traceparent(traceparent) else None,
        request_id=request_id if is_request_id(request_id) else "",
        sequence=_number(headers, "sequence"),
        redrive=_number(headers, "redrive") or 0,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        headers=tuple(record.headers),
    )


def _text(headers: Mapping[str, bytes], name: str) -> str:
    value = headers.get(name)
    return value.decode("utf-8", "replace") if value else ""


def _number(headers: Mapping[str, bytes], name: str) -> int | None:
    value = headers.get(name, b"")
    # Longer ones are no ids of ours, and would not fit a bigint.
    return int(value) if value.isdigit() and len(value) <= 18 else None


def _time(headers: Mapping[str, bytes]) -> datetime | None:
    try:
        moment = datetime.fromisoformat(_text(headers, "ce_time"))
    except ValueError:
        return None
    return moment if moment.tzinfo else None
