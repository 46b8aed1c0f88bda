"""Requests and tokens a minute, and the headers that tell of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from simulators.openai.errors import rate_limited

_MINUTE_SECONDS: Final = 60.0


@dataclass(slots=True)
class _Bucket:
    """Holds a minute's worth, and is filled up evenly."""

    per_minute: int
    clock: Callable[[], float]
    _left: float = field(init=False)
    _seen: float = field(init=False)

    def __post_init__(self) -> None:
        self._left = self.per_minute
        self._seen = self.clock()

    def left(self) -> float:
        now = self.clock()
        self._left = min(self.per_minute, self._left + (now - self._seen) * self.per_minute / _MINUTE_SECONDS)
        self._seen = now
        return self._left

    def take(self, amount: int) -> None:
        self._left -= amount

    def seconds_until(self, amount: float) -> float:
        return max(0.0, (amount - self.left()) * _MINUTE_SECONDS / self.per_minute)


class RateLimits:
    """What one organisation may ask for in a minute, of all models together."""

    def __init__(
        self, requests_per_minute: int, tokens_per_minute: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._requests = _Bucket(requests_per_minute, clock)
        self._tokens = _Bucket(tokens_per_minute, clock)

    def take(self, tokens: int) -> None:
        """Counts a request of so many tokens. Raises ApiError 429, with when to come back, and counts nothing."""
        for kind, bucket, amount in (("requests", self._requests, 1), ("tokens", self._tokens, tokens)):
            if bucket.left() < amount:
                raise rate_limited(kind, bucket.per_minute, bucket.seconds_until(min(amount, bucket.per_minute)))
        self._requests.take(1)
        self._tokens.take(tokens)

    def headers(self) -> dict[str, str]:
        """The `x-ratelimit-…` headers as things stand."""
        headers: dict[str, str] = {}
        for kind, bucket in (("requests", self._requests), ("tokens", self._tokens)):
            headers[f"x-ratelimit-limit-{kind}"] = str(bucket.per_minute)
            headers[f"x-ratelimit-remaining-{kind}"] = str(max(0, int(bucket.left())))
            headers[f"x-ratelimit-reset-{kind}"] = _duration(bucket.seconds_until(bucket.per_minute))
        return headers


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"
