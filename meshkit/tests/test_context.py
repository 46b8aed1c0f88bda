from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from meshkit import context
from meshkit.clock import SystemClock
from meshkit.context import Call
from meshkit.testing import HeldClock, eventually


def test_outside_any_call_there_is_an_empty_one() -> None:
    assert context.current() == Call("", None, None, None)


async def test_a_task_inherits_its_call_and_cannot_change_its_parents() -> None:
    async def child() -> str:
        inherited = context.current().request_id
        context.CURRENT.set(Call("other"))
        return inherited

    with context.entered(Call("r-1")):
        assert await asyncio.create_task(child()) == "r-1"
        assert context.current().request_id == "r-1"
    assert context.current().request_id == ""


def test_the_systems_time_is_aware_and_in_utc() -> None:
    assert SystemClock().now().tzinfo is UTC
    assert SystemClock().monotonic() <= SystemClock().monotonic()


def test_a_held_clock_moves_only_when_told() -> None:
    clock = HeldClock(datetime(2026, 1, 1, tzinfo=UTC))
    assert clock.now() == clock.now()
    clock.advance(90)
    assert clock.now() == datetime(2026, 1, 1, 0, 1, 30, tzinfo=UTC)
    assert clock.monotonic() == 90


async def test_waiting_gives_the_answer_and_ends_with_what_it_last_saw() -> None:
    answers = iter([0, 0, 7])
    assert await eventually(lambda: next(answers)) == 7
    with pytest.raises(AssertionError, match="the last answer was 0"):
        await eventually(lambda: 0, within_seconds=0.03)
