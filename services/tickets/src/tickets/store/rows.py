"""Rows and values: what the desk keeps, as it stands in its tables."""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict
from datetime import datetime
from typing import Any, TypeAlias

import asyncpg

from meshkit import sql
from tickets.model import (
    Attachment,
    Author,
    Case,
    Channel,
    Citation,
    Conversation,
    DeadLetter,
    DeadLetterState,
    DeliveryState,
    Escalation,
    EscalationReason,
    IdentifierType,
    Message,
    Priority,
    Sender,
    Thread,
    Ticket,
    TicketState,
    TimelineEntry,
    TimelineKind,
)

QUERIES = sql.load("tickets")

Place: TypeAlias = tuple[datetime, uuid.UUID] | None
"""After which row a page goes on: its time and id; None for the first page."""

Row: TypeAlias = asyncpg.Record


def either(ticket: uuid.UUID | str) -> tuple[uuid.UUID | None, str | None]:
    """The two parameters of a query that takes an id or a reference."""
    return (None, ticket) if isinstance(ticket, str) else (ticket, None)


def place(after: Place) -> tuple[datetime | None, uuid.UUID | None]:
    """The two parameters that say where a page goes on."""
    return after or (None, None)


def conversation_values(conversation: Conversation) -> tuple[Any, ...]:
    """A conversation in the order of its columns."""
    return (
        conversation.id,
        conversation.customer_id,
        conversation.channel,
        conversation.ticket_id,
        *reply_values(conversation),
        conversation.version,
        conversation.answered_version,
        conversation.last_sequence,
        conversation.owed_since,
        conversation.create_time,
        conversation.update_time,
    )


def reply_values(conversation: Conversation) -> tuple[Any, ...]:
    """Where a reply goes, in the order of the columns."""
    sender, thread = conversation.sender, conversation.thread
    return (
        sender.type,
        sender.value,
        sender.display_name,
        sender.verified,
        thread.provider_thread_id,
        thread.message_id,
        thread.in_reply_to,
        list(thread.references),
        thread.subject,
    )


def ticket_values(ticket: Ticket) -> tuple[Any, ...]:
    """A ticket in the order of its columns."""
    return (
        ticket.id,
        ticket.conversation_id,
        ticket.customer_id,
        ticket.reference,
        ticket.promised,
        ticket.channel,
        ticket.sender_verified,
        ticket.subject,
        ticket.category,
        ticket.priority,
        ticket.state,
        ticket.assignee,
        *escalation_values(ticket.escalation),
        ticket.revision,
        ticket.create_time,
        ticket.update_time,
    )


def escalation_values(escalation: Escalation | None) -> tuple[Any, ...]:
    """An escalation in the order of the columns, all empty without one."""
    if escalation is None:
        return None, None, None
    return escalation.reason, escalation.summary, escalation.create_time


def message_values(message: Message) -> tuple[Any, ...]:
    """A message in the order of its columns."""
    return (
        message.id,
        message.conversation_id,
        message.ticket_id,
        message.sequence,
        message.author,
        message.text,
        message.create_time,
        message.delivery_state,
        json.dumps([asdict(citation) for citation in message.citations]),
        message.run_id,
        json.dumps([asdict(attachment) for attachment in message.attachments]),
        message.mail_message_id,
        message.reference,
        message.apology_for,
    )


def entry_values(entry: TimelineEntry) -> tuple[Any, ...]:
    """A timeline entry in the order of its columns."""
    return (
        entry.id,
        entry.ticket_id,
        entry.create_time,
        entry.kind,
        entry.actor,
        entry.state,
        entry.message_id,
        json.dumps(entry.facts),
    )


def case_from(row: Row) -> Case:
    """The case in a row of a conversation (`c_`) joined with a ticket (`t_`)."""
    conversation = Conversation(
        id=row["c_id"],
        customer_id=row["c_customer_id"],
        channel=Channel(row["c_channel"]),
        ticket_id=row["c_ticket_id"],
        sender=Sender(
            IdentifierType(row["c_sender_type"]), row["c_sender_value"], row["c_sender_name"], row["c_sender_verified"]
        ),
        thread=Thread(
            row["c_provider_thread_id"],
            row["c_mail_message_id"],
            row["c_mail_in_reply_to"],
            tuple(row["c_mail_references"]),
            row["c_mail_subject"],
        ),
        version=row["c_version"],
        answered_version=row["c_answered_version"],
        last_sequence=row["c_last_sequence"],
        owed_since=row["c_owed_since"],
        create_time=row["c_create_time"],
        update_time=row["c_update_time"],
    )
    return Case(conversation, ticket_from(row, "t_"))


def ticket_from(row: Row, prefix: str = "") -> Ticket:
    """The ticket in a row whose columns carry the prefix."""
    escalation = None
    if row[prefix + "escalation_reason"] is not None:
        escalation = Escalation(
            EscalationReason(row[prefix + "escalation_reason"]),
            row[prefix + "escalation_summary"],
            row[prefix + "escalation_time"],
        )
    return Ticket(
        id=row[prefix + "id"],
        conversation_id=row[prefix + "conversation_id"],
        customer_id=row[prefix + "customer_id"],
        reference=row[prefix + "reference"],
        promised=row[prefix + "promised"],
        channel=Channel(row[prefix + "channel"]),
        sender_verified=row[prefix + "sender_verified"],
        subject=row[prefix + "subject"],
        category=row[prefix + "category"],
        priority=Priority(row[prefix + "priority"]),
        state=TicketState(row[prefix + "state"]),
        assignee=row[prefix + "assignee"],
        escalation=escalation,
        revision=row[prefix + "revision"],
        create_time=row[prefix + "create_time"],
        update_time=row[prefix + "update_time"],
    )


def message_from(row: Row) -> Message:
    """The message in a row."""
    return Message(
        id=row["id"],
        conversation_id=row["conversation_id"],
        ticket_id=row["ticket_id"],
        sequence=row["sequence"],
        author=Author(row["author"]),
        text=row["text"],
        create_time=row["create_time"],
        delivery_state=DeliveryState(row["delivery_state"]),
        citations=tuple(Citation(**citation) for citation in json.loads(row["citations"])),
        run_id=row["run_id"],
        attachments=tuple(Attachment(**attachment) for attachment in json.loads(row["attachments"])),
        mail_message_id=row["mail_message_id"],
        reference=row["reference"],
        apology_for=row["apology_for"],
    )


def entry_from(row: Row) -> TimelineEntry:
    """The timeline entry in a row."""
    return TimelineEntry(
        id=row["id"],
        ticket_id=row["ticket_id"],
        create_time=row["create_time"],
        kind=TimelineKind(row["kind"]),
        actor=row["actor"],
        state=TicketState(row["state"]),
        message_id=row["message_id"],
        facts=json.loads(row["facts"]),
    )


def dead_letter_from(row: Row) -> DeadLetter:
    """The dead letter in a row."""
    return DeadLetter(
        id=row["id"],
        state=DeadLetterState(row["state"]),
        topic=row["topic"],
        partition=row["partition"],
        offset=row["record_offset"],
        consumer=row["consumer"],
        reason=row["reason"],
        attempts=row["attempts"],
        event_type=row["event_type"],
        event_id=row["event_id"],
        redrive_count=row["redrive_count"],
        size_bytes=row["size_bytes"],
        create_time=row["create_time"],
        update_time=row["update_time"],
    )
