import asyncio

import pytest

from meshkit import context, metrics
from meshkit.testing import eventually
from meshkit.timers import Timer, run_timer, run_timers


def runs(timer: str, outcome: str) -> float:
    return float(metrics.TIMER_RUNS.labels(timer, outcome)._value.get())


async def test_a_tick_that_fails_or_hangs_comes_again() -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        ticks += 1
        if ticks == 1:
            raise ValueError
        if ticks == 2:
            await asyncio.sleep(60)

    timer = asyncio.create_task(run_timer(Timer("mixed", 0.01, tick, timeout_seconds=0.05)))
    await eventually(lambda: runs("mixed", "ok") >= 1)
    timer.cancel()
    assert (runs("mixed", "failed"), runs("mixed", "timeout")) == (1, 1)


async def test_each_tick_is_a_call_of_its_own() -> None:
    requests: list[str] = []

    async def tick() -> None:
        requests.append(context.current().request_id)

    timer = asyncio.create_task(run_timer(Timer("calls", 0.001, tick)))
    await eventually(lambda: len(requests) >= 2)
    timer.cancel()
    assert all(requests)
    assert len(set(requests)) == len(requests)


async def test_a_hanging_timer_does_not_hold_up_the_others() -> None:
    ticked = asyncio.Event()

    async def hang() -> None:
        await asyncio.sleep(60)

    async def tick() -> None:
        ticked.set()

    running = asyncio.create_task(run_timers([Timer("hanging", 0.001, hang), Timer("ticking", 0.001, tick)]))
    await asyncio.wait_for(ticked.wait(), 5)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
