"""The contract's messages and the desk's values, one into the other."""

from __future__ import annotations

import enum
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

from google.protobuf.message import DecodeError

from fte.channels.v1 import channels_events_pb2, message_pb2
from fte.identity.v1 import customer_pb2
from fte.tickets.v1 import ticket_pb2
from meshkit.envelope import Received
from meshkit.ids import ResourceName, uuid7
from meshkit.timestamps import moment, timestamp
from tickets.errors import EventUnreadable
from tickets.model import (
    Attachment,
    Author,
    Case,
    Channel,
    Citation,
    DeadLetter,
    DeadLetterState,
    DeadRecord,
    DeliveryChange,
    DeliveryState,
    EscalationReason,
    IdentifierType,
    IncomingMessage,
    Message,
    Priority,
    Reachability,
    Reached,
    Sender,
    Status,
    Thread,
    Ticket,
    TicketState,
    TimelineEntry,
    TimelineKind,
)

TICKETS: Final = ResourceName("tickets")
CONVERSATIONS: Final = ResourceName("conversations")
MESSAGES: Final = ResourceName("messages")
CUSTOMERS: Final = ResourceName("customers")
RUNS: Final = ResourceName("runs")
TIMELINE_ENTRIES: Final = ResourceName("timelineEntries")
DEAD_LETTERS: Final = ResourceName("deadLetters")
DELIVERIES: Final = ResourceName("deliveries")

_REFERENCE_PREFIX = "TKT-"
_SUBJECT_CHARACTERS_MAX = 200
_HEADER_CHARACTERS_MAX = 200
_FAILURE_REASON_CHARACTERS_MAX = 100
_HEADER_DIGITS_MAX = 9

W = TypeVar("W", bound=enum.Enum)


def _numbers(wire: Any, prefix: str, words: type[W]) -> Mapping[W, Any]:
    # At import, so that a word the contract lacks fails at once.
    return {word: wire.Value(f"{prefix}_{word.name}") for word in words}


def _words(numbers: Mapping[W, Any]) -> Mapping[int, W]:
    return {number: word for word, number in numbers.items()}


CHANNEL: Final = _numbers(message_pb2.Channel, "CHANNEL", Channel)
CHANNEL_WORD: Final = _words(CHANNEL)
STATE: Final = _numbers(ticket_pb2.TicketState, "TICKET_STATE", TicketState)
STATE_WORD: Final = _words(STATE)
PRIORITY: Final = _numbers(ticket_pb2.Priority, "PRIORITY", Priority)
PRIORITY_WORD: Final = _words(PRIORITY)
REASON: Final = _numbers(ticket_pb2.EscalationReason, "ESCALATION_REASON", EscalationReason)
REASON_WORD: Final = _words(REASON)
AUTHOR: Final = _numbers(ticket_pb2.Author, "AUTHOR", Author)
TIMELINE_KIND: Final = _numbers(ticket_pb2.TimelineKind, "TIMELINE_KIND", TimelineKind)
DELIVERY_STATE: Final = _numbers(message_pb2.DeliveryState, "DELIVERY_STATE", DeliveryState)
DELIVERY_STATE_WORD: Final = _words(DELIVERY_STATE)
DEAD_LETTER_STATE: Final = _numbers(ticket_pb2.DeadLetterState, "DEAD_LETTER_STATE", DeadLetterState)
DEAD_LETTER_STATE_WORD: Final = _words(DEAD_LETTER_STATE)
IDENTIFIER_TYPE: Final = _numbers(customer_pb2.IdentifierType, "IDENTIFIER_TYPE", IdentifierType)
REACHABILITY: Final = _numbers(customer_pb2.Reachability, "REACHABILITY", Reachability)
_REACHABILITY_WORD: Final = _words(REACHABILITY)
_IDENTIFIER_TYPE_WORD: Final = _words(IDENTIFIER_TYPE)
_CUSTOMERS_PRIORITY_WORD: Final = _words(_numbers(message_pb2.Priority, "PRIORITY", Priority))


def ticket_name(given: str) -> uuid.UUID | str:
    """The id in a ticket's name or uuid, or its reference in upper case. Raises InvalidArgument on `ticket`."""
    if given[: len(_REFERENCE_PREFIX)].upper() == _REFERENCE_PREFIX:
        return given.upper()
    return TICKETS.parse(given if "/" in given else f"{TICKETS.collection}/{given}", field="ticket")


