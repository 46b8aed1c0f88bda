"""Work that repeats: a tick that fails is logged and comes again, a tick that hangs is ended."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from meshkit import context, logs, metrics
from meshkit.interceptors.correlation import new_request_id


@dataclass(frozen=True, slots=True)
class Timer:
    """Run something every so many seconds, from the end of one tick to the start of the next.

    The wait varies by `jitter` (a share of it), so that replicas do not tick together. `timeout_seconds` ends a tick
    that takes longer. Every replica ticks: whoever must be alone takes a lock or claims rows.
    """

    name: str
    every_seconds: float
    run: Callable[[], Awaitable[None]]
    jitter: float = 0.1
    timeout_seconds: float = 30.0


async def run_timers(timers: Sequence[Timer]) -> None:
    """Tick all timers, each on its own, until cancelled."""
    async with asyncio.TaskGroup() as group:
        for timer in timers:
            group.create_task(run_timer(timer), name=f"timer {timer.name}")


async def run_timer(timer: Timer) -> None:
    """Tick this timer until cancelled; the first tick comes after the first wait."""
    while True:
        await asyncio.sleep(timer.every_seconds * random.uniform(1 - timer.jitter, 1 + timer.jitter))
        with context.entered(context.Call(request_id=new_request_id())):
            await _tick(timer)


async def _tick(timer: Timer) -> None:
    outcome = "ok"
    try:
        async with asyncio.timeout(timer.timeout_seconds):
            await timer.run()
    except TimeoutError as error:
        outcome = "timeout"
        logs.get().error("timer.timeout", timer=timer.name, seconds=timer.timeout_seconds, error=error)
    except Exception as error:
        # One bad tick must not stop the clock: what it left undone is found again at the next.
        outcome = "failed"
        logs.get().error("timer.failed", timer=timer.name, error=error)
    metrics.TIMER_RUNS.labels(timer.name, outcome).inc()
