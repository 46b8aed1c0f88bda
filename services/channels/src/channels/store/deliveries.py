"""What goes out: deliveries, the parts they are sent in, and the receipts for them."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from channels.model import Channel, ChannelCounts, Delivery, DeliveryState, Part, Reachability, Receipt
from channels.store import rows
from channels.store.inbound import count_inbound_messages
from channels.store.rows import DELIVERY_QUERIES as QUERIES
from channels.store.rows import Position, affected
from meshkit.database import Connection


async def insert_delivery(connection: Connection, delivery: Delivery) -> bool:
    """Whether the delivery is written with its parts; false when its message has one already. Queued is due at once."""
    if await connection.fetchval(QUERIES.insert_delivery, *rows.delivery_values(delivery)) is None:
        return False
    await insert_parts(connection, delivery)
    return True


async def insert_parts(connection: Connection, delivery: Delivery) -> None:
    """Writes the parts of a delivery that had none."""
    await connection.executemany(
        QUERIES.insert_part,
        [
            (delivery.id, part.number, delivery.channel, rows.content_value(part.content), part.state)
            for part in delivery.parts
        ],
    )


async def save_delivery(
    connection: Connection, before: Delivery, after: Delivery, *, due_seconds: float | None, requeued: bool = False
) -> None:
    """Writes what has changed of a locked delivery and its parts, and in how many seconds it is due: None for never."""
    await connection.execute(
        QUERIES.save_delivery,
        after.id,
        after.state,
        after.provider_message_id,
        after.failure_reason,
        rows.thread_value(after.sent_thread),
        after.update_time,
        due_seconds,
        requeued,
    )
    if len(after.parts) < len(before.parts):
        await connection.execute(QUERIES.drop_parts, after.id, len(after.parts) + 1)
    for part, earlier in zip(after.parts, before.parts, strict=False):
        if part != earlier:
            await connection.execute(
                QUERIES.save_part,
                after.id,
                part.number,
                part.state,
                rows.content_value(part.content),
                part.doubts,
                part.provider_message_id,
                part.failure_reason,
            )


async def get_delivery(connection: Connection, delivery_id: uuid.UUID) -> Delivery | None:
    """One delivery."""
    row = await connection.fetchrow(QUERIES.get_delivery, delivery_id)
    return None if row is None else (await _with_parts(connection, [row]))[0]


async def lock_delivery(connection: Connection, delivery_id: uuid.UUID) -> Delivery | None:
    """One delivery, which nobody else moves until the transaction ends."""
    row = await connection.fetchrow(QUERIES.lock_delivery, delivery_id)
    return None if row is None else (await _with_parts(connection, [row]))[0]


async def list_deliveries(
    connection: Connection,
    before: Position | None,
    channel: Channel | None,
    state: DeliveryState | None,
    limit: int,
) -> list[Delivery]:
    """Up to `limit` deliveries that were asked for before the given one, newest first."""
    time, delivery_id = before or (None, None)
    found = await connection.fetch(QUERIES.list_deliveries, time, delivery_id, channel, state, limit)
    return await _with_parts(connection, found)


@dataclass(frozen=True, slots=True)
class Head:
    """The delivery that is the next one of its lane, and in how many seconds it is due: 0 or less for now."""

    delivery_id: uuid.UUID
    lane: str
    is_reply: bool
    due_seconds: float


async def list_heads(connection: Connection, channel: Channel, limit: int) -> list[Head]:
    """The next delivery of each lane, among the first `limit` that wait, replies before what is no reply."""
    found = await connection.fetch(QUERIES.list_heads, channel, limit)
    return [Head(row["id"], row["lane"], row["is_reply"], row["due_seconds"] or 0.0) for row in found]


async def claim_part(connection: Connection, delivery_id: uuid.UUID, part: Part, lookup_seconds: float) -> Part | None:
    """The part, ours to send; None when somebody else has claimed it, or nobody is to send it any more.

    To be committed before it is sent.
    """
    row = await connection.fetchrow(QUERIES.claim_part, delivery_id, part.number, part.claims, lookup_seconds)
    return None if row is None else rows.part(row)


async def claim_age_seconds(connection: Connection, delivery_id: uuid.UUID, number: int) -> float:
    """How long ago a part was claimed last."""
    age: float | None = await connection.fetchval(QUERIES.claim_age, delivery_id, number)
    return age or 0.0


async def queued_seconds(connection: Connection, delivery_id: uuid.UUID) -> float:
    """For how long a delivery has been in the queue."""
    waited: float | None = await connection.fetchval(QUERIES.queued_seconds, delivery_id)
    return waited or 0.0


async def hasten_claimed(connection: Connection, channel: Channel) -> int:
    """Has what others claimed looked at now; returns how many deliveries that are."""
    return affected(await connection.execute(QUERIES.hasten_claimed, channel))


async def list_known_ids(connection: Connection, channel: Channel, lane: str | None, since: datetime) -> frozenset[str]:
    """The provider's ids of what this lane, or every lane for None, was sent from `since` on."""
    if lane is None:
        found = await connection.fetch(QUERIES.list_known_ids_of_all, channel, since)
    else:
        found = await connection.fetch(QUERIES.list_known_ids, channel, lane, since)
    return frozenset(row["provider_message_id"] for row in found)


