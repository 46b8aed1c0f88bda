"""Forward-only schema migrations in plain SQL, safe when several copies of a service start at once.

A migration is `migrations/NNNN_name.sql` inside a package. It runs in one transaction together with the row that
records it; with `-- migrate: no-transaction` as its first line each of its statements runs alone, for what Postgres
does not allow inside a transaction (`create index concurrently`), and must be written so that it may run again.
Names that are applied but unknown here are left alone: they belong to the version that follows this one.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

import asyncpg

from meshkit import logs, sql

if TYPE_CHECKING:
    from meshkit.database import Connection

_FILE = re.compile(r"(?P<number>\d{4})_[a-z0-9_]+\.sql")
_NO_TRANSACTION = "-- migrate: no-transaction"
_KIT = ("meshkit", "schema")
# A migration that waits for a table's lock makes everyone queue behind it: give up soon, and try again.
_TABLE_LOCK_SECONDS = 3
_CONNECT_SECONDS = 10

_CREATE_LEDGER = """
create table if not exists migrations (
  package     text        not null,
  name        text        not null,
  sha256      text        not null,
  applied_at  timestamptz not null default now(),
  duration_ms integer     not null,
  primary key (package, name)
)
"""
_LEDGER_EXISTS = "select to_regclass(format('%I.migrations', $1::text)) is not null"
_APPLIED = "select name, sha256 from migrations where package = $1"
_RECORD = "insert into migrations (package, name, sha256, duration_ms) values ($1, $2, $3, $4)"


class MigrationError(Exception):
    """The schema cannot be brought forward; the text says which migration, which rule, and the mend."""


@dataclass(frozen=True, slots=True)
class _Migration:
    package: str
    name: str
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def in_transaction(self) -> bool:
        return not self.text.startswith(_NO_TRANSACTION)


async def migrate(
    dsn: str, *, schema: str, package: str | None, kit: bool = True, wait_seconds: float = 60.0
) -> list[str]:
    """Bring the schema to what this version needs, and return the names of what was applied now.

    The kit's own tables (outbox, inbox) come first unless `kit` is false, then `package`'s unless it is None. `dsn`
    must lead to Postgres without a pooler. Of several callers one applies and the others wait, up to `wait_seconds`.

    Errors: `MigrationError` for a missing schema, a migration edited after it was applied, one that would come before
    applied ones, a bad file name, and a wait that is over; errors of asyncpg when a statement fails, after which
    nothing of that migration is left.
    """
    ends = time.monotonic() + wait_seconds
    async with _session(dsn, schema) as connection:
        await _lock(connection, schema, ends)
        await connection.execute(_CREATE_LEDGER)
        applied = []
        for migration in await _outstanding(connection, package, kit):
            began = time.monotonic()
            await _apply(connection, migration, began, ends)
            milliseconds = round((time.monotonic() - began) * 1000)
            logs.get().info("migration.applied", schema=schema, migration=migration.name, duration_ms=milliseconds)
            applied.append(migration.name)
        return applied


async def pending(dsn: str, *, schema: str, package: str | None, kit: bool = True) -> list[str]:
    """The names of the migrations that this version needs and the schema does not have, in their order.

    Changes nothing. Errors: as `migrate`.
    """
    async with _session(dsn, schema) as connection:
        if not await connection.fetchval(_LEDGER_EXISTS, schema):
            return [migration.name for migration in _known(package, kit)]
        return [migration.name for migration in await _outstanding(connection, package, kit)]


@contextlib.asynccontextmanager
async def _session(dsn: str, schema: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(
        dsn,
        timeout=_CONNECT_SECONDS,
        server_settings={
            "search_path": f'"{schema}", ext',
            "lock_timeout": f"{_TABLE_LOCK_SECONDS}s",
            # Building an index over a large table may take its time.
            "statement_timeout": "0",
        },
    )
    try:
        if not await connection.fetchval("select exists (select from pg_namespace where nspname = $1)", schema):
            raise MigrationError(f"the schema {schema} does not exist; provision the database first")
        yield connection
    finally:
        # The end of the session gives the lock back, however the work ended.
        with contextlib.suppress(TimeoutError, OSError, asyncpg.InterfaceError):
            await connection.close(timeout=_CONNECT_SECONDS)


async def _lock(connection: Connection, schema: str, ends: float) -> None:
    # Trying instead of waiting inside Postgres: a waiting session holds a snapshot, and `create index concurrently`
    # in the session that has the lock would wait for that snapshot for ever.
    key = int.from_bytes(hashlib.sha256(f"migrate:{schema}".encode()).digest()[:8], signed=True)
    while not await connection.fetchval("select pg_try_advisory_lock($1)", key):
        if time.monotonic() > ends:
            raise MigrationError(f"another process has been migrating {schema} for too long; see what it waits for")
        await asyncio.sleep(0.1)


async def _apply(connection: Connection, migration: _Migration, began: float, ends: float) -> None:
    while True:
        try:
            if migration.in_transaction:
                async with connection.transaction():
                    await connection.execute(migration.text, timeout=None)
                    await _record(connection, migration, began)
            else:
                for statement in sql.statements(migration.text):
                    await connection.execute(statement, timeout=None)
                await _record(connection, migration, began)
        except asyncpg.LockNotAvailableError as error:
            if time.monotonic() > ends:
                raise MigrationError(
                    f"{migration.name} could not lock a table; end the long transactions that use it"
                ) from error
        else:
            return


async def _record(connection: Connection, migration: _Migration, began: float) -> None:
    milliseconds = round((time.monotonic() - began) * 1000)
    await connection.execute(_RECORD, migration.package, migration.name, migration.sha256, milliseconds)


async def _outstanding(connection: Connection, package: str | None, kit: bool) -> list[_Migration]:
    outstanding = []
    for migrations in _groups(package, kit):
        if not migrations:
            continue
        applied = {row["name"]: row["sha256"] for row in await connection.fetch(_APPLIED, migrations[0].package)}
        latest = max(applied, default="")
        for migration in migrations:
            if migration.name not in applied:
                if migration.name < latest:
                    raise MigrationError(
                        f"{migration.name} would come before {latest}, which is applied; give it the next free number"
                    )
                outstanding.append(migration)
            elif applied[migration.name] != migration.sha256:
                raise MigrationError(
                    f"{migration.name} was edited after it was applied; undo the edit and write a new migration"
                )
    return outstanding


def _known(package: str | None, kit: bool) -> list[_Migration]:
    return [migration for migrations in _groups(package, kit) for migration in migrations]


def _groups(package: str | None, kit: bool) -> list[list[_Migration]]:
    groups = [_read(*_KIT)] if kit else []
    if package is not None:
        groups.append(_read(package, "migrations"))
    return groups


def _read(package: str, folder: str) -> list[_Migration]:
    root = resources.files(package).joinpath(folder)
    if not root.is_dir():
        raise MigrationError(f"the package {package} has no folder {folder}")
    found: dict[str, _Migration] = {}
    for entry in sorted(root.iterdir(), key=lambda entry: entry.name):
        if not entry.name.endswith(".sql"):
            continue
        match = _FILE.fullmatch(entry.name)
        if match is None:
            raise MigrationError(f"{package}/{folder}/{entry.name} must be named NNNN_what_it_does.sql")
        if match["number"] in found:
            raise MigrationError(f"{package}/{folder} has number {match['number']} twice; renumber the newer one")
        name = entry.name.removesuffix(".sql")
        found[match["number"]] = _Migration(package, name, entry.read_text(encoding="utf-8"))
    return list(found.values())
