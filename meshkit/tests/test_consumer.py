"""Each event takes effect once, in the order of its key, whoever comes, goes or is away meanwhile."""

import asyncio
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer
from google.protobuf.wrappers_pb2 import Int64Value, StringValue

from local.fixtures import MakeDatabase
from local.postgres import Postgres
from meshkit import context
from meshkit.consumer import Consumer, ConsumerStuck
from meshkit.database import Database
from meshkit.envelope import Event, Received
from meshkit.testing import eventually
from meshkit.testing.streams import SOON, Stream


async def test_each_event_takes_effect_once_in_the_order_of_its_key(stream: Stream) -> None:
    async with stream.relaying(), stream.consuming():
        for number in range(30):
            await stream.publish(f"key-{number % 3}", str(number))
        await stream.wait_for(*(str(number) for number in range(30)))
    effects = await stream.effects()
    assert len(effects) == 30
    for key in range(3):
        assert [words for name, words in effects if name == f"key-{key}"] == [str(n) for n in range(key, 30, 3)]


async def nothing_to_prepare(_: Received[StringValue]) -> None:
    return None


@pytest.mark.parametrize("prepare", [None, nothing_to_prepare])
async def test_an_event_that_arrives_twice_takes_effect_once(stream: Stream, prepare: Any) -> None:
    consuming = stream.subscription(prepare=prepare)
    async with stream.relaying():
        await stream.publish("ada", "one")
        await stream.publish("bob", "two")
        async with stream.consuming(consuming):
            await stream.wait_for("one", "two")
        # Now each comes twice more, as a backlog.
        for _ in range(2):
            async with stream.database.connection() as connection:
                await connection.execute("update outbox set published_at = null")
            await eventually(stream.is_drained, SOON)
        await stream.publish("ada", "last")
        await stream.publish("bob", "last of bob")
        await eventually(stream.is_drained, SOON)
        async with stream.consuming(consuming):
            await stream.wait_for("last", "last of bob")
    assert sorted(await stream.said()) == ["last", "last of bob", "one", "two"]


async def test_a_restart_goes_on_where_the_last_one_ended(stream: Stream) -> None:
    async with stream.relaying():
        async with stream.consuming():
            await stream.publish("ada", "before")
            await stream.wait_for("before")
        async with stream.database.connection() as connection:
            # Without the inbox only the committed offset keeps the first event from coming again.
            await connection.execute("delete from inbox")
        async with stream.consuming():
            await stream.publish("ada", "after")
            await stream.wait_for("after")
    assert await stream.said() == ["before", "after"]


