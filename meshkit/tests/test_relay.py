import asyncio
from typing import Any

import asyncpg
import pytest
from google.protobuf.wrappers_pb2 import StringValue

from local.kafka import KafkaBroker
from meshkit import leadership, metrics, relay
from meshkit.database import Database
from meshkit.envelope import Event, decode
from meshkit.relay import Relay
from meshkit.testing import eventually
from meshkit.testing.streams import Stream, running


async def published(stream: Stream, count: int) -> list[str]:
    records = await stream.read(stream.topic, count)
    return [decode(record, StringValue).message.value for record in records]


async def test_events_of_a_key_are_published_in_the_order_of_their_ids(stream: Stream) -> None:
    for number in range(20):
        await stream.publish("ada", str(number))
    async with stream.relaying():
        assert await published(stream, 20) == [str(number) for number in range(20)]
        await eventually(stream.is_drained)


async def test_an_event_carries_its_outbox_id_as_sequence(stream: Stream) -> None:
    await stream.publish("ada", "one")
    async with stream.relaying():
        (record,) = await stream.read(stream.topic, 1)
    assert decode(record, StringValue).sequence == 1


async def test_a_transaction_that_commits_late_is_not_skipped(stream: Stream) -> None:
    async with stream.relaying():
        async with stream.database.transaction() as connection:
            # Takes its id first, commits last.
            await stream.outbox.publish(connection, Event(stream.topic, "ada", StringValue(value="late")))
            await stream.publish("bob", "early")
            assert await published(stream, 1) == ["early"]
        assert sorted(await published(stream, 2)) == ["early", "late"]


async def test_a_commit_wakes_the_relay_and_nothing_waits_for_its_poll(stream: Stream) -> None:
    relay = Relay(stream.settings, stream.database, poll_seconds=30)
    task = asyncio.create_task(relay.run())
    await stream.publish("ada", "first")
    await eventually(stream.is_drained, 10)
    await stream.publish("ada", "second")
    await eventually(stream.is_drained, 5)
    relay.stop()
    await asyncio.wait_for(task, 10)


async def test_a_connection_in_a_state_that_its_client_cannot_explain_is_replaced(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Relay._round
    broken = False

    async def break_once(relay: Relay, connection: Any, producer: Any) -> int:
        nonlocal broken
        if not broken:
            broken = True
            raise asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")
        return await work(relay, connection, producer)

    monkeypatch.setattr(Relay, "_round", break_once)
    await stream.publish("ada", "kept")
    async with stream.relaying():
        assert await published(stream, 1) == ["kept"]


async def test_marking_waits_for_no_disk(stream: Stream) -> None:
    async with Relay(stream.settings, stream.database)._session() as connection:
        assert connection is not None
        assert await connection.fetchval("show synchronous_commit") == "off"
    async with stream.database.connection() as connection:
        assert await connection.fetchval("show synchronous_commit") == "on"


async def test_what_another_process_published_is_found_by_polling(stream: Stream) -> None:
    other = Database(stream.settings.database_url.get_secret_value())
    await other.open()
    async with stream.relaying():
        async with other.transaction() as connection:
            await stream.outbox.publish(connection, Event(stream.topic, "ada", StringValue(value="elsewhere")))
        await eventually(stream.is_drained, 10)
    await other.close()


async def test_of_two_relays_one_works_and_the_other_takes_over(stream: Stream) -> None:

    first, second = Relay(stream.settings, stream.database), Relay(stream.settings, stream.database)
    async with running(second):
        async with running(first):
            for number in range(50):
                await stream.publish("ada", str(number))
            await eventually(stream.is_drained, 10)
        await stream.publish("ada", "after")
        await eventually(stream.is_drained, 10)
    assert await published(stream, 51) == [*(str(number) for number in range(50)), "after"]


async def test_what_was_published_before_the_stop_goes_out(stream: Stream) -> None:
    async with stream.relaying():
        for number in range(100):
            await stream.publish("ada", str(number))
    assert await stream.pending() == 0


async def test_the_outbox_grows_while_the_broker_is_away_and_then_drains(
    stream: Stream, kafka_broker: KafkaBroker
) -> None:
    async with stream.relaying():
        await stream.publish("ada", "before")
        await eventually(stream.is_drained, 10)
        await asyncio.to_thread(kafka_broker.crash)
        try:
            for number in range(30):
                await stream.publish("ada", str(number))
            assert await stream.pending() == 30
        finally:
            await asyncio.to_thread(kafka_broker.start)
        await eventually(stream.is_drained, 30)
    # At least once: the broker may have taken what it could not acknowledge any more.
    said = await published(stream, 31)
    assert list(dict.fromkeys(said)) == ["before", *(str(number) for number in range(30))]


async def test_a_broker_that_stays_away_is_told_of_and_the_session_is_kept(
    stream: Stream, kafka_broker: KafkaBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The relation of the two counts: several silences would outlast the session.
    monkeypatch.setattr(relay, "_PRODUCE_SECONDS", 1)
    monkeypatch.setattr(leadership, "_IDLE_SESSION_SECONDS", 3)
    silences, lost = (metrics.RELAY_FAILURES.labels(error) for error in ("KafkaTimeoutError", "InterfaceError"))
    before, lost_before = silences._value.get(), lost._value.get()
    async with stream.relaying():
        await stream.publish("ada", "before")
        await eventually(stream.is_drained, 10)
        await asyncio.to_thread(kafka_broker.crash)
        try:
            await stream.publish("ada", "after")
            await eventually(lambda: silences._value.get() >= before + 5, 20)
        finally:
            await asyncio.to_thread(kafka_broker.start)
        await eventually(stream.is_drained, 30)
    assert lost._value.get() == lost_before


async def test_a_record_that_no_broker_takes_does_not_hold_up_the_next(stream: Stream) -> None:
    async with stream.database.transaction() as connection:
        await stream.outbox.publish_raw(connection, stream.topic, b"ada", b"x" * 2_000_000, [])
    await stream.publish("ada", "small")
    async with stream.relaying():
        assert await published(stream, 1) == ["small"]
        await eventually(lambda: _is_refused(stream), 10)


async def test_a_record_without_key_and_value_goes_out(stream: Stream) -> None:
    async with stream.database.transaction() as connection:
        await stream.outbox.publish_raw(connection, stream.topic, None, None, [("odd\x00name", b"\xff")])
    async with stream.relaying():
        (record,) = await stream.read(stream.topic, 1)
    assert record.headers[0] == ("odd\N{REPLACEMENT CHARACTER}name", b"\xff")


async def _is_refused(stream: Stream) -> bool:
    async with stream.database.connection() as connection:
        return bool(await connection.fetchval("select count(*) from outbox where refused_at is not null"))
