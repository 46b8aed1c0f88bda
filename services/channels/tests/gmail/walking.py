"""Channels with the simulated Gmail, and its walker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from services.channels.tests.conftest import Running
from services.channels.tests.gmail.google import Google

from channels.model import Bounce
from channels.operations import Mailbox
from channels.providers.gmail.mailbox import GmailMailbox
from meshkit.testing import HeldClock


async def nothing(_: Bounce) -> None:
    """No bounce is expected."""


@dataclass
class Walking:
    """Channels with the simulated Gmail, and its walker."""

    channels: Running
    google: Google
    walker: Mailbox

    async def filed(self) -> list[str]:
        """The texts that went to the desk, in their order."""
        return [received.text for received in await self.channels.received()]

    async def suppressed(self) -> list[str]:
        async with self.channels.database.connection() as connection:
            rows = await connection.fetch("select suppression from inbound where suppression is not null")
        return [row["suppression"] for row in rows]

    async def state(self) -> Any:
        async with self.channels.database.connection() as connection:
            return await connection.fetchrow("select * from mailboxes")

    async def execute(self, statement: str) -> None:
        async with self.channels.database.connection() as connection:
            await connection.execute(statement)

    def another(self, mails: GmailMailbox, **options: Any) -> Mailbox:
        """A walker of another replica, or one with parts of the test's own."""
        intake = self.walker._file
        filled: dict[str, Any] = {"file": intake, "note_bounce": nothing, "poll_seconds": 3600.0, **options}
        return Mailbox(self.channels.database, HeldClock(), mails, **filled)

    @asynccontextmanager
    async def running(self, walker: Mailbox | None = None) -> AsyncIterator[Mailbox]:
        walker = walker or self.walker
        task = asyncio.create_task(walker.run())
        try:
            yield walker
        finally:
            walker.stop()
            await asyncio.wait_for(task, 10)


StartWalking = Callable[..., Any]


async def filed(walking: Walking, count: int) -> bool:
    """Whether so many mails went to the desk by now."""
    return len(await walking.filed()) == count