async def test_a_slow_commit_keeps_no_record_waiting_and_the_last_one_comes_last(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meshkit.consumer._COMMIT_SECONDS", 0.01)
    slow, go_on = asyncio.Event(), asyncio.Event()
    committed: list[int] = []
    commit = AIOKafkaConsumer.commit

    async def slow_at_first(consumer: Any, offsets: dict[Any, int]) -> None:
        if not slow.is_set():
            slow.set()
            await go_on.wait()
        await commit(consumer, offsets)
        committed.append(max(offsets.values()))

    monkeypatch.setattr("aiokafka.AIOKafkaConsumer.commit", slow_at_first)
    async with stream.relaying(), stream.consuming() as consumer:
        await stream.publish("ada", "first")
        await asyncio.wait_for(slow.wait(), SOON)
        await stream.publish("ada", "second")
        await stream.wait_for("second")
        assert committed == []
        consumer.stop()
        # So that what is left to commit meets a commit that is still under way.
        await eventually(lambda: not consumer._lanes[stream.topic]._batches, SOON)
        asyncio.get_running_loop().call_later(0.2, go_on.set)
    assert len(committed) == 2
    assert committed[0] < committed[1] == 2


async def test_the_handler_runs_as_the_call_that_published(stream: Stream) -> None:
    calls: list[context.Call] = []
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"

    async def prepare(_: Received[StringValue]) -> str:
        calls.append(context.current())
        return "prepared"

    async def apply(connection: Any, received: Received[StringValue], prepared: str) -> None:
        calls.append(context.current())
        await connection.execute("insert into effects (key, said) values ($1, $2)", received.key, prepared)

    async with stream.relaying(), stream.consuming(stream.subscription(prepare=prepare, apply=apply)):
        with context.entered(context.Call("request-9", trace)):
            await stream.publish("ada", "hello")
        await stream.wait_for("prepared")
    assert [(call.request_id, call.traceparent) for call in calls] == [("request-9", trace)] * 2


async def test_while_postgres_is_away_the_lane_pauses_and_then_resumes(stream: Stream, postgres: Postgres) -> None:
    seen = asyncio.Event()
    prepared = 0
    write = stream.subscription().apply

    async def prepare(_: Received[StringValue]) -> None:
        nonlocal prepared
        prepared += 1
        seen.set()

    async def apply(connection: Any, received: Received[StringValue], _: None) -> None:
        await write(connection, received, None)

    await stream.publish("ada", "waits")
    async with stream.relaying():
        await eventually(stream.is_drained, SOON)
    async with stream.consuming(stream.subscription(prepare=prepare, apply=apply, attempts=1, neighbour_attempts=1)):
        await asyncio.to_thread(postgres.stop)
        try:
            await asyncio.wait_for(seen.wait(), SOON)
            await eventually(lambda: prepared >= 2, SOON)
        finally:
            await asyncio.to_thread(postgres.start)
        await stream.wait_for("waits")
    assert await stream.letters() == []


async def test_one_topic_may_carry_several_types(stream: Stream) -> None:
    async def count(connection: Any, received: Received[Int64Value], _: None) -> None:
        await connection.execute(
            "insert into effects (key, said) values ($1, $2)", received.key, f"number {received.message.value}"
        )

    numbers = stream.subscription(message=Int64Value, apply=count)
    async with stream.relaying(), stream.consuming(stream.subscription(), numbers):
        await stream.publish("ada", "words")
        async with stream.database.transaction() as connection:
            await stream.outbox.publish(connection, Event(stream.topic, "ada", Int64Value(value=7)))
        await stream.wait_for("words", "number 7")
    with pytest.raises(ValueError, match="subscribed to twice"):
        Consumer(stream.settings, "tickets", [numbers, numbers], stream.database, stream.outbox)


async def test_two_consumers_share_the_keys_and_one_takes_over_from_the_other(stream: Stream) -> None:
    async def publish(numbers: range) -> None:
        for number in numbers:
            await stream.publish(f"key-{number % 8}", str(number))

    async with stream.relaying(), stream.consuming():
        await publish(range(40))
        async with stream.consuming():
            await publish(range(40, 120))
            await stream.wait_for(*(str(number) for number in range(120)), within_seconds=30)
        await publish(range(120, 160))
        await stream.wait_for(*(str(number) for number in range(160)), within_seconds=30)
    effects = await stream.effects()
    assert len(effects) == 160
    for key in range(8):
        assert [int(words) for name, words in effects if name == f"key-{key}"] == list(range(key, 160, 8))


async def test_a_partition_far_ahead_of_its_lanes_is_held_back_and_then_read_on(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meshkit.consumer._PENDING_HIGH", 20)
    monkeypatch.setattr("meshkit.consumer._PENDING_LOW", 5)
    monkeypatch.setattr("meshkit.consumer._RECORDS_MAX", 10)
    gate = asyncio.Event()

    async def wait(_: Received[StringValue]) -> None:
        await gate.wait()

    write = stream.subscription().apply
    async with stream.database.transaction() as connection:
        for number in range(200):
            await stream.outbox.publish(connection, Event(stream.topic, "ada", StringValue(value=str(number))))
    async with stream.relaying():
        await eventually(stream.is_drained, SOON)
    subscription = stream.subscription(prepare=wait, apply=lambda c, r, _: write(c, r, None))
    async with stream.consuming(subscription) as consumer:
        await eventually(lambda: consumer._paused, SOON)
        (held,) = consumer._paused
        assert consumer._partitions[held].pending <= 30
        gate.set()
        await stream.wait_for(*(str(number) for number in range(200)), within_seconds=30)


async def test_a_row_that_another_holds_is_waited_for_and_not_an_outage_for_ever(
    stream: Stream, make_database: MakeDatabase
) -> None:
    """A stalled worker that still holds the inbox row of an event delays it; its end frees it."""
    await stream.publish("ada", "held")
    async with stream.database.connection() as connection:
        event_id = await connection.fetchval(
            "select convert_from(header_values[array_position(header_names, 'ce_id')], 'utf8') from outbox"
        )
    other = await asyncpg.connect(stream.settings.database_url.get_secret_value())
    transaction = other.transaction()
    await transaction.start()
    await other.execute("insert into inbox (consumer, event_id) values ('tickets', $1)", f"{event_id}#0")
    quick = Database(stream.settings.database_url.get_secret_value(), timeout_seconds=0.3)
    await quick.open()
    patient, stream.database = stream.database, quick
    async with stream.relaying(), stream.consuming():
        await eventually(stream.is_drained, SOON)
        await stream.publish("bob", "free")
        await stream.wait_for("free")
        await transaction.rollback()
        await stream.wait_for("held")
    stream.database = patient
    await other.close()
    await quick.close()


async def test_records_that_wait_and_never_come_end_the_consumer(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the client's fetcher has died while its heartbeats go on."""
    await stream.publish("ada", "stuck")
    async with stream.relaying():
        await eventually(stream.is_drained, SOON)

    async def nothing(*_: Any, **__: Any) -> dict[Any, Any]:
        await asyncio.sleep(0.05)
        return {}

    async def start_of_the_partition(*_: Any) -> int:
        return 0

    monkeypatch.setattr("aiokafka.AIOKafkaConsumer.getmany", nothing)
    monkeypatch.setattr("aiokafka.AIOKafkaConsumer.position", start_of_the_partition)
    consumer = Consumer(
        stream.settings, "tickets", [stream.subscription()], stream.database, stream.outbox, stuck_seconds=0.6
    )
    with pytest.raises(ConsumerStuck, match="has not moved"):
        await asyncio.wait_for(consumer.run(), SOON)


async def test_a_consumer_waits_for_a_broker_that_is_not_there_and_stops_when_told(stream: Stream) -> None:
    nowhere = stream.settings.model_copy(update={"kafka_bootstrap_servers": "127.0.0.1:1"})
    consumer = Consumer(nowhere, "tickets", [stream.subscription()], stream.database, stream.outbox)
    running = asyncio.create_task(consumer.run())
    await eventually(lambda: "kafka" in consumer._outages, SOON)
    assert not running.done()
    consumer.stop()
    await asyncio.wait_for(running, 10)
