"""What cannot be handled is tried again as long as that helps, then buried, and holds up nobody but its own key."""

import asyncio
from typing import Any

from google.protobuf.wrappers_pb2 import StringValue

from meshkit.deadletters import redriven
from meshkit.envelope import Event, Received
from meshkit.errors import Unavailable
from meshkit.subscription import Subscription
from meshkit.testing import eventually
from meshkit.testing.streams import SOON, Stream


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
        await stream.wait_for("next")
        letters = await stream.wait_for_letters(2)
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
        await stream.wait_for("poison", "last")
    # Handled by the one consumer it is for, once, although it was sent again twice.
    assert (await stream.said()).count("poison") == 1


async def test_records_that_are_no_events_are_buried_at_once(stream: Stream) -> None:
    kind = b"google.protobuf.StringValue"
    known = {"ce_id": b"0190b5a0-0000-7000-8000-000000000001", "ce_type": kind}
    async with stream.consuming():
        await stream.produce(b"\x0a\xff", **known)
        await stream.produce(b"", ce_type=kind)
        await stream.produce(b"", ce_id=b"0190b5a0-0000-7000-8000-000000000002", ce_type=b"fte.Unknown")
        await stream.produce(b"\x0a\x02ok", ce_id=b"0190b5a0-0000-7000-8000-000000000003", ce_type=kind)
        await stream.wait_for("ok")
        letters = await stream.wait_for_letters(3)
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
        letters = await stream.wait_for_letters(2)
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
        await stream.wait_for("waits", "behind", "passes")
    assert await stream.said() == ["passes", "waits", "behind"]
    assert await stream.letters() == []


async def test_a_neighbour_that_stays_away_buries_the_event_with_its_reason(stream: Stream) -> None:
    async def prepare(_: Received[StringValue]) -> None:
        raise Unavailable("a service this one needs is away")

    async with stream.relaying(), stream.consuming(stream.subscription(prepare=prepare, neighbour_attempts=2)):
        await stream.publish("ada", "lost")
        (letter,) = await stream.wait_for_letters(1)
    assert letter["dlq_reason"] == b"DEPENDENCY_UNAVAILABLE"


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
        (letter,) = await stream.wait_for_letters(1)
        await stream.wait_for(*(str(number) for number in range(40) if number != 13))
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
            await stream.wait_for("sorry")
            await stream.produce(b"no event")
            assert len(await stream.wait_for_letters(2)) == 2
        async with stream.consuming(stream.subscription(prepare=prepare, on_dead=fail, attempts=1)):
            await stream.publish("ada", "poison")
            assert len(await stream.wait_for_letters(3)) == 3
    assert await stream.said() == ["sorry"]


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
        await stream.wait_for("ff00")
    assert await stream.letters() == []
