"""What stands on the desk, for those who may see it."""

from __future__ import annotations

import uuid
from typing import Final

from tickets import store
from tickets.errors import ConversationNotFound, MessageNotFound, TicketNotFound
from tickets.model import Case, Channel, Message, Status, Ticket, TicketState, TimelineEntry
from tickets.operations.desk import Desk, TicketName
from tickets.store import Place

_MESSAGES_SHOWN_MAX: Final = 100


async def show_ticket(desk: Desk, name: TicketName) -> tuple[Ticket, list[Message]]:
    """A ticket with the newest messages of its conversation, oldest first. Raises TicketNotFound."""
    async with desk.database.connection() as connection:
        ticket = await store.find_ticket(connection, name)
        if ticket is None:
            raise TicketNotFound
        # Only a promised reference has apologies; any other one is a stranger's by chance.
        reference = ticket.reference if ticket.promised else ""
        messages = await store.newest_messages(
            connection, ticket.conversation_id, reference=reference, limit=_MESSAGES_SHOWN_MAX
        )
    return ticket, messages


async def show_status(desk: Desk, name: TicketName, token: str) -> Status:
    """What the customer with this status token may see. Raises TicketNotFound for whatever the token does not open.

    A good token without a ticket is no error: the promise was made, and the message is on its way here.
    """
    if not isinstance(name, str) or not desk.status_tokens.proves(name, token):
        raise TicketNotFound
    async with desk.database.connection() as connection:
        ticket = await store.find_ticket(connection, name)
        if ticket is not None and not ticket.promised:
            # Drawn here for someone else before channels promised it: that ticket is not this customer's.
            ticket = None
        conversation_id = ticket.conversation_id if ticket else None
        messages = await store.newest_messages(connection, conversation_id, reference=name, limit=_MESSAGES_SHOWN_MAX)
    return Status(name, ticket, tuple(messages))


async def list_tickets(
    desk: Desk, *, state: TicketState | None, customer_id: uuid.UUID | None, after: Place, limit: int
) -> list[Ticket]:
    """Tickets, newest first."""
    async with desk.database.connection() as connection:
        return await store.list_tickets(connection, state=state, customer_id=customer_id, after=after, limit=limit)


async def show_conversation(desk: Desk, conversation_id: uuid.UUID) -> tuple[Case, list[Message]]:
    """A conversation with its ticket in work and its newest messages, oldest first. Raises ConversationNotFound."""
    async with desk.database.connection() as connection:
        case = await store.find_case_of_conversation(connection, conversation_id)
        if case is None:
            raise ConversationNotFound
        messages = await store.newest_messages(connection, conversation_id, reference="", limit=_MESSAGES_SHOWN_MAX)
    return case, messages


async def list_conversations(
    desk: Desk, *, customer_id: uuid.UUID | None, channel: Channel | None, after: Place, limit: int
) -> list[Case]:
    """Conversations with their tickets in work, newest first."""
    async with desk.database.connection() as connection:
        return await store.list_cases(connection, customer_id=customer_id, channel=channel, after=after, limit=limit)


async def show_message(desk: Desk, message_id: uuid.UUID) -> Message:
    """One message. Raises MessageNotFound."""
    async with desk.database.connection() as connection:
        message = await store.find_message(connection, message_id)
    if message is None:
        raise MessageNotFound
    return message


async def list_messages(desk: Desk, name: TicketName, *, after: int, limit: int) -> list[Message]:
    """The messages of a ticket's conversation after a sequence, oldest first. Raises TicketNotFound."""
    async with desk.database.connection() as connection:
        ticket = await store.find_ticket(connection, name)
        if ticket is None:
            raise TicketNotFound
        return await store.list_messages(connection, ticket.conversation_id, after=after, limit=limit)


async def list_timeline(desk: Desk, name: TicketName, *, after: Place, limit: int) -> list[TimelineEntry]:
    """What happened to a ticket, oldest first. Raises TicketNotFound."""
    async with desk.database.connection() as connection:
        ticket = await store.find_ticket(connection, name)
        if ticket is None:
            raise TicketNotFound
        return await store.list_timeline(connection, ticket.id, after=after, limit=limit)


async def list_history(desk: Desk, name: TicketName, *, after: Place, limit: int) -> list[Ticket] | None:
    """What a ticket's customer asked before, newest first; None where nobody vouched for the ticket's sender.

    Raises TicketNotFound.
    """
    async with desk.database.connection() as connection:
        ticket = await store.find_ticket(connection, name)
        if ticket is None:
            raise TicketNotFound
        if not ticket.sender_verified:
            return None
        return await store.list_history(connection, ticket, after=after, limit=limit)
