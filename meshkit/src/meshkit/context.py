"""The call being served right now: its request id, trace, deadline and caller, visible to all code below it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from meshkit.callers import Caller


class Call(NamedTuple):
    """What travels with one request or event.

    `request_id` is empty outside any call. `traceparent` is the W3C header's value. `deadline` is in seconds of
    `time.monotonic()`. `caller` is None where nobody called: an event, a timer.
    """

    request_id: str
    traceparent: str | None = None
    deadline: float | None = None
    caller: Caller | None = None


NO_CALL = Call("")
# Bare on purpose: the server sets it once for each request, and a task that is spawned inside inherits it.
CURRENT: ContextVar[Call] = ContextVar("meshkit_call", default=NO_CALL)


def current() -> Call:
    """The call this code runs for; an empty one outside any call."""
    return CURRENT.get()


@contextlib.contextmanager
def entered(call: Call) -> Iterator[Call]:
    """Within the block, `current()` is `call`: for consumers and timers, which begin where no server has."""
    token = CURRENT.set(call)
    try:
        yield call
    finally:
        CURRENT.reset(token)
