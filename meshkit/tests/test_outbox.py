from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.wrappers_pb2 import BytesValue, StringValue

from meshkit import inbox
from meshkit.context import Call, entered
from meshkit.envelope import Event
from meshkit.outbox import VALUE_BYTES_MAX, Outbox
from meshkit.testing import HeldClock
from meshkit.testing.streams import Stream


async def test_an_event_is_kept_if_the_transaction_commits_and_only_then(stream: Stream) -> None:
    await stream.publish("ada", "kept")

    async def fail() -> None:
        async with stream.database.transaction() as connection:
            await stream.outbox.publish(connection, Event(stream.topic, "ada", StringValue(value="lost")))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await stream.pending() == 1


async def test_an_event_carries_the_request_and_trace_it_was_made_in(stream: Stream) -> None:
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    with entered(Call("request-7", trace)):
        await stream.publish("ada", "hello")
    async with stream.database.connection() as connection:
        row = await connection.fetchrow("select header_names, header_values from outbox")
    assert row is not None
    headers = dict(zip(row["header_names"], row["header_values"], strict=True))
    assert (headers["x-request-id"], headers["traceparent"]) == (b"request-7", trace.encode())


async def test_a_row_inserted_by_a_statement_of_ones_own_is_what_publish_writes(stream: Stream) -> None:
    columns = "topic, key, value, header_names, header_values"
    outbox = Outbox("/fte/tests", clock=HeldClock(datetime(2026, 1, 2, tzinfo=UTC)))
    event = Event(stream.topic, "ada", StringValue(value="hello"), subject="tickets/1")
    with entered(Call("request-8", None)):
        row = outbox.row(event)
        async with stream.database.transaction() as connection:
            await outbox.publish(connection, event)
            await connection.execute(f"insert into outbox ({columns}) values ($1, $2, $3, $4, $5)", *row)
    async with stream.database.connection() as connection:
        published, inserted = await connection.fetch(f"select {columns} from outbox order by id")
    assert published == inserted
    assert row._fields == tuple(columns.split(", "))
    assert dict(zip(row.header_names, row.header_values, strict=True))["x-request-id"] == b"request-8"
    with pytest.raises(ValueError, match="publish a reference instead"):
        outbox.row(Event(stream.topic, "ada", BytesValue(value=b"x" * VALUE_BYTES_MAX)))


async def test_a_commit_that_published_wakes_listeners_once_and_others_do_not(stream: Stream) -> None:
    woken: list[int] = []
    stream.database.subscribe(lambda: woken.append(1))
    async with stream.database.transaction() as connection:
        for said in ("one", "two"):
            await stream.outbox.publish(connection, Event(stream.topic, "ada", StringValue(value=said)))
    assert woken == [1]
    async with stream.database.transaction() as connection:
        await connection.execute("select 1")
    assert woken == [1]


async def test_an_event_that_no_broker_takes_is_refused_where_it_is_made(stream: Stream) -> None:
    event = Event(stream.topic, "ada", BytesValue(value=b"x" * VALUE_BYTES_MAX))
    async with stream.database.transaction() as connection:
        with pytest.raises(ValueError, match="publish a reference instead"):
            await stream.outbox.publish(connection, event)


async def test_only_rows_published_long_ago_are_pruned(stream: Stream) -> None:
    for said in ("old", "new", "waiting"):
        await stream.publish("ada", said)
    async with stream.database.connection() as connection:
        await connection.execute("update outbox set published_at = now() - interval '2 hours' where id = 1")
        await connection.execute("update outbox set published_at = now() where id = 2")
        assert await stream.outbox.prune(connection, older_than=timedelta(hours=1)) == 1
        assert await stream.outbox.prune(connection, older_than=timedelta(hours=1)) == 0
        assert [row["id"] for row in await connection.fetch("select id from outbox order by id")] == [2, 3]


async def test_an_event_is_new_to_a_consumer_once(stream: Stream) -> None:
    async with stream.database.transaction() as connection:
        assert await inbox.first_time(connection, "tickets", "a#0")
        assert not await inbox.first_time(connection, "tickets", "a#0")
        assert await inbox.first_time(connection, "agent", "a#0")
        assert await inbox.first_time(connection, "tickets", "a#1")
        assert await inbox.first_times(connection, "tickets", ["a#0", "b#0", "c#0"]) == {"b#0", "c#0"}
        assert not await inbox.mark_dead(connection, "tickets", "b#0")
        assert await inbox.mark_dead(connection, "tickets", "d#0")


async def test_an_event_whose_transaction_rolled_back_is_new_again(stream: Stream) -> None:
    async def fail() -> None:
        async with stream.database.transaction() as connection:
            assert await inbox.first_time(connection, "tickets", "a#0")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with stream.database.transaction() as connection:
        assert await inbox.first_time(connection, "tickets", "a#0")


async def test_only_events_handled_long_ago_are_forgotten(stream: Stream) -> None:
    async with stream.database.connection() as connection:
        for event_id in ("old#0", "new#0"):
            await inbox.first_time(connection, "tickets", event_id)
        await connection.execute("update inbox set handled_at = now() - interval '40 days' where event_id = 'old#0'")
        assert await inbox.prune(connection, older_than=timedelta(days=35)) == 1
        assert [row["event_id"] for row in await connection.fetch("select event_id from inbox")] == ["new#0"]
