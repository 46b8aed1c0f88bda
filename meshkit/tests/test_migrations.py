import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from local.fixtures import MakeDatabase
from meshkit.migrations import MigrationError, migrate, pending
from meshkit.testing import eventually

Package = Callable[..., str]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Package]:
    """Makes (again) a package with these migrations."""
    name = f"migrated_{tmp_path.name.replace('-', '_')}"
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = tmp_path / name / "migrations"

    def make(**files: str) -> str:
        folder.mkdir(parents=True, exist_ok=True)
        (tmp_path / name / "__init__.py").touch()
        for stem, text in files.items():
            (folder / f"{stem.removeprefix('m')}.sql").write_text(text)
        return name

    yield make
    sys.modules.pop(name, None)


async def tables(dsn: str) -> set[str]:
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("select tablename from pg_tables where schemaname = 'tickets'")
    finally:
        await connection.close()
    return {row["tablename"] for row in rows}


async def test_migrations_are_applied_once_in_order_after_the_kits_own(
    make_database: MakeDatabase, package: Package
) -> None:
    dsn = make_database("tickets")
    name = package(m0001_letters="create table letters (a int)", m0002_more="alter table letters add b int")
    expected = ["0001_outbox_and_inbox", "0001_letters", "0002_more"]
    assert await pending(dsn, schema="tickets", package=name) == expected
    assert await migrate(dsn, schema="tickets", package=name) == expected
    assert await pending(dsn, schema="tickets", package=name) == []
    assert await migrate(dsn, schema="tickets", package=name) == []
    assert await tables(dsn) == {"inbox", "outbox", "migrations", "letters"}


async def test_of_many_starts_at_once_one_migrates(make_database: MakeDatabase, package: Package) -> None:
    dsn = make_database("tickets")
    name = package(m0001_slow="create table slow (a int); select pg_sleep(0.3)")
    results = await asyncio.gather(*(migrate(dsn, schema="tickets", package=name) for _ in range(6)))
    assert sorted(len(result) for result in results) == [0, 0, 0, 0, 0, 2]


async def test_a_waiting_start_gives_up_at_its_deadline(make_database: MakeDatabase, package: Package) -> None:
    dsn = make_database("tickets")
    name = package(m0001_slow="select pg_sleep(2)")
    first = asyncio.create_task(migrate(dsn, schema="tickets", package=name))
    connection = await asyncpg.connect(dsn)
    await eventually(lambda: connection.fetchval("select count(*) from pg_locks where locktype = 'advisory'"))
    await connection.close()
    with pytest.raises(MigrationError, match="another process has been migrating tickets"):
        await migrate(dsn, schema="tickets", package=name, wait_seconds=0.2)
    await first


async def test_an_edited_migration_is_refused(make_database: MakeDatabase, package: Package) -> None:
    dsn = make_database("tickets")
    await migrate(dsn, schema="tickets", package=package(m0001_a="create table a (a int)"))
    edited = package(m0001_a="create table a (b int)")
    with pytest.raises(MigrationError, match="0001_a was edited after it was applied"):
        await migrate(dsn, schema="tickets", package=edited)


async def test_a_migration_before_applied_ones_is_refused(make_database: MakeDatabase, package: Package) -> None:
    dsn = make_database("tickets")
    await migrate(dsn, schema="tickets", package=package(m0002_b="create table b (a int)"))
    with pytest.raises(MigrationError, match="0001_a would come before 0002_b"):
        await migrate(dsn, schema="tickets", package=package(m0001_a="create table a (a int)"))


async def test_a_migration_of_the_next_version_is_left_alone(make_database: MakeDatabase, package: Package) -> None:
    dsn = make_database("tickets")
    name = package(m0001_a="create table a (a int)", m0002_b="create table b (a int)")
    await migrate(dsn, schema="tickets", package=name)
    next_version = Path(sys.path[0]) / name / "migrations" / "0002_b.sql"
    next_version.unlink()
    assert await migrate(dsn, schema="tickets", package=name) == []


async def test_a_failing_migration_leaves_nothing_behind(make_database: MakeDatabase, package: Package) -> None:
    dsn = make_database("tickets")
    name = package(m0001_bad="create table half (a int); select 1/0")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(dsn, schema="tickets", package=name)
    assert "half" not in await tables(dsn)
    assert await pending(dsn, schema="tickets", package=name) == ["0001_bad"]


async def test_an_index_is_built_concurrently_outside_a_transaction(
    make_database: MakeDatabase, package: Package
) -> None:
    dsn = make_database("tickets")
    name = package(
        m0001_a="create table a (a int)",
        m0002_index="""-- migrate: no-transaction
        drop index concurrently if exists a_a;
        create index concurrently a_a on a (a);
        """,
    )
    assert await migrate(dsn, schema="tickets", package=name, kit=False) == ["0001_a", "0002_index"]


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({"mfirst": "select 1"}, "first.sql must be named NNNN_what_it_does.sql"),
        ({"m0001_a": "select 1", "m0001_b": "select 1"}, "has number 0001 twice"),
    ],
)
async def test_badly_named_files_are_refused(
    make_database: MakeDatabase, package: Package, files: dict[str, str], complaint: str
) -> None:
    with pytest.raises(MigrationError, match=complaint):
        await migrate(make_database("tickets"), schema="tickets", package=package(**files))


async def test_a_schema_that_is_not_there_is_refused(make_database: MakeDatabase) -> None:
    with pytest.raises(MigrationError, match="schema nowhere does not exist; provision"):
        await migrate(make_database("tickets"), schema="nowhere", package=None)
