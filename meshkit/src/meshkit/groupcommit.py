"""Statements of many callers in one round trip and one commit, when they arrive at about the same time."""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import asyncpg

from meshkit.database import Database, is_absence
from meshkit.errors import Unavailable


class _Asked(NamedTuple):
    arguments: Sequence[Any]
    locks: frozenset[str]
    future: asyncio.Future[asyncpg.Record]


class GroupCommit:
    """One statement, which many callers run at once, each with arguments and a row of its own.

    While a round is under way, whoever comes waits, and goes with the next: alone when nobody else came, so that it
    costs nothing where little happens. A round is one transaction. When one of its statements fails, all are run again,
    each by itself, so that nobody fails for another's fault.

    A round keeps each row lock until its end, and takes them in the order in which its callers came: two rounds would
    wait for each other in a ring. So with `locking` the statement's last parameter is a text[], the names of what it
    shares with other calls, on which it takes advisory locks, in one order for all, before anything else. The first
    statement of a round is given the names of all the others.
    """

    def __init__(
        self,
        database: Database,
        query: str,
        *,
        locking: bool = False,
        together_max: int = 64,
        rounds_max: int = 2,
        waiting_max: int = 2000,
    ) -> None:
        self._database = database
        self._query = query
        self._locking = locking
        self._together_max = together_max
        self._rounds_max = rounds_max
        self._waiting_max = waiting_max
        self._waiting: deque[_Asked] = deque()
        self._rounds: set[asyncio.Task[None]] = set()

    async def fetchrow(self, *arguments: Any, locks: Iterable[str] = ()) -> asyncpg.Record:
        """The statement's row for these arguments, once it is committed; `locks` names what it shares with others.

        Raises what the statement raises, and Unavailable when too many wait already. Who is cancelled meanwhile may
        find the statement committed all the same.
        """
        if len(self._waiting) >= self._waiting_max:
            raise Unavailable("too many wait for the database; try again")
        future: asyncio.Future[asyncpg.Record] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Asked(arguments, frozenset(locks), future))
        if len(self._rounds) < self._rounds_max:
            # In a context of its own: a round is nobody's call.
            task = asyncio.get_running_loop().create_task(self._run(), context=contextvars.Context())
            self._rounds.add(task)
            task.add_done_callback(self._rounds.discard)
        return await future

    async def _run(self) -> None:
        while self._waiting:
            count = min(len(self._waiting), self._together_max)
            asked = [self._waiting.popleft() for _ in range(count)]
            await self._round([each for each in asked if not each.future.done()])

    async def _round(self, asked: Sequence[_Asked]) -> None:
        if not asked:
            return
        try:
            async with self._database.connection() as connection:
                rows = await connection.fetchmany(self._query, self._arguments(asked))
            answered = list(zip(asked, rows, strict=True))
        except Exception as error:
            certain = isinstance(error, asyncpg.PostgresError) and not is_absence(error)
            if len(asked) > 1 and certain:
                for each in asked:
                    await self._round([each])
                return
            for each in asked:
                if not each.future.done():
                    each.future.set_exception(error)
            return
        for each, row in answered:
            if not each.future.done():
                each.future.set_result(row)

    def _arguments(self, asked: Sequence[_Asked]) -> list[Sequence[Any]]:
        if not self._locking:
            return [each.arguments for each in asked]
        of_all = frozenset[str]().union(*(each.locks for each in asked))
        return [(*each.arguments, sorted(of_all) if each is asked[0] else []) for each in asked]
