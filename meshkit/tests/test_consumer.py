import asyncio
from typing import Any

import asyncpg
import pytest
from google.protobuf.wrappers_pb2 import Int64Value, StringValue

from local.fixtures import MakeDatabase
from local.postgres import Postgres
from meshkit import context
from meshkit.consumer import Consumer, ConsumerStuck, Subscription
from meshkit.database import Database
from meshkit.deadletters import redriven
from meshkit.envelope import Event, Received
from meshkit.errors import Unavailable
from meshkit.testing import eventually
from meshkit.testing.streams import Stream

SOON = 15.0


async def said(stream: Stream) -> list[str]:
    return [words for _, words in await stream.effects()]


async def wait_for(stream: Stream, *words: str, within_seconds: float = SOON) -> None:
    async def there() -> bool:
        return set(words) <= set(await said(stream))

    await eventually(there, within_seconds)


async def dead(stream: Stream) -> list[dict[str, bytes]]:
    async with stream.database.connection() as connection:
        rows = await connection.fetch(
            "select header_names, header_values from outbox where topic = $1 order by id", stream.dead_letters
        )
    return [dict(zip(row["header_names"], row["header_values"], strict=True)) for row in rows]


async def wait_for_dead(stream: Stream, count: int) -> list[dict[str, bytes]]:
    async def there() -> bool:
        return len(await dead(stream)) == count

    await eventually(there, SOON)
    return await dead(stream)


async def test_each_event_takes_effect_once_in_the_order_of_its_key(stream: Stream) -> None:
    async with stream.relaying(), stream.consuming():
        for number in range(30):
            await stream.publish(f"key-{number % 3}", str(number))
        await wait_for(stream, *(str(number) for number in range(30)))
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
            await wait_for(stream, "one", "two")
        # Now each comes twice more, as a backlog.
        for _ in range(2):
            async with stream.database.connection() as connection:
                await connection.execute("update outbox set published_at = null")
            await eventually(stream.is_drained, SOON)
        await stream.publish("ada", "last")
        await stream.publish("bob", "last of bob")
        await eventually(stream.is_drained, SOON)
        async with stream.consuming(consuming):
            await wait_for(stream, "last", "last of bob")
    assert sorted(await said(stream)) == ["last", "last of bob", "one", "two"]


async def test_a_restart_goes_on_where_the_last_one_ended(stream: Stream) -> None:
    async with stream.relaying():
        async with stream.consuming():
            await stream.publish("ada", "before")
            await wait_for(stream, "before")
        async with stream.database.connection() as connection:
            # Without the inbox only the committed offset keeps the first event from coming again.
            await connection.execute("delete from inbox")
        async with stream.consuming():
            await stream.publish("ada", "after")
            await wait_for(stream, "after")
    assert await said(stream) == ["before", "after"]


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
        await wait_for(stream, "prepared")
    assert [(call.request_id, call.traceparent) for call in calls] == [("request-9", trace)] * 2


async def test_poison_is_buried_and_its_partition_moves_on_and_a_redrive_is_handled_once(stream: Stream) -> None:
    mended = False
    apply = stream.subscription().apply

    async def picky(connection: Any, received: Received[StringValue], prepared: None) -> None:
        if received.message.value == "poison" and not mended:
            raise ValueError("words of a customer")
        await apply(connection, received, prepared)

    subscription = stream.subscription(apply=picky, attempts=2)
    async with stream.relaying(), stream.consuming(subscription), stream.consuming(subscription, group="others"):
        await stream.publish("ada", "poison")
        await stream.publish("ada", "next")
        await wait_for(stream, "next")
        letters = await wait_for_dead(stream, 2)
        assert {letter["dlq_consumer"] for letter in letters} == {b"tickets", b"others"}
        (letter,) = [letter for letter in letters if letter["dlq_consumer"] == b"tickets"]
        assert letter["dlq_reason"] == b"VALUE_ERROR"
        assert letter["dlq_attempts"] == b"2"
        assert letter["dlq_topic"] == stream.topic.encode()
        assert not any(b"words" in content for content in letter.values())
        records = await stream.read(stream.dead_letters, 2)
        (record,) = [record for record in records if dict(record.headers)["dlq_consumer"] == b"tickets"]

        mended = True
        topic, headers = redriven(record.headers)
        for _ in range(2):
            async with stream.database.transaction() as connection:
                await stream.outbox.publish_raw(connection, topic, record.key, record.value, headers)
        await stream.publish("ada", "last")
        await wait_for(stream, "poison", "last")
    # Handled by the one consumer it is for, once, although it was sent again twice.
    assert (await said(stream)).count("poison") == 1


async def test_records_that_are_no_events_are_buried_at_once(stream: Stream) -> None:
    kind = b"google.protobuf.StringValue"
    known = {"ce_id": b"0190b5a0-0000-7000-8000-000000000001", "ce_type": kind}
    async with stream.consuming():
        await stream.produce(b"\x0a\xff", **known)
        await stream.produce(b"", ce_type=kind)
        await stream.produce(b"", ce_id=b"0190b5a0-0000-7000-8000-000000000002", ce_type=b"fte.Unknown")
        await stream.produce(b"\x0a\x02ok", ce_id=b"0190b5a0-0000-7000-8000-000000000003", ce_type=kind)
        await wait_for(stream, "ok")
        letters = await wait_for_dead(stream, 3)
    assert [letter["dlq_reason"] for letter in letters] == [b"VALUE_UNDECODABLE", b"CE_ID_MISSING", b"CE_TYPE_UNKNOWN"]
    assert letters[0]["ce_id"] == known["ce_id"]
    assert all(letter["dlq_attempts"] == b"1" and letter["ce_id"] for letter in letters)


