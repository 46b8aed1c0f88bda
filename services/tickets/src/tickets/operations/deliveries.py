"""How far a reply has come on its way to the customer."""

from __future__ import annotations

import uuid

from meshkit.database import Connection
from meshkit.ids import uuid7
from tickets import store
from tickets.errors import MessageNotFound
from tickets.model import DESK, DeliveryState, TimelineEntry, TimelineKind
from tickets.operations.desk import Desk


async def record_delivery(
    desk: Desk, connection: Connection, message_id: uuid.UUID, state: DeliveryState, failure_reason: str
) -> None:
    """Notes the step in the connection's transaction if it leads forward. Raises MessageNotFound."""
    found = await store.lock_delivery(connection, message_id)
    if found is None:
        raise MessageNotFound
    reached, ticket = found
    if not reached.leads_to(state):
        return
    await store.move_delivery(connection, message_id, state)
    if ticket is None:
        # An apology for what could not be filed: no ticket, no timeline.
        return
    ticket_id, ticket_state = ticket
    facts = {"deliveryState": state.value}
    if failure_reason:
        facts["failureReason"] = failure_reason
    entry = TimelineEntry(
        uuid7(),
        ticket_id,
        desk.clock.now(),
        TimelineKind.DELIVERY_CHANGED,
        DESK.label,
        ticket_state,
        message_id,
        facts,
    )
    await store.add_timeline_entry(connection, entry)
