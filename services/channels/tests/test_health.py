"""How the edge is: whether messages are taken, and whether they get through."""

from datetime import timedelta

import pytest
from services.channels.tests.conftest import Running, StartChannels, form
from services.channels.tests.faulty_network import Link

from fte.channels.v1 import channels_service_pb2 as pb


async def ask(channels: Running) -> tuple[pb.GetHealthResponse, dict[str, str | bytes]]:
    call = (await channels.stub()).GetHealth(pb.GetHealthRequest())
    metadata = dict(await call.initial_metadata() or ())
    return await call, metadata


async def test_an_edge_that_is_well_says_so(channels: Running) -> None:
    health, metadata = await ask(channels)
    assert health.status == "ok"
    assert dict(health.checks) == {"database": "ok", "stream": "ok", "web_form": "ok"}
    assert "x-http-status" not in metadata


@pytest.mark.parametrize(("waited", "stream"), [(5, "ok"), (11, "degraded"), (61, "down")])
async def test_facts_that_wait_for_kafka_are_seen_while_messages_are_still_taken(
    channels: Running, waited: int, stream: str
) -> None:
    await (await channels.stub()).SubmitForm(form())
    async with channels.database.connection() as connection:
        await connection.execute("update outbox set created_at = now() - $1::interval", timedelta(seconds=waited))
    health, metadata = await ask(channels)
    assert health.status == ("ok" if stream == "ok" else "degraded")
    assert (health.checks["stream"], health.checks["web_form"]) == (stream, "ok")
    assert "x-http-status" not in metadata


async def test_what_is_published_no_longer_waits(channels: Running) -> None:
    await (await channels.stub()).SubmitForm(form())
    async with channels.database.connection() as connection:
        await connection.execute("update outbox set created_at = now() - interval '1 day', published_at = now()")
    health, _ = await ask(channels)
    assert health.status == "ok"


async def test_without_postgres_the_edge_is_down_and_rest_is_told_503(
    postgres_link: tuple[Link, str], start_channels: StartChannels
) -> None:
    link, address = postgres_link
    channels = await start_channels(database_url=address)
    await link.cut()
    health, metadata = await ask(channels)
    assert (health.status, metadata["x-http-status"]) == ("down", "503")
    assert dict(health.checks) == {"database": "down", "stream": "down", "web_form": "down"}
    await link.mend()
    channels.clock.advance(1)
    health, metadata = await ask(channels)
    assert health.status == "ok"
    assert "x-http-status" not in metadata


async def test_a_database_that_hangs_is_down_within_two_seconds(start_channels: StartChannels) -> None:
    channels = await start_channels(database_timeout_seconds=30.0)
    async with channels.database.transaction() as connection:
        await connection.execute("lock table outbox in access exclusive mode")
        call = (await channels.stub()).GetHealth(pb.GetHealthRequest(), timeout=2)
        assert (await call).status == "down"


async def test_the_database_hears_of_it_at_most_once_a_second(channels: Running) -> None:
    customer = await channels.stub()
    assert (await customer.GetHealth(pb.GetHealthRequest())).status == "ok"
    await customer.SubmitForm(form())
    async with channels.database.connection() as connection:
        await connection.execute("update outbox set created_at = now() - interval '1 day'")
    channels.clock.advance(0.9)
    assert (await customer.GetHealth(pb.GetHealthRequest())).status == "ok"
    channels.clock.advance(0.2)
    assert (await customer.GetHealth(pb.GetHealthRequest())).status == "degraded"


async def test_a_channel_that_is_switched_off_is_not_looked_at(start_channels: StartChannels) -> None:
    channels = await start_channels(enabled_channels=())
    health, _ = await ask(channels)
    assert dict(health.checks) == {"database": "ok", "stream": "ok"}