def incoming(event_id: uuid.UUID, received: channels_events_pb2.MessageReceived) -> IncomingMessage:
    """The customer's message in an event. Raises EventUnreadable for a channel or a sender of a kind we do not know."""
    try:
        channel = CHANNEL_WORD[received.channel]
        sender_type = _IDENTIFIER_TYPE_WORD[received.sender.type]
    except KeyError as error:
        raise EventUnreadable from error
    thread = received.thread
    return IncomingMessage(
        event_id=event_id,
        channel=channel,
        sender=Sender(
            sender_type,
            _stored(received.sender.value),
            _stored(received.sender.display_name),
            received.sender.verified,
        ),
        text=_stored(received.text),
        subject=_stored(received.subject)[:_SUBJECT_CHARACTERS_MAX],
        reference=_stored(received.reference).upper(),
        opens_conversation=received.opens_conversation,
        category=_stored(received.category),
        priority=_CUSTOMERS_PRIORITY_WORD.get(received.priority, Priority.UNSPECIFIED),
        thread=Thread(
            _stored(thread.provider_thread_id),
            _stored(thread.message_id),
            _stored(thread.in_reply_to),
            tuple(_stored(reference) for reference in thread.references),
            _stored(received.subject)[:_SUBJECT_CHARACTERS_MAX] if channel is Channel.EMAIL else "",
        ),
        attachments=tuple(
            Attachment(_stored(each.file_name), _stored(each.media_type), each.size_bytes, each.sha256)
            for each in received.attachments
        ),
    )


def delivery_change(change: channels_events_pb2.DeliveryChanged) -> DeliveryChange:
    """What channels tells of a delivery or a recipient. Raises EventUnreadable for a word of it that we do not know."""
    reached: Reached | None = None
    try:
        channel, state = CHANNEL_WORD[change.channel], DELIVERY_STATE_WORD[change.state]
        if change.reachability:
            recipient = Sender(_IDENTIFIER_TYPE_WORD[change.recipient.type], _stored(change.recipient.value))
            reached = Reached(recipient, _REACHABILITY_WORD[change.reachability])
    except KeyError as error:
        raise EventUnreadable from error
    return DeliveryChange(
        time=moment(change.change_time),
        channel=channel,
        message_id=MESSAGES.parse(change.message, field="message") if change.message else None,
        state=state,
        failure_reason=_stored(change.failure_reason)[:_FAILURE_REASON_CHARACTERS_MAX],
        delivery=DELIVERIES.format(DELIVERIES.parse(change.delivery, field="delivery")) if change.delivery else "",
        mail_message_id=_stored(change.thread.message_id),
        reached=reached,
    )


def unfiled(received: Received[bytes], *, topic: str, consumer: str) -> IncomingMessage | None:
    """The customer's message in a dead letter, when `consumer` gave it up on `topic` and it can still be read."""
    headers = dict(received.headers)
    message_type = channels_events_pb2.MessageReceived
    if (
        _header(headers, "dlq_topic") != topic
        or _header(headers, "dlq_consumer") != consumer
        or received.type != message_type.DESCRIPTOR.full_name
    ):
        return None
    try:
        return incoming(received.id, message_type.FromString(received.message))
    except (DecodeError, EventUnreadable):
        return None


def given_up(received: Received[bytes], now: datetime) -> tuple[DeadLetter, DeadRecord]:
    """A dead letter and its record. What its headers do not say stays empty: it is kept whatever it holds."""
    headers = dict(received.headers)
    letter = DeadLetter(
        id=uuid7(),
        state=DeadLetterState.WAITING,
        topic=_header(headers, "dlq_topic"),
        partition=_header_number(headers, "dlq_partition"),
        offset=_header_number(headers, "dlq_offset"),
        consumer=_header(headers, "dlq_consumer"),
        reason=_header(headers, "dlq_reason"),
        attempts=_header_number(headers, "dlq_attempts"),
        event_type=_header(headers, "ce_type"),
        event_id=_header(headers, "ce_id"),
        redrive_count=received.redrive,
        size_bytes=len(received.message),
        create_time=now,
        update_time=now,
    )
    kept = [(_stored(name), content or b"") for name, content in received.headers]
    return letter, DeadRecord(received.key.encode() or None, received.message, kept)


def _header(headers: Mapping[str, bytes], name: str) -> str:
    return _stored((headers.get(name) or b"").decode("utf-8", "replace"))[:_HEADER_CHARACTERS_MAX]


def _header_number(headers: Mapping[str, bytes], name: str) -> int:
    value = headers.get(name) or b""
    # Longer ones are none of ours, and would not fit the column.
    return int(value) if value.isdigit() and len(value) <= _HEADER_DIGITS_MAX else 0


def _stored(text: str) -> str:
    # Postgres keeps no NUL in text, and a mail may hold one.
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}") if "\x00" in text else text


def sender(value: Sender) -> message_pb2.Sender:
    """A sender as the channel saw it."""
    return message_pb2.Sender(
        type=IDENTIFIER_TYPE[value.type],
        value=value.value,
        display_name=value.display_name,
        verified=value.verified,
    )


