"""How the edge is, and the sweeping up behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from channels import store
from channels.model import IDEMPOTENCY_KEY_KEPT, Channel, Condition, EdgeHealth
from channels.providers.base import Provider
from meshkit.clock import Clock
from meshkit.database import Database
from meshkit.errors import Unavailable

# Anyone may ask how we are, without a token: the database hears of it at most this often.
_ANSWER_KEPT_SECONDS = 1.0
_LOOK_SECONDS = 1.0
_FORGET_BATCH = 5000
_DOWN_FACTOR = 6


class Watch:
    """Looks after the edge. `behind_seconds` is how long a fact may wait for Kafka before the stream is degraded."""

    def __init__(
        self, database: Database, clock: Clock, providers: Mapping[Channel, Provider], *, behind_seconds: float
    ) -> None:
        self._database = database
        self._clock = clock
        self._providers = providers
        self._behind_seconds = behind_seconds
        self._answer: EdgeHealth | None = None
        self._answered_at = 0.0
        self._looking = asyncio.Lock()

    async def check_health(self) -> EdgeHealth:
        """How the edge is, as it was found within the last second. Never raises for what it looks at."""
        async with self._looking:
            now = self._clock.monotonic()
            if self._answer is None or now - self._answered_at >= _ANSWER_KEPT_SECONDS:
                self._answer, self._answered_at = await self._look(), now
            return self._answer

    async def forget(self) -> None:
        """Drops idempotency keys that are free again and counts of hours that are over."""
        now = self._clock.now()
        async with self._database.connection() as connection:
            await store.forget_sender_counts(connection, now - timedelta(hours=1))
            while (
                await store.forget_submissions(connection, now - IDEMPOTENCY_KEY_KEPT, _FORGET_BATCH) == _FORGET_BATCH
            ):
                pass

    async def _look(self) -> EdgeHealth:
        try:
            async with asyncio.timeout(_LOOK_SECONDS), self._database.connection() as connection:
                waited = await store.oldest_unpublished_seconds(connection, _LOOK_SECONDS)
        except (Unavailable, TimeoutError):
            # Nothing is taken and nothing gets through without it, however well the rest is.
            checks = {"database": Condition.DOWN, "stream": Condition.DOWN}
            checks |= dict.fromkeys(self._providers, Condition.DOWN)
            return EdgeHealth(Condition.DOWN, checks)
        checks = {"database": Condition.OK, "stream": self._stream(waited)}
        checks |= {channel: provider.condition() for channel, provider in self._providers.items()}
        well = all(condition is Condition.OK for condition in checks.values())
        return EdgeHealth(Condition.OK if well else Condition.DEGRADED, checks)

    def _stream(self, waited_seconds: float) -> Condition:
        if waited_seconds <= self._behind_seconds:
            return Condition.OK
        return Condition.DEGRADED if waited_seconds <= _DOWN_FACTOR * self._behind_seconds else Condition.DOWN
