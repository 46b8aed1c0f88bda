"""Messages, how far their delivery has come, and the request ids that stand for them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from meshkit.database import Connection
from tickets.model import (
    DeliveryChange,
    DeliveryState,
    Message,
    TicketState,
    TimelineEntry,
)
from tickets.store.rows import (
    QUERIES,
    entry_values,
    message_from,
    message_values,
)


async def add_message(connection: Connection, message: Message, entry: TimelineEntry) -> None:
    """Files a message and the timeline entry that tells of it."""
    await connection.execute(QUERIES.add_message, *message_values(message), *entry_values(entry))


async def newest_messages(
    connection: Connection, conversation_id: uuid.UUID | None, *, reference: str, limit: int
) -> list[Message]:
    """The newest messages of a conversation, and the apologies under a reference, oldest first."""
    rows = await connection.fetch(QUERIES.newest_messages, conversation_id, reference, limit)
    messages = sorted((message_from(row) for row in rows), key=lambda message: (message.create_time, message.sequence))
    return messages[-limit:]


async def list_messages(connection: Connection, conversation_id: uuid.UUID, *, after: int, limit: int) -> list[Message]:
    """The messages of a conversation after a sequence, oldest first."""
    rows = await connection.fetch(QUERIES.list_messages, conversation_id, after, limit)
    return [message_from(row) for row in rows]


async def find_message(connection: Connection, message_id: uuid.UUID) -> Message | None:
    """The message of this id."""
    row = await connection.fetchrow(QUERIES.find_message, message_id)
    return None if row is None else message_from(row)


async def find_message_in_order(connection: Connection, conversation_id: uuid.UUID, sequence: int) -> Message | None:
    """The message at this place of a conversation."""
    row = await connection.fetchrow(QUERIES.find_message_in_order, conversation_id, sequence)
    return None if row is None else message_from(row)


async def add_apology(connection: Connection, message: Message) -> bool:
    """Whether this is the first apology for its event; a second one is not written."""
    return await connection.fetchval(QUERIES.add_apology, *message_values(message)) is not None


@dataclass(frozen=True, slots=True)
class Delivered:
    """How far a message's delivery has come, by the newest receipt that counted, and its ticket, if it has one."""

    state: DeliveryState
    time: datetime | None
    ticket: tuple[uuid.UUID, TicketState] | None


async def lock_delivery(connection: Connection, message_id: uuid.UUID) -> Delivered | None:
    """How far the delivery of this message has come; the message is locked."""
    row = await connection.fetchrow(QUERIES.lock_delivery, message_id)
    if row is None:
        return None
    ticket = None if row["ticket_id"] is None else (row["ticket_id"], TicketState(row["ticket_state"]))
    return Delivered(DeliveryState(row["delivery_state"]), row["delivery_time"], ticket)


async def move_delivery(connection: Connection, change: DeliveryChange) -> None:
    """Notes how far a message's delivery has come, and the Message-ID that its mail was given."""
    await connection.execute(
        QUERIES.move_delivery, change.message_id, change.state, change.time, change.mail_message_id
    )


async def claim_request(
    connection: Connection, caller: str, request_id: str, fingerprint: bytes, message_id: uuid.UUID, now: datetime
) -> bool:
    """Whether the caller uses this request id for the first time; from now on it stands for the message.

    While another transaction claims the same one, this waits for its end.
    """
    claimed = await connection.fetchval(QUERIES.claim_request, caller, request_id, fingerprint, message_id, now)
    return claimed is not None


async def find_request(connection: Connection, caller: str, request_id: str) -> tuple[bytes, uuid.UUID] | None:
    """The fingerprint and the message that a caller's request id stands for."""
    row = await connection.fetchrow(QUERIES.find_request, caller, request_id)
    return None if row is None else (row["fingerprint"], row["message_id"])
