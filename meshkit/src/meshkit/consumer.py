"""A consumer group's member: reads its partitions, hands records to lanes, commits what is finished.

At least once from Kafka, and once in effect by the inbox. Offsets are committed up to the first record that is not
finished, so a crash repeats some records and loses none.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import KafkaError

from meshkit import logs, metrics
from meshkit.clock import Clock, SystemClock
from meshkit.handling import Handling
from meshkit.kafka import client_options
from meshkit.lanes import Lanes, Partition
from meshkit.outage import Outages
from meshkit.subscription import Subscription
from meshkit.waiting import happened

if TYPE_CHECKING:
    from meshkit.database import Database
    from meshkit.outbox import Outbox
    from meshkit.settings import ServiceSettings

__all__ = ["Consumer", "ConsumerStuck", "Subscription"]

_POLL_MS = 200
_RECORDS_MAX = 1000
# Of one partition: above the first it is paused, below the second resumed.
_PENDING_HIGH, _PENDING_LOW = 1000, 300
_COMMIT_SECONDS = 0.5
_KAFKA_CALL_SECONDS = 5.0
_WATCH_SECONDS = 10.0
_STUCK_SECONDS = 60.0
_RECONNECT_SECONDS, _RECONNECT_SECONDS_MAX = 0.2, 5.0


class ConsumerStuck(Exception):
    """Records wait on the broker and none arrives: only a new process helps (aiokafka #1017, #1154)."""


class Consumer(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no type hints
    """Handles the subscriptions of one consumer group until `stop`.

    `run` waits for Kafka as long as it takes; on `stop` it finishes what is in hand (up to `drain_seconds`), commits
    and leaves the group. It raises `ConsumerStuck`, and whatever a fault of this program raised in a lane.
    Dead letters go out by `outbox`.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        group: str,
        subscriptions: Sequence[Subscription[Any, Any]],
        database: Database,
        outbox: Outbox,
        *,
        clock: Clock | None = None,
        session_timeout_seconds: float = 6.0,
        drain_seconds: float = 5.0,
        stuck_seconds: float = _STUCK_SECONDS,
    ) -> None:
        if not subscriptions:
            raise ValueError(f"the consumer {group} has no subscriptions; give it at least one or leave it out")
        self._group = group
        self._drain_seconds = drain_seconds
        self._stuck_seconds = stuck_seconds
        self._outages = Outages(group)
        self._options = client_options(settings) | {
            "group_id": group,
            "enable_auto_commit": False,
            "auto_offset_reset": "earliest",
            "isolation_level": "read_committed",
            "session_timeout_ms": int(session_timeout_seconds * 1000),
            "heartbeat_interval_ms": int(session_timeout_seconds * 300),
            "fetch_max_wait_ms": _POLL_MS,
        }
        self._lanes: dict[str, Lanes] = {}
        for topic in {subscription.topic: None for subscription in subscriptions}:
            self._lanes[topic] = _lanes(
                group,
                [subscription for subscription in subscriptions if subscription.topic == topic],
                database,
                outbox,
                self._outages,
                clock or SystemClock(),
                settings.log_level,
            )
        self._partitions: dict[Any, Partition] = {}
        self._paused: set[Any] = set()
        self._stopping = asyncio.Event()
        self._consumer: Any = None
        self._committing: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """Let `run` end after the records in hand."""
        self._stopping.set()

    async def run(self) -> None:
        """Consume until stopped."""
        failures = 0
        while not self._stopping.is_set():
            self._consumer = self._connectable()
            try:
                await self._consumer.start()
                failures = 0
                self._outages.over("kafka")
                await self._consume()
            except (KafkaError, OSError) as error:
                failures += 1
                self._outages.noticed("kafka", error)
            finally:
                await self._let_go(list(self._partitions))
                with contextlib.suppress(KafkaError, OSError, TimeoutError):
                    await asyncio.wait_for(self._consumer.stop(), _KAFKA_CALL_SECONDS)
            if failures:
                pause = min(_RECONNECT_SECONDS_MAX, _RECONNECT_SECONDS * 2.0 ** min(failures, 16))
                await happened(self._stopping, pause * random.uniform(0.5, 1))

    async def on_partitions_assigned(self, assigned: Collection[Any]) -> None:
        """Kafka gave us these partitions."""
        for topic_partition in assigned:
            self._partitions[topic_partition] = Partition(topic_partition.topic)
        logs.get().info("consumer.assigned", consumer=self._group, count=len(assigned))

    async def on_partitions_revoked(self, revoked: Collection[Any]) -> None:
        """Kafka takes these partitions away once this returns: what is in hand is finished or rolled back before."""
        await self._let_go(revoked)

    def _connectable(self) -> Any:
        # The assignor keeps its state on the class, so two consumers of one process must not share it.
        assignor = type("Assignor", (StickyPartitionAssignor,), {})
        consumer = AIOKafkaConsumer(**self._options, partition_assignment_strategy=[assignor])
        consumer.subscribe(list(self._lanes), listener=self)
        return consumer

    async def _consume(self) -> None:
        watch = asyncio.create_task(self._watch(), name=f"watch {self._group}")
        committed_at = time.monotonic()
        try:
            while not self._stopping.is_set():
                self._deliver(await self._consumer.getmany(timeout_ms=_POLL_MS, max_records=_RECORDS_MAX))
                self._hold_back()
                if time.monotonic() - committed_at >= _COMMIT_SECONDS:
                    self._commit_meanwhile()
                    committed_at = time.monotonic()
                if watch.done():
                    watch.result()
        finally:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConsumerStuck):
                await watch

    def _deliver(self, fetched: dict[Any, list[Any]]) -> None:
        for topic_partition, records in fetched.items():
            partition = self._partitions.get(topic_partition)
            if partition is not None and not partition.is_lost:
                self._lanes[topic_partition.topic].deliver(partition, records)
        for lanes in self._lanes.values():
            lanes.start()

    def _hold_back(self) -> None:
        """Pause partitions that are far ahead of their lanes; polling goes on, which keeps us in the group."""
        ours = self._consumer.assignment()
        waiting = {topic_partition: partition.pending for topic_partition, partition in self._partitions.items()}
        for topic in self._lanes:
            queued = sum(pending for key, pending in waiting.items() if key.topic == topic)
            metrics.LANES_QUEUED.labels(topic).set(queued)
        full = {key for key, pending in waiting.items() if pending > _PENDING_HIGH and key in ours} - self._paused
        eased = {key for key in self._paused if waiting.get(key, 0) < _PENDING_LOW}
        if full:
            self._consumer.pause(*full)
        if eased & ours:
            self._consumer.resume(*(eased & ours))
        self._paused = (self._paused | full) - eased

    def _commit_meanwhile(self) -> None:
        """Commit beside the reading, one commit at a time: what has arrived does not wait for the broker's answer."""
        if self._committing is not None:
            if not self._committing.done():
                return
            self._committing.result()
        self._committing = asyncio.create_task(self._commit(self._partitions), name=f"commit {self._group}")

    async def _commit(self, partitions: Mapping[Any, Partition]) -> None:
        finished = {
            topic_partition: (partition, partition.position)
            for topic_partition, partition in partitions.items()
            if partition.position is not None and partition.position != partition.committed
        }
        if not finished:
            return
        offsets = {topic_partition: position for topic_partition, (_, position) in finished.items()}
        try:
            await asyncio.wait_for(self._consumer.commit(offsets), _KAFKA_CALL_SECONDS)
        except (KafkaError, TimeoutError) as error:
            # The next commit covers it; if there is none, the inbox makes the repetition harmless.
            logs.get().info("consumer.commit_skipped", consumer=self._group, error_type=type(error).__name__)
            return
        for partition, position in finished.values():
            partition.committed = position

    async def _let_go(self, revoked: Collection[Any]) -> None:
        partitions = {key: self._partitions[key] for key in revoked if key in self._partitions}
        for partition in partitions.values():
            partition.lose()
        ends = time.monotonic() + self._drain_seconds
        for lanes in self._lanes.values():
            await lanes.drain(partitions.values(), max(0.0, ends - time.monotonic()))
        if self._committing is not None:
            # An older commit must not arrive after the last one.
            await asyncio.wait({self._committing})
        await self._commit(partitions)
        for topic_partition in partitions:
            self._partitions.pop(topic_partition, None)
            self._paused.discard(topic_partition)

    async def _watch(self) -> None:
        """Measure the lag, notice a silent broker, and raise when records wait that never come."""
        seen: dict[Any, tuple[int, float]] = {}
        while True:
            await asyncio.sleep(min(_WATCH_SECONDS, self._stuck_seconds / 3))
            assigned = [key for key in self._partitions if key in self._consumer.assignment()]
            try:
                ends = await asyncio.wait_for(self._consumer.end_offsets(assigned), _KAFKA_CALL_SECONDS)
                positions = {
                    key: await asyncio.wait_for(self._consumer.position(key), _KAFKA_CALL_SECONDS) for key in assigned
                }
            except (KafkaError, TimeoutError) as error:
                self._outages.noticed("kafka", error)
                seen.clear()
                continue
            self._outages.over("kafka")
            now = time.monotonic()
            for key in assigned:
                partition = self._partitions.get(key)
                waiting = partition.pending if partition is not None else 0
                lag = ends[key] - positions[key]
                metrics.CONSUMER_LAG.labels(key.topic, key.partition).set(lag + waiting)
                if lag <= 0 or waiting or seen.get(key, (-1, now))[0] != positions[key]:
                    seen[key] = (positions[key], now)
                elif now - seen[key][1] >= self._stuck_seconds:
                    logs.get().error(
                        "consumer.stuck", consumer=self._group, topic=key.topic, partition=key.partition, lag=lag
                    )
                    raise ConsumerStuck(f"{key.topic}/{key.partition} has not moved for {self._stuck_seconds:.0f} s")


def _lanes(
    group: str,
    subscriptions: Sequence[Subscription[Any, Any]],
    database: Database,
    outbox: Outbox,
    outages: Outages,
    clock: Clock,
    log_level: str,
) -> Lanes:
    """The lanes of one topic, whose subscriptions differ in their message types."""
    topic = subscriptions[0].topic
    types = [subscription.message for subscription in subscriptions]
    if len(set(types)) != len(types) or (None in types and len(types) > 1):
        raise ValueError(f"{topic} is subscribed to twice for the same messages; join these subscriptions")
    concurrency = max(subscription.concurrency for subscription in subscriptions)
    batch_max = min(subscription.batch_max for subscription in subscriptions)
    holds_back = any(subscription.hold_seconds is not None for subscription in subscriptions)
    prepares = any(subscription.prepare is not None for subscription in subscriptions)
    if prepares or holds_back:
        # What was prepared for a key may be stale once the event before it is applied; and each is held for itself.
        batch_max = 1
    if not prepares:
        # Transactions beyond the pool would only wait for it, and two connections stay free for everybody else.
        concurrency = min(concurrency, max(1, database.pool_max - 2))
    handling = Handling(
        group, subscriptions, database, outbox, outages, clock, concurrency=concurrency, log_level=log_level
    )
    return Lanes(
        topic,
        handling.batch,
        handling.retry,
        concurrency=concurrency,
        batch_max=batch_max,
        # Only where somebody holds events back: it costs reading each record once more.
        hold_seconds=handling.hold_seconds if holds_back else None,
    )