async def has_waiting_notice(connection: Connection, reference: str) -> bool:
    """Whether the news of an answer waits already for whoever sent the form of this reference."""
    return bool(await connection.fetchval(QUERIES.has_waiting_notice, reference))


async def hold_provider_message(connection: Connection, channel: Channel, provider_message_id: str) -> None:
    """Keeps the record of a send and a receipt for it one after the other, until the transaction ends."""
    await connection.execute(QUERIES.hold_provider_message, channel, provider_message_id)


async def find_part(connection: Connection, channel: Channel, provider_message_id: str) -> tuple[uuid.UUID, int] | None:
    """The delivery and the number of the part that is this message of the provider."""
    row = await connection.fetchrow(QUERIES.find_part, channel, provider_message_id)
    return None if row is None else (row["delivery_id"], row["number"])


async def find_mail(connection: Connection, message_id: str) -> uuid.UUID | None:
    """The delivery that went out as the mail of this Message-ID."""
    found: uuid.UUID | None = await connection.fetchval(QUERIES.find_mail, message_id)
    return found


async def keep_receipt(connection: Connection, channel: Channel, receipt: Receipt) -> None:
    """Keeps a receipt for a message that is not known yet."""
    await connection.execute(
        QUERIES.keep_receipt,
        channel,
        receipt.provider_message_id,
        receipt.state,
        receipt.failure_reason,
        receipt.reachability,
    )


async def take_receipts(connection: Connection, channel: Channel, provider_message_id: str) -> list[Receipt]:
    """The receipts that came before their message was known; they are kept no longer."""
    found = await connection.fetch(QUERIES.take_receipts, channel, provider_message_id)
    return [
        Receipt(
            row["provider_message_id"],
            DeliveryState(row["state"]),
            row["failure_reason"],
            row["reachability"] and Reachability(row["reachability"]),
        )
        for row in found
    ]


async def forget_receipts(connection: Connection, older_than: timedelta, limit: int) -> int:
    """Drops up to `limit` receipts for messages that never became known; returns how many."""
    return affected(await connection.execute(QUERIES.forget_receipts, older_than, limit))


async def forget_contents(connection: Connection, before: datetime) -> int:
    """Drops the words of what was sent or given up before this; returns of how many parts."""
    return affected(await connection.execute(QUERIES.forget_contents, before))


@dataclass(frozen=True, slots=True)
class Queue:
    """How many deliveries of a channel wait, and for how long the first of them has."""

    waiting: int
    oldest_seconds: float


async def count_queue(connection: Connection, timeout_seconds: float | None = None) -> dict[Channel, Queue]:
    """What waits, by channel; one where nothing waits is left out."""
    found = await connection.fetch(QUERIES.count_queue, timeout=timeout_seconds)
    return {Channel(row["channel"]): Queue(row["waiting"], row["oldest_seconds"] or 0.0) for row in found}


async def count_channels(connection: Connection, start: datetime, end: datetime) -> dict[Channel, ChannelCounts]:
    """What went through each channel from `start` on and before `end`; a channel without traffic is left out."""
    received = await count_inbound_messages(connection, start, end)
    delivered = {Channel(row["channel"]): row for row in await connection.fetch(QUERIES.count_deliveries, start, end)}
    counts = {}
    for channel in received.keys() | delivered.keys():
        row = delivered.get(channel)
        counts[channel] = ChannelCounts(
            channel,
            received=received.get(channel, 0),
            deliveries=row["deliveries"] if row else 0,
            sent=row["sent"] if row else 0,
            failed=row["failed"] if row else 0,
        )
    return counts


async def _with_parts(connection: Connection, found: Sequence[asyncpg.Record]) -> list[Delivery]:
    parts = await connection.fetch(QUERIES.list_parts, [row["id"] for row in found]) if found else []
    by_delivery = {
        delivery_id: [rows.part(row) for row in group]
        for delivery_id, group in itertools.groupby(parts, key=lambda row: row["delivery_id"])
    }
    return [rows.delivery(row, by_delivery.get(row["id"], [])) for row in found]
