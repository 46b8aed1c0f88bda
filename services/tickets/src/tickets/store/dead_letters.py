"""Dead letters and the records they were."""

from __future__ import annotations

import uuid

from meshkit.database import Connection
from tickets.model import (
    DeadLetter,
    DeadLetterState,
    DeadRecord,
)
from tickets.store.rows import (
    QUERIES,
    Place,
    dead_letter_from,
    place,
)


async def add_dead_letter(connection: Connection, letter: DeadLetter, record: DeadRecord) -> None:
    """Keeps an event that could not be handled."""
    await connection.execute(
        QUERIES.add_dead_letter,
        letter.id,
        letter.state,
        letter.topic,
        letter.partition,
        letter.offset,
        letter.consumer,
        letter.reason,
        letter.attempts,
        letter.event_type,
        letter.event_id,
        letter.redrive_count,
        record.key,
        record.value,
        [name for name, _ in record.headers],
        [content for _, content in record.headers],
        letter.create_time,
        letter.update_time,
    )


async def find_dead_letter(connection: Connection, letter_id: uuid.UUID) -> DeadLetter | None:
    """The dead letter of this id."""
    row = await connection.fetchrow(QUERIES.find_dead_letter, letter_id)
    return None if row is None else dead_letter_from(row)


async def lock_dead_letter(connection: Connection, letter_id: uuid.UUID) -> DeadLetter | None:
    """The dead letter of this id, locked until the transaction ends."""
    row = await connection.fetchrow(QUERIES.lock_dead_letter, letter_id)
    return None if row is None else dead_letter_from(row)


async def find_dead_record(connection: Connection, letter_id: uuid.UUID) -> DeadRecord:
    """The record of a dead letter that is known to be there."""
    row = await connection.fetchrow(QUERIES.find_dead_record, letter_id)
    assert row is not None
    return DeadRecord(row["key"], row["value"], list(zip(row["header_names"], row["header_values"], strict=True)))


async def settle_dead_letter(connection: Connection, letter: DeadLetter) -> None:
    """Notes what was decided about a locked dead letter."""
    await connection.execute(QUERIES.settle_dead_letter, letter.id, letter.state, letter.update_time)


async def list_dead_letters(
    connection: Connection, *, state: DeadLetterState | None, topic: str | None, after: Place, limit: int
) -> list[DeadLetter]:
    """Dead letters, newest first."""
    rows = await connection.fetch(QUERIES.list_dead_letters, state, topic, *place(after), limit)
    return [dead_letter_from(row) for row in rows]
