"""A breaker before what others run: after failures in a row nobody asks for a while, then one asks first.

Written here because whoever works through a queue has to know before it takes something out whether to ask at all; the
libraries for this wrap the call itself.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable

_OPEN_FACTOR_MAX = 8


class BreakerState(enum.Enum):
    """Whether the other side is asked: always, not now, or by one to see whether it is well again."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """Opens after so many failures in a row, for `open_seconds`; twice as long, up to eight times, when that helps not.

    For one event loop. `monotonic` stands in for the machine's clock.
    """

    def __init__(
        self, *, failures_max: int, open_seconds: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._failures_max = failures_max
        self._open_seconds = open_seconds
        self._monotonic = monotonic
        self._failures = 0
        self._factor = 1
        self._shut_until = 0.0
        self.state = BreakerState.CLOSED

    def take(self) -> bool:
        """Whether to ask now. While it is not closed, one may in each interval; it says how that ended."""
        if self.state is BreakerState.CLOSED:
            return True
        if self.wait_seconds() > 0:
            return False
        self.state = BreakerState.HALF_OPEN
        # Should the one that asks never say how it ended, another one asks an interval later.
        self._shut_until = self._monotonic() + self._open_seconds
        return True

    def wait_seconds(self) -> float:
        """How long nobody may ask; 0 when somebody may."""
        if self.state is BreakerState.CLOSED:
            return 0.0
        return max(0.0, self._shut_until - self._monotonic())

    def succeeded(self) -> None:
        """It was asked and answered, whatever the answer: it is well."""
        self._failures = 0
        self._factor = 1
        self.state = BreakerState.CLOSED

    def failed(self) -> None:
        """It was asked and did not answer as it should."""
        self._failures += 1
        if self.state is BreakerState.HALF_OPEN:
            self._factor = min(_OPEN_FACTOR_MAX, 2 * self._factor)
        elif self.state is BreakerState.OPEN or self._failures < self._failures_max:
            return
        self.state = BreakerState.OPEN
        self._shut_until = self._monotonic() + self._factor * self._open_seconds
