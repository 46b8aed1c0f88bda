"""One of several replicas does the work, the others stand by: held by an advisory lock of a database session."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING

import asyncpg

from meshkit import logs
from meshkit.waiting import happened

if TYPE_CHECKING:
    from meshkit.database import Connection

# asyncpg calls it its own mistake when it meets a connection that broke between two steps of a statement.
AWAY = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""What a leader meets when Postgres goes away under it."""

_STATEMENT_SECONDS = 10
# A leader that is stopped (SIGSTOP) keeps its lock; the server ends its session after this, and another takes over.
_IDLE_SESSION_SECONDS = 30
_STANDBY_SECONDS = 0.5
_CLOSE_SECONDS = 5


@contextlib.asynccontextmanager
async def leading(
    dsn: str,
    role: str,
    stopping: asyncio.Event,
    *,
    schema: str | None = None,
    session_settings: Mapping[str, str] | None = None,
) -> AsyncIterator[Connection | None]:
    """The session that makes this process the only one with the role in its schema; None when told to stop before.

    A session of its own, so `dsn` must not lead through a pooler. It ends when it is silent for 30 seconds: whoever
    leads asks something of it more often, and stops working when that fails. Raises what `AWAY` lists.
    """
    settings = {"idle_session_timeout": f"{_IDLE_SESSION_SECONDS}s", **(session_settings or {})}
    if schema is not None:
        settings["search_path"] = f'"{schema}", ext'
    connection = await asyncpg.connect(
        dsn, timeout=_STATEMENT_SECONDS, command_timeout=_STATEMENT_SECONDS, server_settings=settings
    )
    try:
        yield connection if await _is_chosen(connection, role, stopping) else None
    finally:
        try:
            await connection.close(timeout=_CLOSE_SECONDS)
        except (TimeoutError, OSError, asyncpg.InterfaceError):
            connection.terminate()


async def _is_chosen(connection: Connection, role: str, stopping: asyncio.Event) -> bool:
    """Wait for the lock; false when told to stop before it was ours."""
    schema = await connection.fetchval("select current_schema()")
    # All schemas of a database share one space of advisory locks.
    key = int.from_bytes(hashlib.sha256(f"{role}:{schema}".encode()).digest()[:8], signed=True)
    while not await connection.fetchval("select pg_try_advisory_lock($1)", key):
        if await happened(stopping, _STANDBY_SECONDS):
            return False
    logs.get().info(f"{role}.chosen", schema=schema)
    return True
