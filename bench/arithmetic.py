"""Percentiles, medians and schedules: the arithmetic that every bench shares."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share (0 to 1) of all values does not exceed: the nearest rank."""
    if not values:
        raise ValueError("there is no percentile of nothing")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p95 and p99 in milliseconds."""
    return {f"p{share}_ms": round(1000 * percentile(seconds, share / 100), 1) for share in (50, 95, 99)}


def schedule(rate: float, seconds: float) -> list[float]:
    """When each request of an open loop is due, in seconds evenly, whatever became of the others."""
    return [number / rate for number in range(math.floor(rate * seconds + 1e-9))]


def outstanding(due: Sequence[float], done: Sequence[float], moment: float) -> int:
    """How many of those due by this moment were not done by then."""
    return sum(1 for each in due if each <= moment) - sum(1 for each in done if each <= moment)


def median(values: Sequence[float]) -> float:
    """The median; of an even number, the mean of the middle two."""
    return statistics.median(values)


def per_doubling(sizes: Sequence[float], values: Sequence[float]) -> float:
    """How many times greater the value is for twice the size: 2 is linear, 4 is a square.

    By the straight line of least squares through the logarithms of both.
    """
    slope = statistics.linear_regression([math.log(size) for size in sizes], [math.log(value) for value in values])[0]
    return float(2**slope)
