"""How the edge is, and the sweeping up behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from prometheus_client import Gauge

from channels import store
from channels.model import IDEMPOTENCY_KEY_KEPT, Channel, Condition, EdgeHealth
from channels.operations.send import Sending
from channels.providers.base import Provider
from meshkit.clock import Clock
from meshkit.database import Database
from meshkit.errors import Unavailable

QUEUE_DELIVERIES = Gauge("channels_queue_deliveries", "Deliveries that wait to be sent, by channel.", ("channel",))
QUEUE_OLDEST_SECONDS = Gauge(
    "channels_queue_oldest_seconds", "How long the first delivery of the queue has waited, by channel.", ("channel",)
)

# Anyone may ask how we are, without a token: the database hears of it at most this often.
_ANSWER_KEPT_SECONDS = 1.0
_LOOK_SECONDS = 1.0
_FORGET_BATCH = 5000
_DOWN_FACTOR = 6
_QUEUE_BEHIND_SECONDS = 60.0
_RECEIPTS_KEPT = timedelta(hours=24)
# As long as a person may decide to send something again.
_CONTENTS_KEPT = timedelta(days=7)
_EMPTY = store.Queue(0, 0.0)
_WORSE = (Condition.OK, Condition.DEGRADED, Condition.DOWN)


class Watch:
    """Looks after the edge. `behind_seconds` is how long a fact may wait for Kafka before the stream is degraded."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        providers: Mapping[Channel, Provider],
        sendings: Mapping[Channel, Sending],
        *,
        behind_seconds: float,
    ) -> None:
        self._database = database
        self._clock = clock
        self._providers = providers
        self._sendings = sendings
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

    async def count_queue(self) -> None:
        """Measures what waits to be sent."""
        async with self._database.connection() as connection:
            queues = await store.count_queue(connection)
        for channel in self._sendings:
            queue = queues.get(channel, _EMPTY)
            QUEUE_DELIVERIES.labels(channel).set(queue.waiting)
            QUEUE_OLDEST_SECONDS.labels(channel).set(queue.oldest_seconds)

    async def forget(self) -> None:
        """Drops what is no longer needed: keys that are free again, counts of hours that are over, words that arrived
        or that nobody sends again, receipts for messages that never became known."""
        now = self._clock.now()
        async with self._database.connection() as connection:
            await store.forget_sender_counts(connection, now - timedelta(hours=1))
            await store.forget_contents(connection, now - _CONTENTS_KEPT)
            while await store.forget_receipts(connection, _RECEIPTS_KEPT, _FORGET_BATCH) == _FORGET_BATCH:
                pass
            while (
                await store.forget_submissions(connection, now - IDEMPOTENCY_KEY_KEPT, _FORGET_BATCH) == _FORGET_BATCH
            ):
                pass

    async def _look(self) -> EdgeHealth:
        try:
            async with asyncio.timeout(_LOOK_SECONDS), self._database.connection() as connection:
                waited = await store.oldest_unpublished_seconds(connection, _LOOK_SECONDS)
                queues = await store.count_queue(connection, _LOOK_SECONDS) if self._sendings else {}
        except (Unavailable, TimeoutError):
            # Nothing is taken and nothing gets through without it, however well the rest is.
            checks = {"database": Condition.DOWN, "stream": Condition.DOWN}
            checks |= dict.fromkeys(self._providers, Condition.DOWN)
            return EdgeHealth(Condition.DOWN, checks)
        checks = {"database": Condition.OK, "stream": self._stream(waited)}
        checks |= {
            channel: self._way_out(channel, provider, queues.get(channel, _EMPTY))
            for channel, provider in self._providers.items()
        }
        well = all(condition is Condition.OK for condition in checks.values())
        return EdgeHealth(Condition.OK if well else Condition.DEGRADED, checks)

    def _way_out(self, channel: Channel, provider: Provider, queue: store.Queue) -> Condition:
        """How a channel is: the worst of what its provider says, how the last sends went, and how long others wait."""
        found = [provider.condition()]
        if channel in self._sendings:
            found.append(self._sendings[channel].condition())
        # Only one replica sends; the others know by what is left waiting.
        if queue.oldest_seconds > _QUEUE_BEHIND_SECONDS:
            found.append(Condition.DEGRADED)
        return max(found, key=_WORSE.index)

    def _stream(self, waited_seconds: float) -> Condition:
        if waited_seconds <= self._behind_seconds:
            return Condition.OK
        return Condition.DEGRADED if waited_seconds <= _DOWN_FACTOR * self._behind_seconds else Condition.DOWN