def thread(value: Thread) -> message_pb2.Thread:
    """What joins a reply to the thread of the message that it answers, the chain of that reply complete."""
    return message_pb2.Thread(
        provider_thread_id=value.provider_thread_id,
        message_id=value.message_id,
        in_reply_to=value.in_reply_to,
        references=value.chain,
    )


def citations(values: Sequence[ticket_pb2.Citation]) -> tuple[Citation, ...]:
    """The passages that a reply stands on."""
    return tuple(Citation(value.passage, value.heading) for value in values)


def ticket(value: Ticket, messages: Sequence[Message] = ()) -> ticket_pb2.Ticket:
    """A ticket as staff and services see it."""
    wire = ticket_pb2.Ticket(
        reference=value.reference,
        subject=value.subject,
        state=STATE[value.state],
        category=value.category,
        priority=PRIORITY[value.priority],
        create_time=timestamp(value.create_time),
        update_time=timestamp(value.update_time),
        messages=[message(each) for each in messages],
        name=TICKETS.format(value.id),
        conversation=CONVERSATIONS.format(value.conversation_id),
        customer=CUSTOMERS.format(value.customer_id),
        channel=CHANNEL[value.channel],
        sender_verified=value.sender_verified,
        assignee=value.assignee,
        etag=f"{value.id.hex[-8:]}-{value.revision}",
    )
    if value.escalation is not None:
        wire.escalation.reason = REASON[value.escalation.reason]
        wire.escalation.summary = value.escalation.summary
        wire.escalation.create_time.CopyFrom(timestamp(value.escalation.create_time))
    return wire


def status(value: Status) -> ticket_pb2.Ticket:
    """A ticket as its customer sees it: eight fields, and three of each message."""
    wire = ticket_pb2.Ticket(
        reference=value.reference,
        state=STATE[value.state],
        messages=[
            ticket_pb2.Message(author=AUTHOR[each.author], text=each.text, create_time=timestamp(each.create_time))
            for each in value.messages
        ],
    )
    if value.ticket is not None:
        wire.subject = value.ticket.subject
        wire.category = value.ticket.category
        wire.priority = PRIORITY[value.ticket.priority]
        wire.create_time.CopyFrom(timestamp(value.ticket.create_time))
        wire.update_time.CopyFrom(timestamp(value.ticket.update_time))
    return wire


def message(value: Message) -> ticket_pb2.Message:
    """A message as staff and services see it."""
    return ticket_pb2.Message(
        author=AUTHOR[value.author],
        text=value.text,
        create_time=timestamp(value.create_time),
        name=MESSAGES.format(value.id),
        sequence=value.sequence,
        delivery_state=DELIVERY_STATE[value.delivery_state],
        citations=[ticket_pb2.Citation(passage=each.passage, heading=each.heading) for each in value.citations],
        run=RUNS.format(value.run_id) if value.run_id else "",
        attachments=[
            message_pb2.Attachment(
                file_name=each.file_name,
                media_type=each.media_type,
                size_bytes=each.size_bytes,
                sha256=each.sha256,
            )
            for each in value.attachments
        ],
    )


def conversation(case: Case, messages: Sequence[Message] = ()) -> ticket_pb2.Conversation:
    """A conversation with the ticket in work."""
    value = case.conversation
    return ticket_pb2.Conversation(
        name=CONVERSATIONS.format(value.id),
        customer=CUSTOMERS.format(value.customer_id),
        channel=CHANNEL[value.channel],
        version=value.version,
        answered_version=value.answered_version,
        ticket=ticket(case.ticket),
        messages=[message(each) for each in messages],
        create_time=timestamp(value.create_time),
        update_time=timestamp(value.update_time),
    )


def timeline_entry(value: TimelineEntry) -> ticket_pb2.TimelineEntry:
    """One thing that happened to a ticket."""
    return ticket_pb2.TimelineEntry(
        name=TIMELINE_ENTRIES.format(value.id),
        create_time=timestamp(value.create_time),
        kind=TIMELINE_KIND[value.kind],
        actor=value.actor,
        state=STATE[value.state],
        message=MESSAGES.format(value.message_id) if value.message_id else "",
        facts=value.facts,
    )


def dead_letter(value: DeadLetter) -> ticket_pb2.DeadLetter:
    """A dead letter, without the event itself."""
    return ticket_pb2.DeadLetter(
        name=DEAD_LETTERS.format(value.id),
        state=DEAD_LETTER_STATE[value.state],
        topic=value.topic,
        partition=value.partition,
        offset=value.offset,
        consumer=value.consumer,
        reason=value.reason,
        attempts=value.attempts,
        event_type=value.event_type,
        event_id=value.event_id,
        size_bytes=value.size_bytes,
        create_time=timestamp(value.create_time),
        update_time=timestamp(value.update_time),
        redrive_count=value.redrive_count,
    )
