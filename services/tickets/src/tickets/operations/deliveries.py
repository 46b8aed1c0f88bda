"""How far a message has come on its way to the customer, and who looks after one that does not arrive."""

from __future__ import annotations

import uuid

from meshkit.database import Connection
from meshkit.ids import uuid7
from tickets import events, store
from tickets.errors import MessageNotFound
from tickets.model import DESK, DeliveryChange, EscalationReason, TimelineEntry, TimelineKind
from tickets.operations.desk import Desk, happened


async def record_delivery(desk: Desk, connection: Connection, change: DeliveryChange) -> None:
    """Notes the step in the connection's transaction if it leads forward; a person gets the case if it leads astray.

    Does nothing about what is no message of the desk. Raises MessageNotFound.
    """
    if change.message_id is None:
        return
    found = await store.lock_delivery(connection, change.message_id)
    if found is None:
        raise MessageNotFound
    afresh = found.time is None or change.time > found.time
    if not found.state.leads_to(change.state, afresh=afresh):
        return
    await store.move_delivery(connection, change)
    if found.ticket is None:
        # An apology for what could not be filed: no ticket, no timeline.
        return
    ticket_id, ticket_state = found.ticket
    entry = TimelineEntry(
        uuid7(),
        ticket_id,
        desk.clock.now(),
        TimelineKind.DELIVERY_CHANGED,
        DESK.label,
        ticket_state,
        change.message_id,
        change.facts(),
    )
    await store.add_timeline_entry(connection, entry)
    if change.needs_person:
        await _bring_in_a_person(desk, connection, ticket_id, change)


async def _bring_in_a_person(desk: Desk, connection: Connection, ticket_id: uuid.UUID, change: DeliveryChange) -> None:
    before = await store.lock_case(connection, ticket_id)
    # Tickets are never deleted: the one that the message belongs to is there.
    assert before is not None
    case = before.undelivered(change.summary(), desk.clock.now())
    if case is before:
        return
    await store.save_case(connection, case)
    facts = {"reason": EscalationReason.DELIVERY_FAILED.value}
    entry = happened(case, TimelineKind.ESCALATED, DESK, message_id=change.message_id, facts=facts)
    await store.add_timeline_entry(connection, entry)
    await desk.outbox.publish(connection, events.ticket_escalated(case))
