"""What a consumer has already handled, so that an event that is delivered twice takes effect once."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from meshkit.database import Connection

_INSERT = """
insert into inbox (consumer, event_id, state) values ($1, $2, $3) on conflict do nothing returning true
"""
_INSERT_MANY = """
insert into inbox (consumer, event_id) select $1, unnest($2::text[]) on conflict do nothing returning event_id
"""
_PRUNE = """
delete from inbox where (consumer, event_id) in (
  select consumer, event_id from inbox where handled_at < now() - $1::interval limit $2
)
"""
_PRUNE_BATCH = 5000


async def first_time(connection: Connection, consumer: str, event_id: str) -> bool:
    """Whether this consumer has never handled this event; from now on it has, if the transaction commits.

    `event_id` is `Received.inbox_key`. While another transaction is handling the same event, this waits for its end.
    """
    return bool(await connection.fetchval(_INSERT, consumer, event_id, "done"))


async def first_times(connection: Connection, consumer: str, event_ids: Collection[str]) -> set[str]:
    """Which of these events this consumer has never handled: `first_time` for many, in one statement."""
    # In one order for all: two transactions that claim the same events must not wait for each other in a ring.
    rows = await connection.fetch(_INSERT_MANY, consumer, sorted(event_ids))
    return {row["event_id"] for row in rows}


async def mark_dead(connection: Connection, consumer: str, event_id: str) -> bool:
    """Record that the consumer gave this event up; false if it had already been handled, then nothing is to be done."""
    return bool(await connection.fetchval(_INSERT, consumer, event_id, "dead"))


async def prune(connection: Connection, *, older_than: timedelta) -> int:
    """Forget events handled longer ago than that, a bounded number at a time; the count says whether to go on.

    Keep them longer than any topic keeps its records: a forgotten event that is read again takes effect again.
    """
    status = await connection.execute(_PRUNE, older_than, _PRUNE_BATCH)
    return int(status.rpartition(" ")[2])
