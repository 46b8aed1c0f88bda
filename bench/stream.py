"""A fact's way from a committed outbox row to its committed effect, against raw aiokafka with acks=all in the same run.

Throughput: a backlog of events is waiting, and both sides take it from one process to another as fast as they can.
Raw, a producer (idempotent, acks=all) hands a thousand events at a time to the client, waits for their
acknowledgements, and a consumer in the other process counts. Ours is the relay in the one process, and in the other the
lanes with inbox row and effect in one transaction, a metric and a line in the log for each event. Events, headers, keys
and partitions are the same, all processes run on uvloop, and rounds alternate so that a busy machine slows both alike.
`raw_writing` is raw aiokafka whose consumer also writes the effect, without inbox and outbox: what our guarantees cost.

Latency: at half load, from before the transaction that publishes to after the commit of the effect, so the publishing
commit counts as well. Full load is what the whole way sustains live, each event in a transaction of its own: publishing
costs more than relaying, so half of a backlog's rate would be an overload. Half of it is offered in an open loop.

    python -m bench.stream
"""

from __future__ import annotations

import asyncio
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from google.protobuf.wrappers_pb2 import StringValue
from pydantic import SecretStr

from bench.workers import Progress, Work, Worker
from local.kafka import KafkaBroker, create_topics
from local.ports import free_ports
from local.postgres import Postgres
from meshkit.consumer import Consumer
from meshkit.context import NO_CALL
from meshkit.database import Connection, Database, on_commit
from meshkit.envelope import Event, Received, encode_headers
from meshkit.migrations import migrate
from meshkit.outbox import Outbox
from meshkit.relay import Relay
from meshkit.settings import ServiceSettings
from meshkit.subscription import Subscription
from meshkit.testing import settings_for

ROUNDS = 3
BACKLOG = 30_000
KEYS = 500
PARTITIONS = 12
LIVE_SECONDS = 8.0
WARM_SECONDS = 2.0
PUBLISHING = 8
TEXT = "x" * 400
COLUMNS = ["topic", "key", "value", "header_names", "header_values"]
INSERT_EFFECT = "insert into effects (key, said) values ($1, $2)"
EFFECTS = "create table effects (id bigint generated always as identity primary key, key text, said text)"


def measure(postgres_dsn: str, bootstrap: str) -> dict[str, Any]:
    """Messages a second of each side and their ratio, our latency at half load, and CPU time for each message.

    `postgres_dsn` leads to an empty schema `public` that may be filled.
    """
    return asyncio.run(_measure(postgres_dsn, bootstrap))


class Side:
    """Two processes: one that publishes a backlog, one that takes it in."""

    def __init__(self, name: str, publish: Work, take: Work) -> None:
        self.name, self._publish, self._take = name, publish, take
        self.rates: list[float] = []
        self.cpu_us: dict[str, list[float]] = {"publishing": [], "taking": []}

    async def round(self, dsn: str, bootstrap: str, number: int) -> None:
        """Take one backlog through a topic of its own."""
        topic = f"bench-{self.name}-{number}"
        await create_topics(bootstrap, [SimpleNamespace(name=topic, partitions=PARTITIONS, retention_ms=None)])
        taker = Worker(self._take, dsn, bootstrap, topic)
        publisher = Worker(self._publish, dsn, bootstrap, topic)
        try:
            # Both are connected and idle now; a first event has gone the whole way.
            await taker.counted(1)
            before = await taker.ask(), await publisher.ask()
            began = time.perf_counter()
            publisher.go()
            after = await taker.counted(1 + BACKLOG), await publisher.ask()
            seconds = time.perf_counter() - began
        finally:
            publisher.end()
            taker.end()
        self.rates.append(BACKLOG / seconds)
        for index, name in enumerate(("taking", "publishing")):
            self.cpu_us[name].append(1e6 * (after[index]["cpu"] - before[index]["cpu"]) / BACKLOG)


def _event(topic: str, number: int) -> Event:
    return Event(topic, f"key-{number % KEYS}", StringValue(value=f"{time.time():.6f} {TEXT}"))


