"""What a share that was counted says about the share that would be found in the long run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_Z: Final = 1.959964  # of a normal distribution, 95 % lie within this many standard deviations


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `total`, with the 95 % interval of Wilson (1927), which holds for small totals and at 0 and 1."""

    hits: int
    total: int

    def __post_init__(self) -> None:
        if not 0 <= self.hits <= self.total:
            raise ValueError(f"hits must lie between 0 and total, not {self.hits} of {self.total}")

    @property
    def value(self) -> float:
        """The share that was counted; NaN of nothing."""
        return self.hits / self.total if self.total else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Between which bounds the true share lies, with 95 % confidence; all is possible where nothing was counted."""
        if not self.total:
            return (0.0, 1.0)
        spread = _Z * _Z / self.total
        middle = (self.value + spread / 2) / (1 + spread)
        half = math.sqrt(spread * (self.value * (1 - self.value) + spread / 4)) / (1 + spread)
        # Rounding must not push a bound past the share itself, at 0 and at 1.
        return (min(self.value, max(0.0, middle - half)), max(self.value, min(1.0, middle + half)))

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:.3f} [{low:.3f}, {high:.3f}] ({self.hits}/{self.total})"


def weighted(parts: Sequence[tuple[float, Share]]) -> tuple[float, float, float]:
    """A weighted sum of shares that were counted apart, with its 95 % interval: value, low, high.

    The interval recovers each share's variance from its own interval (MOVER, Zou and Donner 2008).
    """
    value = sum(weight * share.value for weight, share in parts)
    below = math.sqrt(sum((weight * (share.value - share.interval[0])) ** 2 for weight, share in parts))
    above = math.sqrt(sum((weight * (share.interval[1] - share.value)) ** 2 for weight, share in parts))
    return value, max(0.0, value - below), min(1.0, value + above)
