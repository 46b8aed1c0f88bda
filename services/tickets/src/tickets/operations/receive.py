"""A customer wrote: the message is filed, in the conversation it belongs to, before anyone thinks about it."""

from __future__ import annotations

import uuid
from datetime import datetime

from meshkit.database import Connection
from meshkit.ids import uuid7
from meshkit.promises import unpromised_reference
from tickets import events, store
from tickets.errors import TicketNotFound
from tickets.model import (
    CUSTOMER,
    Author,
    Case,
    Channel,
    Conversation,
    IncomingMessage,
    Message,
    Ticket,
    TicketState,
    TimelineKind,
    first_words,
)
from tickets.operations.desk import Desk, happened


async def receive(desk: Desk, connection: Connection, incoming: IncomingMessage, customer_id: uuid.UUID) -> None:
    """Files the message in the connection's transaction; MessageFiled is published if the agent owes an answer.

    Raises TicketNotFound when it joins a reference whose ticket is not here (yet), ReferenceTaken when the reference
    of a new ticket is in use: a promised one for good, one drawn here until the next try.
    """
    now = desk.clock.now()
    conversation_id = await _conversation_of(connection, incoming)
    if conversation_id is None:
        case, message = await _open(connection, incoming, customer_id, now)
    else:
        case, message = await _join(connection, incoming, conversation_id, now)
    if case.answer_owed:
        await desk.outbox.publish(connection, events.message_filed(case, message))


async def _conversation_of(connection: Connection, incoming: IncomingMessage) -> uuid.UUID | None:
    if incoming.opens_conversation:
        return None
    if incoming.reference:
        # The opening event has the same sender, so it comes first; without its ticket this one cannot be filed.
        found = await store.find_conversation_of_reference(connection, incoming.reference)
        if found is None:
            raise TicketNotFound
        return found
    if incoming.channel is Channel.WEB_FORM:
        return None
    await store.hold_sender(connection, incoming.sender)
    if incoming.channel is Channel.EMAIL:
        return await store.find_conversation_of_thread(connection, incoming.sender, incoming.thread)
    return await store.find_conversation_of_sender(connection, incoming.sender, incoming.channel)


async def _open(
    connection: Connection, incoming: IncomingMessage, customer_id: uuid.UUID, now: datetime
) -> tuple[Case, Message]:
    ticket = _new_ticket(incoming, uuid7(), customer_id, now)
    conversation = Conversation(
        id=ticket.conversation_id,
        customer_id=customer_id,
        channel=incoming.channel,
        ticket_id=ticket.id,
        sender=incoming.sender,
        thread=incoming.thread,
        create_time=now,
        update_time=now,
    )
    case = Case(conversation, ticket).heard(incoming.sender, incoming.thread, now)
    message = _message(case, incoming)
    entry = happened(case, TimelineKind.MESSAGE_FILED, CUSTOMER, message_id=message.id)
    await store.open_case(connection, case, message, entry)
    return case, message


async def _join(
    connection: Connection, incoming: IncomingMessage, conversation_id: uuid.UUID, now: datetime
) -> tuple[Case, Message]:
    case = await store.lock_case_of_conversation(connection, conversation_id)
    # Conversations are never deleted: the one that was just found is there.
    assert case is not None
    reopened = case.ticket.state is TicketState.RESOLVED
    if case.ticket.state is TicketState.CLOSED:
        ticket = _new_ticket(incoming, conversation_id, case.conversation.customer_id, now, after=case.ticket)
        await store.open_ticket(connection, ticket)
        case = case.succeeded(ticket)
    elif incoming.channel is Channel.WHATSAPP:
        case = case.named_by_burst(_called(incoming, case.ticket.subject))
    case = case.heard(incoming.sender, incoming.thread, now)
    message = _message(case, incoming)
    await store.save_case(connection, case)
    entry = happened(case, TimelineKind.MESSAGE_FILED, CUSTOMER, message_id=message.id)
    await store.add_message(connection, message, entry)
    if reopened:
        entry = happened(case, TimelineKind.REOPENED, CUSTOMER, message_id=message.id)
        await store.add_timeline_entry(connection, entry)
    return case, message


def _new_ticket(
    incoming: IncomingMessage,
    conversation_id: uuid.UUID,
    customer_id: uuid.UUID,
    now: datetime,
    *,
    after: Ticket | None = None,
) -> Ticket:
    # A message that joins names the ticket it follows, and that reference is in use.
    promised = incoming.opens_conversation and bool(incoming.reference)
    return Ticket(
        id=uuid7(),
        conversation_id=conversation_id,
        customer_id=customer_id,
        reference=incoming.reference if promised else unpromised_reference(),
        promised=promised,
        channel=incoming.channel,
        sender_verified=incoming.sender.verified,
        subject=incoming.subject or (after.subject if after else "") or _called(incoming),
        category=incoming.category or (after.category if after else ""),
        priority=incoming.priority,
        create_time=now,
        update_time=now,
    )


def _called(incoming: IncomingMessage, so_far: str = "") -> str:
    return first_words(so_far, incoming.text, incoming.attachments)


def _message(case: Case, incoming: IncomingMessage) -> Message:
    return Message(
        id=uuid7(),
        author=Author.CUSTOMER,
        text=incoming.text,
        create_time=case.conversation.update_time,
        conversation_id=case.conversation.id,
        ticket_id=case.ticket.id,
        sequence=case.conversation.version,
        attachments=incoming.attachments,
        mail_message_id=incoming.thread.message_id,
    )
