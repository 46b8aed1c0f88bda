"""A ticket is done."""

from __future__ import annotations

from tickets import store
from tickets.model import Actor, Ticket, TimelineKind
from tickets.operations.desk import Desk, TicketName, happened


async def resolve(desk: Desk, by: Actor, name: TicketName) -> Ticket:
    """The ticket, resolved; nothing is owed any more. Raises TicketNotFound, TicketClosed."""
    async with desk.changing(name) as (connection, before):
        case = before.resolved(desk.clock.now())
        if case is not before:
            await store.save_case(connection, case)
            await store.add_timeline_entry(connection, happened(case, TimelineKind.RESOLVED, by))
        return case.ticket
