"""A person takes a ticket over, and gives it back."""

from __future__ import annotations

from tickets import events, store
from tickets.model import Actor, Ticket, TimelineKind
from tickets.operations.desk import Desk, TicketName, happened


async def take_over(desk: Desk, by: Actor, name: TicketName) -> Ticket:
    """The ticket, that person's from now on. Raises TicketNotFound, TicketClosed, TicketTakenOver."""
    async with desk.changing(name) as (connection, before):
        case = before.taken_over(by, desk.clock.now())
        if case is not before:
            await store.save_case(connection, case)
            await store.add_timeline_entry(connection, happened(case, TimelineKind.TAKEN_OVER, by))
        return case.ticket


async def hand_back(desk: Desk, by: Actor, name: TicketName) -> Ticket:
    """The ticket, the agent's again; what it owes is published to it once more. Raises TicketNotFound, TicketClosed."""
    async with desk.changing(name) as (connection, before):
        case = before.handed_back(desk.clock.now())
        if case is not before:
            await store.save_case(connection, case)
            await store.add_timeline_entry(connection, happened(case, TimelineKind.HANDED_BACK, by))
            if case.answer_owed:
                conversation = case.conversation
                message = await store.find_message_in_order(connection, conversation.id, conversation.version)
                # The version is the place of a customer's message, and messages are never deleted.
                assert message is not None
                await desk.outbox.publish(connection, events.message_filed(case, message))
        return case.ticket
