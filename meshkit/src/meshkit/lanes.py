"""Lanes: the events of one key one after another, different keys side by side, offsets in the order of delivery.

Nothing here knows Kafka or Postgres: records come in, batches of them go to a handler, and a partition knows up to
which offset everything is finished.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from meshkit import metrics
from meshkit.envelope import Record
from meshkit.waiting import happened


class Partition:
    """One assigned partition: what was delivered of it, what is finished, and whether it is still ours.

    Offsets may have gaps (compaction, control records), so the order of delivery is kept instead of counting.
    """

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.committed: int | None = None
        self._delivered: deque[int] = deque()
        self._finished: set[int] = set()
        self._last: int | None = None
        self._lost = asyncio.Event()
        self.lanes: dict[bytes | int, Lane] = {}

    @property
    def pending(self) -> int:
        """How many delivered records are not followed by finished ones up to the front."""
        return len(self._delivered)

    @property
    def position(self) -> int | None:
        """The offset to start from next time: everything before it is finished. None before the first delivery."""
        if self._delivered:
            return self._delivered[0]
        return None if self._last is None else self._last + 1

    @property
    def is_lost(self) -> bool:
        """Whether the partition was taken away: nothing of it is begun any more."""
        return self._lost.is_set()

    def deliver(self, record: Record) -> Lane:
        """Put the record at the end of its key's lane."""
        self._delivered.append(record.offset)
        self._last = record.offset
        # Without a key there is no order to keep: each such record is a lane of its own.
        key = record.offset if record.key is None else record.key
        lane = self.lanes.get(key)
        if lane is None:
            lane = self.lanes[key] = Lane(self, key)
        lane.waiting.append(record)
        return lane

    def finish(self, offset: int) -> None:
        """Note that the record with this offset is done with, for good."""
        self._finished.add(offset)
        while self._delivered and self._delivered[0] in self._finished:
            self._finished.discard(self._delivered.popleft())

    def lose(self) -> None:
        """Begin nothing more of this partition."""
        self._lost.set()

    async def kept_for(self, seconds: float) -> bool:
        """Wait so long, or until the partition is lost; whether it is still ours."""
        return not await happened(self._lost, seconds)


class Lane:
    """The records of one key that wait for each other. `is_taken` while somebody handles its first ones."""

    __slots__ = ("is_taken", "key", "partition", "waiting")

    def __init__(self, partition: Partition, key: bytes | int) -> None:
        self.partition = partition
        self.key = key
        self.waiting: deque[Record] = deque()
        self.is_taken = False

    def finish_first(self) -> None:
        """The first record is done with."""
        self.partition.finish(self.waiting.popleft().offset)


@dataclass(frozen=True, slots=True)
class Portion:
    """The first records of a lane, taken to be handled in their order."""

    lane: Lane
    records: Sequence[Record]


Handle: TypeAlias = Callable[[Sequence[Portion]], Awaitable[Exception | None]]
Retry: TypeAlias = Callable[[Portion, Exception | None], Awaitable[None]]
HoldSeconds: TypeAlias = Callable[[Record], float]


class Lanes:
    """Hands one topic's lanes to a handler: up to `concurrency` batches at once, each of up to `batch_max` records.

    `handle` finishes all records of a batch and returns None, or has finished none and returns why. The lanes of such a
    batch go to `retry`, each alone, so that one bad record holds up its own key only; `retry` is given the error when
    it is known to be its record's, and runs beside the batches.

    A lane whose first record is to lie for some seconds more (`hold_seconds`) is not ready before, and takes no room.
    """

    def __init__(
        self,
        topic: str,
        handle: Handle,
        retry: Retry,
        *,
        concurrency: int,
        batch_max: int,
        hold_seconds: HoldSeconds | None = None,
    ) -> None:
        self._handle = handle
        self._retry = retry
        self._concurrency = concurrency
        self._batch_max = batch_max
        self._hold_seconds = hold_seconds
        self._ready: deque[Lane] = deque()
        self._batches: set[asyncio.Task[None]] = set()
        self._retries: set[asyncio.Task[None]] = set()
        self._busy = metrics.LANES_BUSY.labels(topic)
        self._crash: BaseException | None = None

    def deliver(self, partition: Partition, records: Sequence[Record]) -> None:
        """Queue records of one partition, in their order. Call `start` afterwards."""
        for record in records:
            lane = partition.deliver(record)
            if not lane.is_taken and len(lane.waiting) == 1:
                self._line_up(lane)

    def start(self) -> None:
        """Begin as many batches as there is room for. Raises what crashed a lane: a fault of this program."""
        if self._crash is not None:
            raise self._crash
        while self._ready and len(self._batches) < self._concurrency:
            batch = self._take()
            if batch:
                self._spawn(self._run(batch), self._batches)

    async def drain(self, partitions: Collection[Partition], seconds: float) -> None:
        """Let what is in hand of lost partitions end within the time, then break it off: its transactions roll back."""
        self._ready = deque(lane for lane in self._ready if not lane.partition.is_lost)
        tasks = self._batches | self._retries
        if not tasks or not partitions:
            return
        _, late = await asyncio.wait(tasks, timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _take(self) -> list[Portion]:
        batch: list[Portion] = []
        room = self._batch_max
        while room > 0 and self._ready:
            lane = self._ready.popleft()
            if lane.partition.is_lost:
                continue
            records = [lane.waiting[index] for index in range(min(room, len(lane.waiting)))]
            lane.is_taken = True
            room -= len(records)
            batch.append(Portion(lane, records))
        return batch

    async def _run(self, batch: Sequence[Portion]) -> None:
        self._busy.inc(len(batch))
        finished = False
        error: Exception | None = None
        try:
            error = await self._handle(batch)
            finished = error is None
        finally:
            self._busy.dec(len(batch))
            for portion in batch:
                if finished:
                    for _ in portion.records:
                        portion.lane.finish_first()
                    self._release(portion.lane)
                elif portion.lane.partition.is_lost:
                    portion.lane.is_taken = False
                else:
                    own = error if len(batch) == 1 and len(portion.records) == 1 else None
                    self._spawn(self._run_retry(portion, own), self._retries)

    async def _run_retry(self, portion: Portion, error: Exception | None) -> None:
        """`retry` finishes the records of its lane one by one and returns early only when the partition is lost."""
        await self._retry(portion, error)
        self._release(portion.lane)

    def _release(self, lane: Lane) -> None:
        lane.is_taken = False
        if lane.waiting:
            if not lane.partition.is_lost:
                self._line_up(lane)
        else:
            lane.partition.lanes.pop(lane.key, None)

    def _line_up(self, lane: Lane) -> None:
        seconds = 0.0 if self._hold_seconds is None else self._hold_seconds(lane.waiting[0])
        if seconds > 0:
            asyncio.get_running_loop().call_later(seconds, self._end_hold, lane)
        else:
            self._ready.append(lane)

    def _end_hold(self, lane: Lane) -> None:
        self._ready.append(lane)
        if self._crash is None:
            self.start()

    def _spawn(self, work: Awaitable[None], tasks: set[asyncio.Task[None]]) -> None:
        task = asyncio.ensure_future(work)
        tasks.add(task)
        task.add_done_callback(lambda ended: self._ended(ended, tasks))

    def _ended(self, task: asyncio.Task[None], tasks: set[asyncio.Task[None]]) -> None:
        tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._crash = self._crash or task.exception()
        elif self._crash is None:
            self.start()
