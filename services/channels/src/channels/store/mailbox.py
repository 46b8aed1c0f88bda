"""How far the mailbox has been read, and by whom."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from meshkit import sql
from meshkit.database import Connection, Database
from meshkit.groupcommit import GroupCommit

MAILBOX_QUERIES = sql.load("channels", "mailbox.sql")


@dataclass(frozen=True, slots=True)
class Walk:
    """A mailbox that is ours to read: from which point of its history, or, where that is lost, since when.

    `watched_seconds_ago` is how long ago changes were last asked to be pushed, None for never.
    """

    history_id: int
    since: datetime
    watched_seconds_ago: float | None


async def open_mailbox(connection: Connection, address: str, history_id: int) -> None:
    """Keeps where the mailbox is when it is first found; one that was found before stays as it is."""
    await connection.execute(MAILBOX_QUERIES.open_mailbox, address, history_id)


async def is_mailbox_open(connection: Connection, address: str) -> bool:
    """Whether the mailbox was found before."""
    found: bool = await connection.fetchval(MAILBOX_QUERIES.is_open, address)
    return found


def noting_hints(database: Database) -> GroupCommit:
    """What `note_hint` runs: pushes come in bursts, and all of them change one row."""
    return GroupCommit(database, MAILBOX_QUERIES.note_hint)


async def note_hint(noting: GroupCommit, address: str, history_id: int) -> bool:
    """Keeps up to where something is known to have changed; false when that is filed already."""
    return bool((await noting.fetchrow(address, history_id))["news"])


async def claim_walk(
    connection: Connection,
    address: str,
    walker: uuid.UUID,
    *,
    lease_seconds: float,
    idle_seconds: float,
    slack_seconds: float,
) -> Walk | None:
    """The mailbox, ours to read; None while somebody else reads it, or when it was read less than `idle_seconds` ago.

    A push that was noted since then always counts. `since` goes back by `slack_seconds`, but not before the beginning.
    """
    row = await connection.fetchrow(
        MAILBOX_QUERIES.claim_walk, address, walker, lease_seconds, idle_seconds, slack_seconds
    )
    return None if row is None else Walk(row["history_id"], row["since"], row["watched_seconds_ago"])


async def held_seconds(connection: Connection, address: str) -> float | None:
    """When the mailbox is anybody's again, should whoever reads it be dead; None when nobody reads it."""
    seconds: float | None = await connection.fetchval(MAILBOX_QUERIES.held_seconds, address)
    return seconds


async def advance_walk(
    connection: Connection, address: str, walker: uuid.UUID, history_id: int, *, lease_seconds: float
) -> bool:
    """Keeps that everything up to here is filed; false when the mailbox is somebody else's to read by now."""
    return await connection.fetchval(MAILBOX_QUERIES.advance_walk, address, walker, history_id, lease_seconds) is True


async def end_walk(connection: Connection, address: str, walker: uuid.UUID, *, finished: bool, settled: bool) -> bool:
    """Lets go of the mailbox; true when there is more to read at once. `settled` lets go of hints at more, too."""
    return await connection.fetchval(MAILBOX_QUERIES.end_walk, address, walker, finished, settled) is True


async def note_watch(connection: Connection, address: str) -> None:
    """Keeps that changes are pushed from now on."""
    await connection.execute(MAILBOX_QUERIES.note_watch, address)


async def list_unknown_mails(connection: Connection, ids: Sequence[str]) -> list[str]:
    """Those of the mails that were not taken in yet, in their order."""
    return [row["id"] for row in await connection.fetch(MAILBOX_QUERIES.list_unknown, list(ids))]
