"""Channels' tables. Every query stands in `store.sql`."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from channels.model import (
    Cap,
    Channel,
    ChannelCounts,
    Claim,
    CustomerMessage,
    Delivery,
    DeliveryState,
    InboundMessage,
    Sender,
    SenderType,
    Submission,
)
from meshkit import sql
from meshkit.database import Connection
from meshkit.outbox import OutboxRow

QUERIES = sql.load("channels")

Position = tuple[datetime, uuid.UUID]
"""Where a listing goes on: time and id of the last row before."""


class ReferenceTaken(Exception):
    """The reference that was to be promised is promised to somebody else."""


@dataclass(frozen=True, slots=True)
class Filing:
    """Whether a message was filed; if not, the name of the cap that its sender exceeded, or None for a repeat."""

    filed: bool
    exceeded: str | None


async def file_message(
    connection: Connection,
    message: CustomerMessage,
    event: OutboxRow,
    *,
    claim: Claim | None,
    claims_since: datetime,
    caps: Sequence[Cap],
    hour: datetime,
) -> Filing:
    """Writes a message and its event, unless its claim is older than it or its sender exceeds a cap.

    One statement, so one transaction where the connection is in none. Locks the counts in the order of their caps.
    Raises ReferenceTaken.
    """
    inbound, sender = message.inbound, message.sender
    try:
        row = await connection.fetchrow(
            QUERIES.file_message,
            [cap.sender_hash for cap in caps],
            [cap.name for cap in caps],
            [cap.messages for cap in caps],
            hour,
            claim and claim.key_hash,
            claim and claim.body_hash,
            claims_since,
            inbound.id,
            inbound.channel,
            inbound.provider_message_id,
            inbound.reference,
            message.opens_conversation,
            sender.type,
            sender.value,
            sender.display_name,
            sender.verified,
            inbound.receive_time,
            *event,
        )
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name == "inbound_promise":
            raise ReferenceTaken from error
        raise
    assert row is not None
    return Filing(row["filed"], row["exceeded"])


async def find_submission(connection: Connection, key_hash: bytes, since: datetime) -> Submission | None:
    """What a key was answered with, unless that was before `since`."""
    row = await connection.fetchrow(QUERIES.find_submission, key_hash, since)
    return None if row is None else Submission(row["body_hash"], row["reference"], row["receive_time"])


async def lock_promise(connection: Connection, reference: str) -> Sender | None:
    """Whom a reference was promised to; locked until the transaction ends."""
    row = await connection.fetchrow(QUERIES.lock_promise, reference)
    if row is None:
        return None
    return Sender(SenderType(row["sender_type"]), row["sender"], row["sender_name"], row["sender_verified"])


async def get_inbound_message(connection: Connection, message_id: uuid.UUID) -> InboundMessage | None:
    """One message that came in."""
    row = await connection.fetchrow(QUERIES.get_inbound_message, message_id)
    return None if row is None else _inbound_message(row)


async def list_inbound_messages(
    connection: Connection, before: Position | None, channel: Channel | None, limit: int
) -> list[InboundMessage]:
    """Up to `limit` messages that came in before the given one, newest first."""
    time, message_id = before or (None, None)
    rows = await connection.fetch(QUERIES.list_inbound_messages, time, message_id, channel, limit)
    return [_inbound_message(row) for row in rows]


async def claim_delivery(connection: Connection, delivery: Delivery) -> bool:
    """Whether the delivery is ours from now on; false when its message was claimed before."""
    claimed = await connection.fetchval(
        QUERIES.claim_delivery,
        delivery.id,
        delivery.channel,
        delivery.message_id,
        delivery.conversation_id,
        delivery.reference,
        delivery.state,
        delivery.provider_message_id,
        delivery.failure_reason,
        delivery.create_time,
        delivery.update_time,
    )
    return claimed is not None


async def record_delivery(connection: Connection, delivery: Delivery) -> None:
    """Writes how far the delivery has come."""
    await connection.execute(
        QUERIES.record_delivery,
        delivery.id,
        delivery.state,
        delivery.provider_message_id,
        delivery.failure_reason,
        delivery.update_time,
    )


async def get_delivery(connection: Connection, delivery_id: uuid.UUID) -> Delivery | None:
    """One delivery."""
    row = await connection.fetchrow(QUERIES.get_delivery, delivery_id)
    return None if row is None else _delivery(row)


async def list_deliveries(
    connection: Connection,
    before: Position | None,
    channel: Channel | None,
    state: DeliveryState | None,
    limit: int,
) -> list[Delivery]:
    """Up to `limit` deliveries that were asked for before the given one, newest first."""
    time, delivery_id = before or (None, None)
    rows = await connection.fetch(QUERIES.list_deliveries, time, delivery_id, channel, state, limit)
    return [_delivery(row) for row in rows]


async def count_channels(connection: Connection, start: datetime, end: datetime) -> dict[Channel, ChannelCounts]:
    """What went through each channel from `start` on and before `end`; a channel without traffic is left out."""
    received = {
        Channel(row["channel"]): row["received"]
        for row in await connection.fetch(QUERIES.count_inbound_messages, start, end)
    }
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


async def oldest_unpublished_seconds(connection: Connection, timeout_seconds: float) -> float:
    """How long the oldest fact in the outbox has waited for Kafka; 0 when none waits."""
    age: float | None = await connection.fetchval(QUERIES.oldest_unpublished, timeout=timeout_seconds)
    return max(0.0, age or 0.0)


async def forget_submissions(connection: Connection, before: datetime, limit: int) -> int:
    """Drops up to `limit` keys that are free again; returns how many."""
    return _count(await connection.execute(QUERIES.forget_submissions, before, limit))


async def forget_sender_counts(connection: Connection, before: datetime) -> int:
    """Drops the counts of hours that are over; returns how many."""
    return _count(await connection.execute(QUERIES.forget_sender_counts, before))


def _count(status: str) -> int:
    return int(status.rpartition(" ")[2])


def _inbound_message(row: asyncpg.Record) -> InboundMessage:
    return InboundMessage(
        id=row["id"],
        channel=Channel(row["channel"]),
        provider_message_id=row["provider_message_id"],
        reference=row["reference"],
        sender_verified=row["sender_verified"],
        receive_time=row["receive_time"],
    )


def _delivery(row: asyncpg.Record) -> Delivery:
    return Delivery(
        id=row["id"],
        channel=Channel(row["channel"]),
        message_id=row["message_id"],
        conversation_id=row["conversation_id"],
        reference=row["reference"],
        state=DeliveryState(row["state"]),
        provider_message_id=row["provider_message_id"],
        failure_reason=row["failure_reason"],
        create_time=row["create_time"],
        update_time=row["update_time"],
    )
