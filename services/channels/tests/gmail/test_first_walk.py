"""A mailbox that is new to us is watched from its first walk on."""

from __future__ import annotations

from services.channels.tests.gmail.google import Google

from channels.model import Bounce, Heard
from channels.operations import Mailbox
from channels.providers.gmail.mailbox import GmailMailbox
from meshkit.database import Database
from meshkit.testing import HeldClock


async def file(heard: Heard) -> bool:
    return True


async def note_bounce(bounce: Bounce) -> None: ...


async def test_the_first_walk_asks_for_pushes_without_waiting_for_the_next(
    migrated_database: str, google: Google, mailbox: GmailMailbox
) -> None:
    database = Database(migrated_database)
    await database.open()
    try:
        async with database.connection() as connection:
            await connection.execute("truncate mailboxes")
        walker = Mailbox(database, HeldClock(), mailbox, file=file, note_bounce=note_bounce, poll_seconds=60.0)
        assert await walker.walk(idle_seconds=30.0)
        assert (await google.control("state", method="GET"))["watch"] is not None
        # Watched, and read just now: whoever else has the mailbox need not do it again.
        assert not await walker.walk(idle_seconds=30.0)
    finally:
        await database.close()
