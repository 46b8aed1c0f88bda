"""What came in: messages, the keys and promises of the web, and whom the channels with a provider talk to."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import asyncpg

from channels.model import (
    Cap,
    Channel,
    Claim,
    CustomerMessage,
    InboundMessage,
    Reachability,
    Sender,
    SenderType,
    Submission,
    Suppression,
)
from channels.store.rows import QUERIES, Position, affected, inbound_message
from meshkit.database import Connection
from meshkit.outbox import OutboxRow


class Statement(Protocol):
    """A statement that files a message, on a connection or in a group commit: its arguments in, its row out."""

    async def __call__(self, *arguments: Any, locks: Iterable[str]) -> asyncpg.Record | None:
        """Runs it; `locks` names what the message shares with others."""


def filing_of_forms(connection: Connection) -> Statement:
    """What `file_message` runs, on this connection."""
    return _on(connection, QUERIES.file_message)


def filing_of_heard(connection: Connection) -> Statement:
    """What `file_heard` runs, on this connection."""
    return _on(connection, QUERIES.file_heard)


def _on(connection: Connection, query: str) -> Statement:
    async def run(*arguments: Any, locks: Iterable[str]) -> asyncpg.Record | None:
        return await connection.fetchrow(query, *arguments, list(locks))

    return run


class ReferenceTaken(Exception):
    """The reference that was to be promised is promised to somebody else."""


@dataclass(frozen=True, slots=True)
class Filing:
    """Whether a message was filed; if not, the name of the cap that its sender exceeded, or None for a repeat."""

    filed: bool
    exceeded: str | None


@dataclass(frozen=True, slots=True)
class Hearing:
    """What became of a provider's message: filed or not, why nobody answers it, and whether it came from an address
    that was taken for undeliverable."""

    filed: bool
    suppression: Suppression | None
    returned: bool


@dataclass(frozen=True, slots=True)
class Correspondent:
    """What is known of an address, and the database's present time. No reachability: nothing is against it."""

    heard_time: datetime | None
    written_time: datetime | None
    reachability: Reachability | None
    reachability_time: datetime | None
    now: datetime


async def file_message(
    statement: Statement,
    message: CustomerMessage,
    event: OutboxRow,
    *,
    claim: Claim | None,
    claims_since: datetime,
    caps: Sequence[Cap],
    hour: datetime,
    confirmation_id: uuid.UUID | None = None,
) -> Filing:
    """Writes a message and its event, unless its claim is older than it or its sender exceeds a cap.

    With `confirmation_id` a mail that confirms it is put into the queue. One statement. Raises ReferenceTaken.
    """
    inbound, sender = message.inbound, message.sender
    shared = [cap.sender_hash.hex() for cap in caps]
    if claim is not None:
        shared.append(claim.key_hash.hex())
    try:
        row = await statement(
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
            confirmation_id,
            locks=shared,
        )
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name == "inbound_promise":
            raise ReferenceTaken from error
        raise
    assert row is not None
    return Filing(row["filed"], row["exceeded"])


async def file_heard(
    statement: Statement,
    message: CustomerMessage,
    event: OutboxRow,
    *,
    sent_time: datetime | None,
    caps: Sequence[Cap],
    hour: datetime,
    returning: bool,
) -> Hearing:
    """Writes a provider's message and its event, unless it is known.

    All in one statement. A message from an address that was taken for undeliverable is filed only with `returning`, in
    the transaction that clears that address.
    """
    inbound, sender = message.inbound, message.sender
    row = await statement(
        [cap.sender_hash for cap in caps],
        [cap.messages for cap in caps],
        hour,
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
        sent_time,
        inbound.suppression,
        sender.key,
        returning,
        *event,
        locks=[
            *(cap.sender_hash.hex() for cap in caps),
            f"{inbound.channel} from {sender.key}",
            f"{inbound.channel} message {inbound.provider_message_id}",
        ],
    )
    assert row is not None
    return Hearing(row["filed"], row["suppression"] and Suppression(row["suppression"]), row["returned"])


async def find_form_of_thread(connection: Connection, provider_thread_id: str, address: str) -> str | None:
    """The reference of the form whose mail, sent to this address, began this thread."""
    reference: str | None = await connection.fetchval(QUERIES.find_form_of_thread, provider_thread_id, address)
    return reference


