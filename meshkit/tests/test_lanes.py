import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from meshkit.envelope import Headers, Record
from meshkit.lanes import Lanes, Partition, Portion
from meshkit.testing import eventually


@dataclass
class Delivered:
    """A record as a partition delivers it."""

    offset: int
    key: bytes | None
    topic: str = "facts"
    partition: int = 0
    value: bytes | None = None
    headers: Headers = ()


class Worker:
    """Notes what it handled; fails the batches and the records it was told to fail."""

    def __init__(self, failing: set[int] | None = None) -> None:
        self.failing = failing or set()
        self.handled: dict[bytes | None, list[int]] = defaultdict(list)
        self.batches: list[int] = []
        self.retried: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def handle(self, batch: Sequence[Portion]) -> Exception | None:
        await self.gate.wait()
        records = [record for portion in batch for record in portion.records]
        self.batches.append(len(records))
        if self.failing & {record.offset for record in records}:
            return ValueError("told to fail")
        for record in records:
            self.handled[record.key].append(record.offset)
        return None

    async def retry(self, portion: Portion, error: Exception | None) -> None:
        for record in portion.records:
            await asyncio.sleep(0)
            self.handled[record.key].append(record.offset)
            self.retried.append(record.offset)
            portion.lane.finish_first()


def lanes_for(worker: Worker, *, concurrency: int = 4, batch_max: int = 8) -> Lanes:
    return Lanes("facts", worker.handle, worker.retry, concurrency=concurrency, batch_max=batch_max)


records = st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c", None]), st.integers(1, 3)), max_size=40)


@settings(max_examples=50, deadline=None)
@given(records=records, failing=st.sets(st.integers(0, 120)), cuts=st.lists(st.integers(0, 40), max_size=5))
async def test_every_record_is_handled_once_in_the_order_of_its_key_whatever_fails(
    records: list[tuple[bytes | None, int]], failing: set[int], cuts: list[int]
) -> None:
    offset, delivered = 0, []
    for key, gap in records:
        offset += gap
        delivered.append(Delivered(offset, key))
    worker, partition = Worker(failing), Partition("facts")
    lanes = lanes_for(worker)
    start = 0
    for cut in [*sorted(cuts), len(delivered)]:
        lanes.deliver(partition, delivered[start:cut])
        lanes.start()
        start = max(start, cut)
        await asyncio.sleep(0)
    await eventually(lambda: partition.pending == 0)
    expected: dict[bytes | None, list[int]] = defaultdict(list)
    for record in delivered:
        expected[record.key].append(record.offset)
    expected[None].sort()
    worker.handled[None].sort()
    assert {key: offsets for key, offsets in worker.handled.items() if offsets} == {
        key: offsets for key, offsets in expected.items() if offsets
    }
    assert partition.position == (None if not delivered else delivered[-1].offset + 1)
    assert partition.lanes == {}


async def test_the_position_stays_at_the_first_record_that_is_not_finished() -> None:
    partition = Partition("facts")
    for offset in (3, 5, 9):
        partition.deliver(Delivered(offset, str(offset).encode()))
    partition.finish(5)
    assert partition.position == 3
    partition.finish(3)
    assert partition.position == 9
    partition.finish(9)
    assert partition.position == 10


async def test_a_backlog_is_taken_in_batches_and_a_single_record_alone() -> None:
    worker, partition = Worker(), Partition("facts")
    lanes = lanes_for(worker, concurrency=1, batch_max=8)
    lanes.deliver(partition, [Delivered(offset, b"%d" % offset) for offset in range(20)])
    lanes.start()
    await eventually(lambda: partition.pending == 0)
    lanes.deliver(partition, [Delivered(20, b"k")])
    lanes.start()
    await eventually(lambda: partition.pending == 0)
    assert worker.batches == [8, 8, 4, 1]


async def test_nothing_of_a_lost_partition_is_begun_and_what_hangs_is_broken_off() -> None:
    worker, partition = Worker(), Partition("facts")
    worker.gate.clear()
    lanes = lanes_for(worker, concurrency=1, batch_max=1)
    lanes.deliver(partition, [Delivered(1, b"a"), Delivered(2, b"b")])
    lanes.start()
    await asyncio.sleep(0)
    partition.lose()
    await lanes.drain([partition], 0.01)
    worker.gate.set()
    lanes.start()
    await asyncio.sleep(0)
    assert worker.handled == {}
    assert partition.position == 1


async def test_a_batch_that_ends_begins_nothing_of_a_lost_partition() -> None:
    worker, lost, kept = Worker(), Partition("facts"), Partition("facts")
    worker.gate.clear()
    lanes = lanes_for(worker, concurrency=1, batch_max=1)
    lanes.deliver(kept, [Delivered(1, b"a")])
    lanes.deliver(lost, [Delivered(2, b"b")])
    lanes.deliver(kept, [Delivered(3, b"c")])
    lanes.start()
    await asyncio.sleep(0)
    lost.lose()
    worker.gate.set()
    await eventually(lambda: kept.pending == 0)
    assert worker.handled == {b"a": [1], b"c": [3]}


async def test_what_is_in_hand_when_a_partition_is_lost_is_finished() -> None:
    worker, partition = Worker(), Partition("facts")
    worker.gate.clear()
    lanes = lanes_for(worker, concurrency=1, batch_max=1)
    lanes.deliver(partition, [Delivered(1, b"a"), Delivered(2, b"a")])
    lanes.start()
    await asyncio.sleep(0)
    partition.lose()
    asyncio.get_running_loop().call_soon(worker.gate.set)
    await lanes.drain([partition], 5)
    assert worker.handled == {b"a": [1]}
    assert partition.position == 2


async def test_a_record_that_is_held_back_holds_up_its_own_key_only_and_takes_no_room() -> None:
    worker, partition = Worker(), Partition("facts")
    held = {1, 2, 3}
    # Once a record's hold has ended, nobody asks again.
    asked: list[int] = []

    def hold_seconds(record: Record) -> float:
        asked.append(record.offset)
        return 0.05 if record.offset in held else 0.0

    lanes = Lanes("facts", worker.handle, worker.retry, concurrency=1, batch_max=1, hold_seconds=hold_seconds)
    delivered = [(1, b"a"), (2, b"b"), (3, b"c"), (4, b"a"), (5, b"d"), (6, b"e")]
    lanes.deliver(partition, [Delivered(offset, key) for offset, key in delivered])
    lanes.start()
    await eventually(lambda: len(worker.handled) == 2)
    assert worker.handled == {b"d": [5], b"e": [6]}
    assert partition.position == 1
    await eventually(lambda: partition.pending == 0)
    assert worker.handled == {b"a": [1, 4], b"b": [2], b"c": [3], b"d": [5], b"e": [6]}
    assert sorted(asked) == [1, 2, 3, 4, 5, 6]


async def test_what_is_held_back_when_a_partition_is_lost_is_left_to_its_next_owner() -> None:
    worker, partition = Worker(), Partition("facts")
    over = asyncio.Event()

    def hold_seconds(record: Record) -> float:
        asyncio.get_running_loop().call_later(0.03, over.set)
        return 0.02

    lanes = Lanes("facts", worker.handle, worker.retry, concurrency=1, batch_max=1, hold_seconds=hold_seconds)
    lanes.deliver(partition, [Delivered(1, b"a")])
    lanes.start()
    partition.lose()
    await lanes.drain([partition], 1)
    await asyncio.wait_for(over.wait(), 5)
    assert worker.handled == {}
    assert partition.position == 1
