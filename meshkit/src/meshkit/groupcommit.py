"""Statements of many callers in one round trip and one commit, when they arrive at about the same time."""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Sequence
from typing import Any, TypeAlias

import asyncpg

from meshkit.database import Database, is_absence
from meshkit.errors import Unavailable

_Asked: TypeAlias = tuple[Sequence[Any], asyncio.Future[asyncpg.Record]]


class GroupCommit:
    """One statement, which many callers run at once, each with arguments and a row of its own.

    While a round is under way, whoever comes waits, and goes with the next: alone when nobody else came, so that it
    costs nothing where little happens. A round is one transaction. When one of its statements fails, all are run again,
    each by itself, so that nobody fails for another's fault.
    """

    def __init__(
        self, database: Database, query: str, *, together_max: int = 64, rounds_max: int = 2, waiting_max: int = 2000
    ) -> None:
        self._database = database
        self._query = query
        self._together_max = together_max
        self._rounds_max = rounds_max
        self._waiting_max = waiting_max
        self._waiting: deque[_Asked] = deque()
        self._rounds: set[asyncio.Task[None]] = set()

    async def fetchrow(self, *arguments: Any) -> asyncpg.Record:
        """The statement's row for these arguments, once it is committed.

        Raises what the statement raises, and Unavailable when too many wait already. Who is cancelled meanwhile may
        find the statement committed all the same.
        """
        if len(self._waiting) >= self._waiting_max:
            raise Unavailable("too many wait for the database; try again")
        future: asyncio.Future[asyncpg.Record] = asyncio.get_running_loop().create_future()
        self._waiting.append((arguments, future))
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
            await self._round([each for each in asked if not each[1].done()])

    async def _round(self, asked: Sequence[_Asked]) -> None:
        if not asked:
            return
        try:
            async with self._database.connection() as connection:
                rows = await connection.fetchmany(self._query, [arguments for arguments, _ in asked])
        except Exception as error:
            certain = isinstance(error, asyncpg.PostgresError) and not is_absence(error)
            if len(asked) > 1 and certain:
                for each in asked:
                    await self._round([each])
                return
            for _, future in asked:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), row in zip(asked, rows, strict=True):
            if not future.done():
                future.set_result(row)