async def publish_raw(progress: Progress, _dsn: str, bootstrap: str, topic: str) -> None:
    """Hands over a thousand events, and waits for them, and hands over the next."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, max_batch_size=256 * 1024
    )
    async with producer:
        records = [_record(topic, number) for number in range(BACKLOG)]
        await producer.send_and_wait(**records[0])
        await progress.begun.wait()
        for start in range(0, BACKLOG, 1000):
            await asyncio.gather(*[await producer.send(**record) for record in records[start : start + 1000]])
        await progress.over.wait()


def _record(topic: str, number: int) -> dict[str, Any]:
    event = _event(topic, number)
    headers = encode_headers(event, source="/fte/bench", time=datetime.now(UTC), call=NO_CALL)
    return {"topic": topic, "value": event.message.SerializeToString(), "key": event.key.encode(), "headers": headers}


async def take_raw(progress: Progress, _dsn: str, bootstrap: str, topic: str) -> None:
    """Reads and counts."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, group_id=topic, auto_offset_reset="earliest")
    async with consumer:
        while not progress.over.is_set():
            for records in (await consumer.getmany(timeout_ms=200)).values():
                progress.count += len(records)


async def take_raw_into_postgres(progress: Progress, dsn: str, bootstrap: str, topic: str) -> None:
    """Writes an effect for each event, its partitions side by side; what is written twice after a crash stays so."""
    database = Database(dsn, schema="public", pool_max=PARTITIONS)
    await database.open()

    async def take(records: list[Any]) -> None:
        async with database.connection() as connection:
            for record in records:
                message = StringValue.FromString(record.value)
                await connection.execute(INSERT_EFFECT, record.key.decode(), message.value)
                progress.count += 1

    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, group_id=topic, auto_offset_reset="earliest")
    async with consumer:
        while not progress.over.is_set():
            await asyncio.gather(*map(take, (await consumer.getmany(timeout_ms=200)).values()))
    await database.close()


async def publish_ours(progress: Progress, dsn: str, bootstrap: str, topic: str) -> None:
    """The relay alone: the backlog is committed before it starts."""
    database = Database(dsn, schema="public")
    await database.open()
    async with database.connection() as connection:
        for start, end in ((0, 1), (1, BACKLOG + 1)):
            rows = [_row(topic, number) for number in range(start, end)]
            await connection.copy_records_to_table("outbox", records=rows, columns=COLUMNS)
            relay = Relay(_settings(dsn, bootstrap), database)
            if start:
                await progress.begun.wait()
            relaying = asyncio.create_task(relay.run())
            if start:
                await progress.over.wait()
            relay.stop()
            await relaying
    await database.close()


def _row(topic: str, number: int) -> tuple[Any, ...]:
    record = _record(topic, number)
    names, contents = zip(*record["headers"], strict=True)
    return topic, record["key"], record["value"], names, contents


async def publish_live(progress: Progress, dsn: str, bootstrap: str, topic: str, rate: float | None) -> None:
    """A transaction for each event, beside the relay: at this rate, or as fast as a few at once can (None)."""
    database = Database(dsn, schema="public", pool_max=PUBLISHING + 2)
    await database.open()
    relay = Relay(_settings(dsn, bootstrap), database)
    relaying = asyncio.create_task(relay.run())
    outbox = Outbox("/fte/bench")
    places = asyncio.Semaphore(PUBLISHING)

    async def publish(number: int) -> None:
        async with places, database.transaction() as connection:
            await outbox.publish(connection, _event(topic, number))
        progress.count += 1

    await (_one_after_another(progress, publish) if rate is None else _at_rate(progress, rate, publish))
    relay.stop()
    await relaying
    await database.close()


async def _one_after_another(progress: Progress, publish: Callable[[int], Awaitable[None]]) -> None:
    """Publishes in a closed loop, as many at once as there are places."""
    numbers = itertools.count()

    async def go_on() -> None:
        while not progress.over.is_set():
            await publish(next(numbers))

    await asyncio.gather(*[go_on() for _ in range(PUBLISHING)])


async def _at_rate(progress: Progress, rate: float, publish: Callable[[int], Awaitable[None]]) -> None:
    """Begins a publication whenever its time has come, whatever became of those before: an open loop."""
    began, started = time.perf_counter(), 0
    tasks: set[asyncio.Task[None]] = set()
    while not progress.over.is_set():
        while started < (time.perf_counter() - began) * rate:
            task = asyncio.ensure_future(publish(started))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            started += 1
        await asyncio.sleep(0.002)
    await asyncio.gather(*tasks)


