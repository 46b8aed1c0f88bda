"""Conversations and their tickets, and the timeline. Whoever writes has locked the case before."""

from __future__ import annotations

import uuid
from datetime import datetime

import asyncpg

from meshkit.database import Connection
from tickets.errors import ReferenceTaken
from tickets.model import (
    Case,
    Channel,
    Message,
    Sender,
    Thread,
    Ticket,
    TicketState,
    TimelineEntry,
)
from tickets.store.rows import (
    QUERIES,
    Place,
    case_from,
    conversation_values,
    either,
    entry_from,
    entry_values,
    escalation_values,
    message_values,
    place,
    reply_values,
    ticket_from,
    ticket_values,
)


async def open_case(connection: Connection, case: Case, message: Message, entry: TimelineEntry) -> None:
    """Writes a new conversation with its first ticket and message. Raises ReferenceTaken."""
    try:
        await connection.execute(
            QUERIES.open_case,
            *conversation_values(case.conversation),
            *ticket_values(case.ticket),
            *message_values(message),
            *entry_values(entry),
        )
    except asyncpg.UniqueViolationError as error:
        raise ReferenceTaken from error


async def open_ticket(connection: Connection, ticket: Ticket) -> None:
    """Writes the next ticket of a conversation. Raises ReferenceTaken."""
    try:
        await connection.execute(QUERIES.open_ticket, *ticket_values(ticket))
    except asyncpg.UniqueViolationError as error:
        raise ReferenceTaken from error


async def save_case(connection: Connection, case: Case) -> None:
    """Writes what a change left of a locked case."""
    conversation, ticket = case.conversation, case.ticket
    await connection.execute(
        QUERIES.save_case,
        conversation.id,
        ticket.id,
        conversation.ticket_id,
        *reply_values(conversation),
        conversation.version,
        conversation.answered_version,
        conversation.last_sequence,
        conversation.owed_since,
        conversation.update_time,
        ticket.subject,
        ticket.category,
        ticket.priority,
        ticket.state,
        ticket.assignee,
        *escalation_values(ticket.escalation),
        ticket.revision,
        ticket.update_time,
    )


async def add_timeline_entry(connection: Connection, entry: TimelineEntry) -> None:
    """Notes one thing that happened to a ticket."""
    await connection.execute(QUERIES.add_timeline_entry, *entry_values(entry))


async def lock_case(connection: Connection, ticket: uuid.UUID | str) -> Case | None:
    """The ticket of this id or reference with its conversation, both locked until the transaction ends."""
    row = await connection.fetchrow(QUERIES.lock_case, *either(ticket))
    return None if row is None else case_from(row)


async def lock_case_of_conversation(connection: Connection, conversation_id: uuid.UUID) -> Case | None:
    """A conversation with its ticket in work, both locked until the transaction ends."""
    # First the conversation alone: which ticket is in work may change while we wait for it.
    if not await connection.fetchval(QUERIES.lock_conversation, conversation_id):
        return None
    row = await connection.fetchrow(QUERIES.lock_case_of_conversation, conversation_id)
    return None if row is None else case_from(row)


async def find_case_of_conversation(connection: Connection, conversation_id: uuid.UUID) -> Case | None:
    """A conversation with its ticket in work."""
    row = await connection.fetchrow(QUERIES.find_case_of_conversation, conversation_id)
    return None if row is None else case_from(row)


async def list_cases(
    connection: Connection, *, customer_id: uuid.UUID | None, channel: Channel | None, after: Place, limit: int
) -> list[Case]:
    """Conversations with their tickets in work, newest first."""
    rows = await connection.fetch(QUERIES.list_cases, customer_id, channel, *place(after), limit)
    return [case_from(row) for row in rows]


async def find_overdue(connection: Connection, before: datetime, limit: int) -> list[uuid.UUID]:
    """The conversations owed an ending since `before` or longer, the longest first."""
    return [row["id"] for row in await connection.fetch(QUERIES.find_overdue, before, limit)]


async def claim_overdue(connection: Connection, conversation_id: uuid.UUID, before: datetime) -> Case | None:
    """The case of a conversation that is still owed an ending, locked; None if it is not, or somebody else has it."""
    if not await connection.fetchval(QUERIES.claim_overdue, conversation_id, before):
        return None
    return await lock_case_of_conversation(connection, conversation_id)


async def hold_sender(connection: Connection, sender: Sender) -> None:
    """Waits until no other transaction finds or opens a conversation of this sender."""
    await connection.execute(QUERIES.hold_sender, sender.value)


async def find_conversation_of_reference(connection: Connection, reference: str) -> uuid.UUID | None:
    """The conversation of the ticket that was promised under this reference."""
    found: uuid.UUID | None = await connection.fetchval(QUERIES.find_conversation_of_reference, reference)
    return found


async def find_conversation_of_thread(connection: Connection, sender: Sender, thread: Thread) -> uuid.UUID | None:
    """The mail conversation of this very sender that the headers of a mail point to."""
    found: uuid.UUID | None = await connection.fetchval(
        QUERIES.find_conversation_of_thread,
        sender.value,
        thread.provider_thread_id,
        thread.answered_message_ids,
        sender.verified,
    )
    return found


async def find_conversation_of_sender(connection: Connection, sender: Sender, channel: Channel) -> uuid.UUID | None:
    """The newest conversation of this sender on a channel, unless its ticket is closed."""
    found: uuid.UUID | None = await connection.fetchval(QUERIES.find_conversation_of_sender, sender.value, channel)
    return found


async def find_ticket(connection: Connection, ticket: uuid.UUID | str) -> Ticket | None:
    """The ticket of this id or reference."""
    row = await connection.fetchrow(QUERIES.find_ticket, *either(ticket))
    return None if row is None else ticket_from(row)


async def list_tickets(
    connection: Connection, *, state: TicketState | None, customer_id: uuid.UUID | None, after: Place, limit: int
) -> list[Ticket]:
    """Tickets, newest first."""
    rows = await connection.fetch(QUERIES.list_tickets, state, customer_id, *place(after), limit)
    return [ticket_from(row) for row in rows]


async def list_history(connection: Connection, ticket: Ticket, *, after: Place, limit: int) -> list[Ticket]:
    """The other tickets of a ticket's customer whose sender was vouched for, newest first."""
    rows = await connection.fetch(QUERIES.list_history, ticket.customer_id, ticket.id, *place(after), limit)
    return [ticket_from(row) for row in rows]


async def list_timeline(
    connection: Connection, ticket_id: uuid.UUID, *, after: Place, limit: int
) -> list[TimelineEntry]:
    """What happened to a ticket, oldest first."""
    rows = await connection.fetch(QUERIES.list_timeline, ticket_id, *place(after), limit)
    return [entry_from(row) for row in rows]
