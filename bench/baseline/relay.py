"""The monolith's outbox relay: one of its processes publishes what all of them have committed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import asyncpg

_LOCK = 20_261_121
_ROWS_MAX = 1000
_ROUND_SECONDS = 0.02
_IDLE_SECONDS = 0.1
_STANDBY_SECONDS_MAX = 3600.0


@contextlib.asynccontextmanager
async def relaying(dsn: str, producer: Any) -> AsyncIterator[None]:
    """Relays beside the application for as long as it is entered."""
    task = asyncio.create_task(_relay(dsn, producer))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _relay(dsn: str, producer: Any) -> None:
    connection = await asyncpg.connect(dsn, command_timeout=10)
    try:
        # Waits here for as long as another process relays.
        await connection.execute("select pg_advisory_lock($1)", _LOCK, timeout=_STANDBY_SECONDS_MAX)
        while True:
            rows = await connection.fetch("select id, topic, key, value from outbox order by id limit $1", _ROWS_MAX)
            if rows:
                sent = [await producer.send(row["topic"], row["value"], key=row["key"]) for row in rows]
                await asyncio.gather(*sent)
                await connection.execute("delete from outbox where id = any($1::bigint[])", [row["id"] for row in rows])
            if len(rows) < _ROWS_MAX:
                await asyncio.sleep(_ROUND_SECONDS if rows else _IDLE_SECONDS)
    finally:
        await connection.close()
