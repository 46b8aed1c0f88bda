"""How long a call may take: what the caller granted, within our limits, and a little less for each hop below."""

from __future__ import annotations

# The caller of a slow sub-call must hear about it before its own time is up.
_SHAVED_PART = 0.05
_SHAVED_SECONDS_MIN = 0.01


def granted_seconds(remaining: float | None, *, default: float, maximum: float) -> float:
    """The time this call gets: what the caller left it, `default` when it set no deadline, never above `maximum`."""
    if remaining is None:
        return default
    return min(remaining, maximum)


def shaved_seconds(remaining: float) -> float:
    """What a sub-call may take of the remaining time: 5 % less, at least 10 ms less, never below zero."""
    return max(0.0, remaining - max(remaining * _SHAVED_PART, _SHAVED_SECONDS_MIN))
