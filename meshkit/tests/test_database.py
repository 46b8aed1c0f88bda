import asyncio
from urllib.parse import urlsplit

import asyncpg
import pytest

from local.fixtures import MakeDatabase
from local.postgres import Postgres
from meshkit.database import Database, DatabaseUnavailable, is_absence, on_commit
from meshkit.errors import Kind
from meshkit.testing import eventually


async def opened(dsn: str, **options: float) -> Database:
    database = Database(dsn, timeout_seconds=options.pop("timeout_seconds", 2.0), **options)  # type: ignore[arg-type]  # sizes are whole numbers
    await database.open()
    return database


async def test_hooks_run_once_after_the_commit_and_never_after_a_rollback(make_database: MakeDatabase) -> None:
    database = await opened(make_database("tickets"))
    ran: list[str] = []

    def note() -> None:
        ran.append("committed")

    async with database.transaction():
        on_commit(note)
        on_commit(note)
        assert ran == []
    assert ran == ["committed"]

    async def fail() -> None:
        async with database.transaction():
            on_commit(note)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert ran == ["committed"]
    on_commit(note)
    assert ran == ["committed"]
    await database.close()


async def test_a_pool_in_use_is_unavailable_after_its_timeout(make_database: MakeDatabase) -> None:
    database = await opened(make_database("tickets"), pool_min=1, pool_max=1, timeout_seconds=0.2)
    async with database.connection():
        with pytest.raises(DatabaseUnavailable, match="came free in time") as caught:
            async with database.connection():
                pass
    assert caught.value.kind is Kind.UNAVAILABLE
    async with database.connection() as connection:
        assert await connection.fetchval("select 1") == 1
    await database.close()


async def test_a_slow_statement_is_a_timeout_and_the_pool_recovers(make_database: MakeDatabase) -> None:
    database = await opened(make_database("tickets"), pool_min=1, pool_max=1, timeout_seconds=0.3)
    with pytest.raises(TimeoutError):
        async with database.transaction() as connection:
            await connection.execute("select pg_sleep(30)")
    async with database.connection() as connection:
        assert await connection.fetchval("select 1") == 1
    await database.close()


async def test_a_restart_of_postgres_is_unavailable_and_then_over(
    make_database: MakeDatabase, postgres: Postgres
) -> None:
    database = await opened(make_database("tickets"))
    async with database.connection() as connection:
        assert await connection.fetchval("select 1") == 1
    await asyncio.to_thread(postgres.stop)
    try:
        for _ in range(3):
            with pytest.raises(DatabaseUnavailable):
                async with database.transaction() as connection:
                    await connection.fetchval("select 1")
    finally:
        await asyncio.to_thread(postgres.start)
    async with database.transaction() as connection:
        assert await connection.fetchval("select 1") == 1
    await database.close()


async def test_a_backend_that_is_ended_in_mid_transaction_is_unavailable(
    make_database: MakeDatabase, postgres: Postgres
) -> None:
    dsn = make_database("tickets")
    database = await opened(dsn)
    admin = await asyncpg.connect(postgres.dsn())

    async def lose_backend() -> None:
        async with database.transaction() as connection:
            await admin.execute("select pg_terminate_backend($1)", connection.get_server_pid())
            await connection.fetchval("select 1")

    with pytest.raises(DatabaseUnavailable):
        await lose_backend()
    await admin.close()
    await database.close()


@pytest.mark.parametrize(
    ("shut", "reopen"),
    [
        ("alter database {name} allow_connections false", "alter database {name} allow_connections true"),
        ("alter database {name} connection limit 0", "alter database {name} connection limit -1"),
        ("alter role tickets nologin", "alter role tickets login"),
    ],
)
async def test_a_server_that_lets_nobody_in_is_unavailable_and_then_over(
    make_database: MakeDatabase, postgres: Postgres, shut: str, reopen: str
) -> None:
    dsn = make_database("tickets")
    name = urlsplit(dsn).path.removeprefix("/")
    database = await opened(dsn, pool_min=1)
    admin = await asyncpg.connect(postgres.dsn())
    await admin.execute(shut.format(name=f'"{name}"'))
    try:
        async with database.connection() as connection:
            await admin.execute("select pg_terminate_backend($1, 5000)", connection.get_server_pid())
        for _ in range(2):
            with pytest.raises(DatabaseUnavailable, match="cannot be used now"):
                async with database.connection():
                    pass
    finally:
        await admin.execute(reopen.format(name=f'"{name}"'))
        await admin.close()
    async with database.connection() as connection:
        assert await connection.fetchval("select 1") == 1
    await database.close()


async def test_a_database_that_is_closed_at_start_is_unavailable_and_a_wrong_name_is_a_mistake(
    make_database: MakeDatabase, postgres: Postgres
) -> None:
    dsn = make_database("tickets")
    name = urlsplit(dsn).path.removeprefix("/")
    admin = await asyncpg.connect(postgres.dsn())
    await admin.execute(f'alter database "{name}" allow_connections false')
    await admin.close()
    with pytest.raises(DatabaseUnavailable, match="cannot be reached"):
        await opened(dsn)
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await opened(dsn.replace(name, "nothing_there"))


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.CannotConnectNowError,
        asyncpg.AdminShutdownError,
        asyncpg.CrashShutdownError,
        asyncpg.DatabaseDroppedError,
        asyncpg.IdleSessionTimeoutError,
        asyncpg.TooManyConnectionsError,
        asyncpg.DiskFullError,
    ],
)
def test_whatever_ends_a_session_or_starts_none_is_absence(error: type[asyncpg.PostgresError]) -> None:
    assert is_absence(error("as the server says it"))


async def test_an_object_in_the_wrong_state_stays_the_statements_error(make_database: MakeDatabase) -> None:
    database = await opened(make_database("tickets"), pool_min=1, pool_max=1)
    async with database.connection() as connection:
        await connection.execute("create temporary sequence steps")
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError):
        async with database.connection() as connection:
            await connection.execute("select currval('steps')")
    await database.close()


async def test_a_transaction_that_is_stopped_is_ended_by_the_server(make_database: MakeDatabase) -> None:
    database = await opened(make_database("tickets"), timeout_seconds=0.25)

    async def stall() -> None:
        async with database.transaction() as connection:
            await eventually(connection.is_closed, 5)
            await connection.execute("select 1")

    with pytest.raises(DatabaseUnavailable):
        await stall()
    await database.close()


async def test_a_wrong_address_fails_at_start() -> None:
    with pytest.raises(DatabaseUnavailable, match="cannot be reached"):
        await opened("postgresql://nobody@127.0.0.1:1/none")


async def test_an_error_of_the_statement_stays_what_it_is(make_database: MakeDatabase) -> None:
    database = await opened(make_database("tickets"))
    with pytest.raises(asyncpg.UndefinedTableError):
        async with database.connection() as connection:
            await connection.execute("select 1 from nothing_there")
    await database.close()


async def test_vectors_come_back_as_they_went(make_database: MakeDatabase) -> None:
    database = Database(make_database("knowledge"), vectors=True)
    await database.open()
    async with database.connection() as connection:
        found = await connection.fetchval("select $1::ext.vector", [1.0, 2.0, 0.5])
    assert list(found.to_list() if hasattr(found, "to_list") else found) == [1.0, 2.0, 0.5]
    await database.close()
