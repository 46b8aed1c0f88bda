from __future__ import annotations

import asyncio
import contextlib

import pytest

from local.fixtures import MakeDatabase
from meshkit import leadership
from meshkit.leadership import AWAY, leading
from meshkit.migrations import migrate
from meshkit.testing import eventually


@pytest.fixture
async def dsn(make_database: MakeDatabase) -> str:
    dsn = make_database("tickets")
    await migrate(dsn, schema="tickets", package=None)
    return dsn


class Candidate:
    """Wants a role until stopped, and keeps it until then."""

    def __init__(self, dsn: str, role: str = "work") -> None:
        self.stopping = asyncio.Event()
        self.leads = False
        self.task = asyncio.create_task(self._run(dsn, role))

    async def _run(self, dsn: str, role: str) -> None:
        async with leading(dsn, role, self.stopping) as session:
            self.leads = session is not None
            if session is not None:
                await self.stopping.wait()
        self.leads = False

    async def stop(self) -> None:
        self.stopping.set()
        await asyncio.wait_for(self.task, 5)


async def test_one_leads_and_the_next_takes_over_when_it_ends(dsn: str) -> None:
    first = Candidate(dsn)
    await eventually(lambda: first.leads)
    second = Candidate(dsn)
    with pytest.raises(AssertionError):
        await eventually(lambda: second.leads, 0.8)
    await first.stop()
    await eventually(lambda: second.leads)
    await second.stop()


async def test_roles_are_led_apart(dsn: str) -> None:
    candidates = [Candidate(dsn, role) for role in ("work", "other.work")]
    await eventually(lambda: all(each.leads for each in candidates))
    for each in candidates:
        await each.stop()


async def test_who_is_stopped_while_standing_by_never_leads(dsn: str) -> None:
    first = Candidate(dsn)
    await eventually(lambda: first.leads)
    second = Candidate(dsn)
    await second.stop()
    assert not second.leads
    await first.stop()


async def test_a_leader_that_is_silent_loses_its_session_and_notices(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leadership, "_IDLE_SESSION_SECONDS", 1)
    async with contextlib.AsyncExitStack() as stack:
        session = await stack.enter_async_context(leading(dsn, "work", asyncio.Event()))
        assert session is not None
        second = Candidate(dsn)
        await eventually(lambda: second.leads)
        with pytest.raises(AWAY):
            await session.execute("select")
        await second.stop()
