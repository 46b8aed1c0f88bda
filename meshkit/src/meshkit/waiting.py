"""Waiting for something to happen, but not for ever."""

from __future__ import annotations

import asyncio
import contextlib


async def happened(event: asyncio.Event, within_seconds: float) -> bool:
    """Whether the event is set within so many seconds.

    Not by `asyncio.wait_for`: that of Python 3.11 loses a cancellation that comes in the moment in which the event is
    set, and whoever was to be stopped goes on for ever.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_seconds):
            await event.wait()
    return event.is_set()
