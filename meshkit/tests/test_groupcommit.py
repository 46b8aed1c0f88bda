import asyncio
import contextlib
from collections.abc import AsyncIterator

import asyncpg
import pytest

from local.fixtures import MakeDatabase
from meshkit.database import Database, DatabaseUnavailable
from meshkit.errors import Unavailable
from meshkit.groupcommit import GroupCommit

INSERT = "insert into words (word) values ($1) returning word, pg_current_xact_id()::text as transaction"


@contextlib.asynccontextmanager
async def words(dsn: str) -> AsyncIterator[Database]:
    database = Database(dsn, timeout_seconds=3)
    await database.open()
    async with database.connection() as connection:
        await connection.execute("create table words (word text primary key)")
    try:
        yield database
    finally:
        await database.close()


async def kept(database: Database) -> list[str]:
    async with database.connection() as connection:
        return [row["word"] for row in await connection.fetch("select word from words order by word")]


async def test_each_has_its_own_row_and_many_share_a_commit(make_database: MakeDatabase) -> None:
    async with words(make_database("tickets")) as database:
        group = GroupCommit(database, INSERT, together_max=8, rounds_max=1)
        spoken = [f"{number:03}" for number in range(40)]
        rows = await asyncio.gather(*[group.fetchrow(word) for word in spoken])
        assert [row["word"] for row in rows] == spoken == await kept(database)
        by_transaction = [row["transaction"] for row in rows]
        # The first goes at once and alone; the others wait for it, and go in eights at most.
        assert len(set(by_transaction)) < 40 / 4
        assert max(map(by_transaction.count, by_transaction)) <= 8


async def test_nobody_fails_for_anothers_fault(make_database: MakeDatabase) -> None:
    async with words(make_database("tickets")) as database:
        group = GroupCommit(database, INSERT, rounds_max=1)
        answers = await asyncio.gather(*[group.fetchrow(word) for word in "abcbde"], return_exceptions=True)
        assert [isinstance(answer, asyncpg.UniqueViolationError) for answer in answers] == [False] * 3 + [True] + [
            False
        ] * 2
        assert await kept(database) == list("abcde")


async def test_who_is_cancelled_holds_up_nobody(make_database: MakeDatabase) -> None:
    async with words(make_database("tickets")) as database:
        group = GroupCommit(database, INSERT, rounds_max=1)
        first, second, third = (asyncio.create_task(group.fetchrow(word)) for word in "abc")
        await asyncio.sleep(0)
        second.cancel()
        assert [(await task)["word"] for task in (first, third)] == ["a", "c"]
        with pytest.raises(asyncio.CancelledError):
            await second
        assert await kept(database) == ["a", "c"]


async def test_more_than_can_wait_are_refused_at_once(make_database: MakeDatabase) -> None:
    async with words(make_database("tickets")) as database:
        group = GroupCommit(database, INSERT, rounds_max=1, waiting_max=2)
        tasks = [asyncio.create_task(group.fetchrow(word)) for word in "abc"]
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(answer) is Unavailable for answer in answers] == [False, False, True]


async def test_all_of_a_round_hear_that_the_database_is_away(make_database: MakeDatabase) -> None:
    database = Database(make_database("tickets"), timeout_seconds=1)
    group = GroupCommit(database, INSERT)
    answers = await asyncio.gather(*[group.fetchrow(word) for word in "abc"], return_exceptions=True)
    assert [type(answer) for answer in answers] == [DatabaseUnavailable] * 3


COUNT_PAIR = """
with held as materialized (
    select count(pg_advisory_xact_lock(shared.key)) as locks
    from (select distinct hashtextextended(name, 0) as key from unnest($3::text[]) as name order by key) as shared
),
counted as (
    insert into counts as known (name, times)
    select name, 1 from held, unnest(array[$1::text, $2::text]) as name
    on conflict (name) do update set times = known.times + 1
    returning times
)
select max(times) as times from counted
"""


async def test_rounds_that_share_rows_never_wait_for_each_other_in_a_ring(make_database: MakeDatabase) -> None:
    dsn = make_database("tickets")
    async with words(dsn) as database:
        async with database.connection() as connection:
            await connection.execute("create table counts (name text primary key, times integer not null)")
        group = GroupCommit(database, COUNT_PAIR, locking=True, together_max=8, rounds_max=4)
        pairs = [(f"a{number % 5}", f"b{number % 3}") for number in range(300)]
        await asyncio.gather(*[group.fetchrow(*pair, locks=pair) for pair in pairs])
        async with database.connection() as connection:
            assert await connection.fetchval("select sum(times) from counts") == 2 * len(pairs)
    # What a connection has seen is in the statistics once it is closed.
    later = await asyncpg.connect(dsn)
    try:
        query = "select deadlocks from pg_stat_database where datname = current_database()"
        assert await later.fetchval(query) == 0
    finally:
        await later.close()


async def test_a_statement_that_is_not_of_one_row_fails_and_nobody_waits_for_ever(make_database: MakeDatabase) -> None:
    async with words(make_database("tickets")) as database:
        group = GroupCommit(database, "select generate_series(1, $1::integer)")
        with pytest.raises(ValueError, match="zip"):
            await asyncio.wait_for(group.fetchrow(2), 5)