async def take_ours(progress: Progress, dsn: str, bootstrap: str, topic: str) -> None:
    """Writes an effect for each event, with its inbox row, and notes how old it was at the commit."""
    database = Database(dsn, schema="public", pool_max=10)
    await database.open()

    async def apply(connection: Connection, received: Received[StringValue], _: None) -> None:
        await connection.execute(
            "insert into effects (key, said) values ($1, $2)", received.key, received.message.value
        )
        made = float(received.message.value.partition(" ")[0])

        def note() -> None:
            progress.count += 1
            progress.latencies.append(time.time() - made)

        on_commit(note)

    subscription = Subscription(topic=topic, message=StringValue, apply=apply, dead_letter_topic=None)
    consumer = Consumer(_settings(dsn, bootstrap), topic, [subscription], database, Outbox("/fte/bench"))
    consuming = asyncio.create_task(consumer.run())
    await progress.over.wait()
    consumer.stop()
    await consuming
    await database.close()


def _settings(dsn: str, bootstrap: str) -> ServiceSettings:
    return settings_for(ServiceSettings, database_url=SecretStr(dsn), kafka_bootstrap_servers=bootstrap)


async def _measure(dsn: str, bootstrap: str) -> dict[str, Any]:
    await migrate(dsn, schema="public", package=None)
    database = Database(dsn, schema="public")
    await database.open()
    async with database.connection() as connection:
        await connection.execute(EFFECTS)
    raw = Side("raw", publish_raw, take_raw)
    writing = Side("raw-writing", publish_raw, take_raw_into_postgres)
    ours = Side("ours", publish_ours, take_ours)
    for number in range(ROUNDS):
        for side in (raw, writing, ours):
            await side.round(dsn, bootstrap, number)
        async with database.connection() as connection:
            await connection.execute("truncate outbox, inbox, effects")
    rate = statistics.median(ours.rates)
    full = await _live(dsn, bootstrap, None)
    half = await _live(dsn, bootstrap, full["taken_per_second"] / 2)
    await database.close()
    return {
        "raw_per_second": round(statistics.median(raw.rates)),
        "ours_per_second": round(rate),
        "ratio": round(rate / statistics.median(raw.rates), 3),
        "raw_writing_per_second": round(statistics.median(writing.rates)),
        "ratio_to_raw_writing": round(rate / statistics.median(writing.rates), 3),
        "live_per_second": full["taken_per_second"],
        "latency": half,
        "cpu_us_per_message": {
            side.name: {name: round(statistics.median(us)) for name, us in side.cpu_us.items()}
            for side in (raw, writing, ours)
        },
    }


async def _live(dsn: str, bootstrap: str, rate: float | None) -> dict[str, float]:
    """What is taken of events that are published at this rate (None: as fast as can be), and how late."""
    topic = "bench-half" if rate else "bench-full"
    await create_topics(bootstrap, [SimpleNamespace(name=topic, partitions=PARTITIONS, retention_ms=None)])
    taker = Worker(take_ours, dsn, bootstrap, topic)
    publisher = Worker(publish_live, dsn, bootstrap, topic, rate)
    try:
        await taker.counted(1)
        await asyncio.sleep(WARM_SECONDS)
        skipped = (await taker.ask())["count"]
        offered, began = (await publisher.ask())["count"], time.perf_counter()
        await asyncio.sleep(LIVE_SECONDS)
        offered, seconds = (await publisher.ask())["count"] - offered, time.perf_counter() - began
        latencies = sorted((await taker.latencies())[skipped:])
    finally:
        publisher.end()
        taker.end()
    shares = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}
    figures = {name: round(1000 * latencies[int(len(latencies) * share)], 1) for name, share in shares.items()}
    rates = {"offered_per_second": round(offered / seconds), "taken_per_second": round(len(latencies) / seconds)}
    return rates | figures


def main() -> None:
    """Measure on servers of its own and print the figures as JSON."""
    with tempfile.TemporaryDirectory(prefix="fte-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        postgres_port, *kafka_ports = free_ports(3)
        postgres = Postgres(folder / "postgres", postgres_port)
        broker = KafkaBroker(folder / "kafka", *kafka_ports)
        try:
            postgres.start()
            broker.start()
            print(json.dumps(measure(postgres.dsn(), broker.bootstrap_servers), indent=2))
        finally:
            broker.stop()
            postgres.stop()


if __name__ == "__main__":
    main()
