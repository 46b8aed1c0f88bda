"""Somebody looked at a ticket: it is no longer NEW."""

from __future__ import annotations

from tickets import store
from tickets.model import Actor, Priority, Ticket, TimelineKind
from tickets.operations.desk import Desk, TicketName, happened


async def triage(desk: Desk, by: Actor, name: TicketName, *, subject: str, category: str, priority: Priority) -> Ticket:
    """The ticket, opened with what was found if it was NEW; as it stands if it was past that. Raises TicketNotFound."""
    async with desk.changing(name) as (connection, before):
        case = before.triaged(subject, category, priority, desk.clock.now())
        if case is not before:
            await store.save_case(connection, case)
            facts = {"category": case.ticket.category, "priority": case.ticket.priority.value}
            await store.add_timeline_entry(connection, happened(case, TimelineKind.TRIAGED, by, facts=facts))
        return case.ticket