async def test_a_hung_half_is_not_retried_for_ever(stream: Stream) -> None:
    tries = {"prepare": 0, "apply": 0}

    async def prepare(received: Received[StringValue]) -> None:
        if received.message.value == "hangs in prepare":
            tries["prepare"] += 1
            await asyncio.sleep(60)

    async def apply(connection: Any, received: Received[StringValue], prepared: None) -> None:
        if received.message.value == "hangs in apply":
            tries["apply"] += 1
            await connection.execute("select pg_sleep(60)")

    subscription = stream.subscription(
        prepare=prepare, apply=apply, attempts=2, prepare_timeout_seconds=0.2, apply_timeout_seconds=0.2
    )
    async with stream.relaying(), stream.consuming(subscription):
        await stream.publish("ada", "hangs in prepare")
        await stream.publish("bob", "hangs in apply")
        letters = await wait_for_dead(stream, 2)
    assert {letter["dlq_reason"] for letter in letters} == {b"PREPARE_TIMEOUT", b"APPLY_TIMEOUT"}
    assert tries == {"prepare": 2, "apply": 2}


async def test_a_neighbour_that_is_away_is_waited_for_in_the_lane_and_others_go_on(stream: Stream) -> None:
    tries = 0

    async def prepare(received: Received[StringValue]) -> None:
        nonlocal tries
        if received.key == "ada" and tries < 3:
            tries += 1
            raise Unavailable("a service this one needs is away")

    async with stream.relaying(), stream.consuming(stream.subscription(prepare=prepare, attempts=1)):
        await stream.publish("ada", "waits")
        await stream.publish("ada", "behind")
        await stream.publish("bob", "passes")
        await wait_for(stream, "waits", "behind", "passes")
    assert await said(stream) == ["passes", "waits", "behind"]
    assert await dead(stream) == []


async def test_a_neighbour_that_stays_away_buries_the_event_with_its_reason(stream: Stream) -> None:
    async def prepare(_: Received[StringValue]) -> None:
        raise Unavailable("a service this one needs is away")

    async with stream.relaying(), stream.consuming(stream.subscription(prepare=prepare, neighbour_attempts=2)):
        await stream.publish("ada", "lost")
        (letter,) = await wait_for_dead(stream, 1)
    assert letter["dlq_reason"] == b"DEPENDENCY_UNAVAILABLE"


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
        await wait_for(stream, "waits")
    assert await dead(stream) == []


async def test_a_failing_event_of_a_batch_fails_alone(stream: Stream) -> None:
    write = stream.subscription().apply

    async def picky(connection: Any, received: Received[StringValue], prepared: None) -> None:
        await write(connection, received, prepared)
        if received.message.value == "13":
            raise ValueError

    async with stream.database.transaction() as connection:
        for number in range(40):
            message = StringValue(value=str(number))
            await stream.outbox.publish(connection, Event(stream.topic, f"key-{number % 7}", message))
    async with stream.relaying():
        await eventually(stream.is_drained, SOON)
    async with stream.consuming(stream.subscription(apply=picky, attempts=2)):
        (letter,) = await wait_for_dead(stream, 1)
        await wait_for(stream, *(str(number) for number in range(40) if number != 13))
    assert letter["dlq_reason"] == b"VALUE_ERROR"
    effects = await stream.effects()
    assert len(effects) == 39
    for key in range(7):
        assert [int(w) for name, w in effects if name == f"key-{key}"] == [n for n in range(key, 40, 7) if n != 13]


async def test_what_must_still_happen_for_a_dead_event_happens_with_its_letter(stream: Stream) -> None:
    async def prepare(_: Received[StringValue]) -> None:
        raise ValueError

    async def apologise(connection: Any, received: Received[StringValue]) -> None:
        await connection.execute("insert into effects (key, said) values ($1, 'sorry')", received.key)

    async def fail(_connection: Any, _received: Received[StringValue]) -> None:
        raise ValueError

    async with stream.relaying():
        async with stream.consuming(stream.subscription(prepare=prepare, on_dead=apologise, attempts=1)):
            await stream.publish("ada", "poison")
            await wait_for(stream, "sorry")
            await stream.produce(b"no event")
            assert len(await wait_for_dead(stream, 2)) == 2
        async with stream.consuming(stream.subscription(prepare=prepare, on_dead=fail, attempts=1)):
            await stream.publish("ada", "poison")
            assert len(await wait_for_dead(stream, 3)) == 3
    assert await said(stream) == ["sorry"]


async def test_a_keeper_of_dead_letters_takes_any_record_and_never_buries_it_again(stream: Stream) -> None:
    tries = 0

    async def keep(connection: Any, received: Received[bytes], _: None) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise ValueError
        await connection.execute(
            "insert into effects (key, said) values ($1, $2)", received.key, received.message.hex()
        )

    keeper: Subscription[bytes, None] = stream.subscription(
        message=None, apply=keep, attempts=1, dead_letter_topic=stream.topic
    )
    async with stream.consuming(keeper):
        await stream.produce(b"\xff\x00", key=None)
        await wait_for(stream, "ff00")
    assert await dead(stream) == []


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
        await wait_for(stream, "words", "number 7")
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
            await wait_for(stream, *(str(number) for number in range(120)), within_seconds=30)
        await publish(range(120, 160))
        await wait_for(stream, *(str(number) for number in range(160)), within_seconds=30)
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
        await wait_for(stream, *(str(number) for number in range(200)), within_seconds=30)


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
        await wait_for(stream, "free")
        await transaction.rollback()
        await wait_for(stream, "held")
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