async def get_correspondent(connection: Connection, channel: Channel, address: str) -> Correspondent:
    """What is known of an address in its one spelling."""
    row = await connection.fetchrow(QUERIES.get_correspondent, channel, address)
    assert row is not None
    reachability = row["reachability"]
    return Correspondent(
        row["heard_time"],
        row["written_time"],
        reachability and Reachability(reachability),
        row["reachability_time"],
        row["now"],
    )


async def mark_correspondent(
    connection: Connection, channel: Channel, address: str, reachability: Reachability
) -> bool:
    """Notes that an address cannot be written to; false when that was known."""
    return bool(await connection.fetchval(QUERIES.mark_correspondent, channel, address, reachability))


async def clear_correspondent(
    connection: Connection, channel: Channel, address: str, reachability: Reachability
) -> bool:
    """Takes back what was known against an address; false when it was not this."""
    return bool(await connection.fetchval(QUERIES.clear_correspondent, channel, address, reachability))


async def note_written(connection: Connection, channel: Channel, address: str) -> None:
    """Notes that something of ours was sent to an address."""
    await connection.execute(QUERIES.note_written, channel, address)


async def count_sender(connection: Connection, sender_hash: bytes, hour: datetime) -> int:
    """How many of its kind this sender has in this hour, with this one."""
    count: int = await connection.fetchval(QUERIES.count_sender, sender_hash, hour)
    return count


async def find_submission(connection: Connection, key_hash: bytes, since: datetime) -> Submission | None:
    """What a key was answered with, unless that was before `since`."""
    row = await connection.fetchrow(QUERIES.find_submission, key_hash, since)
    return None if row is None else Submission(row["body_hash"], row["reference"], row["receive_time"])


async def lock_promise(connection: Connection, reference: str) -> Sender | None:
    """Whom a reference was promised to; locked until the transaction ends."""
    return _sender(await connection.fetchrow(QUERIES.lock_promise, reference))


async def find_promise(connection: Connection, reference: str) -> Sender | None:
    """Whom a reference was promised to."""
    return _sender(await connection.fetchrow(QUERIES.find_promise, reference))


async def get_inbound_message(connection: Connection, message_id: uuid.UUID) -> InboundMessage | None:
    """One message that came in."""
    row = await connection.fetchrow(QUERIES.get_inbound_message, message_id)
    return None if row is None else inbound_message(row)


async def list_inbound_messages(
    connection: Connection, before: Position | None, channel: Channel | None, limit: int
) -> list[InboundMessage]:
    """Up to `limit` messages that came in before the given one, newest first."""
    time, message_id = before or (None, None)
    rows = await connection.fetch(QUERIES.list_inbound_messages, time, message_id, channel, limit)
    return [inbound_message(row) for row in rows]


async def count_inbound_messages(connection: Connection, start: datetime, end: datetime) -> dict[Channel, int]:
    """How many messages came in by each channel from `start` on and before `end`."""
    rows = await connection.fetch(QUERIES.count_inbound_messages, start, end)
    return {Channel(row["channel"]): row["received"] for row in rows}


async def oldest_unpublished_seconds(connection: Connection, timeout_seconds: float) -> float:
    """How long the oldest fact in the outbox has waited for Kafka; 0 when none waits."""
    age: float | None = await connection.fetchval(QUERIES.oldest_unpublished, timeout=timeout_seconds)
    return max(0.0, age or 0.0)


async def forget_submissions(connection: Connection, before: datetime, limit: int) -> int:
    """Drops up to `limit` keys that are free again; returns how many."""
    return affected(await connection.execute(QUERIES.forget_submissions, before, limit))


async def forget_sender_counts(connection: Connection, before: datetime) -> int:
    """Drops the counts of hours that are over; returns how many."""
    return affected(await connection.execute(QUERIES.forget_sender_counts, before))


def _sender(row: asyncpg.Record | None) -> Sender | None:
    if row is None:
        return None
    return Sender(SenderType(row["sender_type"]), row["sender"], row["sender_name"], row["sender_verified"])
