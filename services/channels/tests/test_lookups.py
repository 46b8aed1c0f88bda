"""What may have arrived is looked up before it is sent again; what nobody can tell is for a person."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from services.channels.tests.conftest import Running, StartChannels
from services.channels.tests.scripted import Scripted, accept_then_hang, accept_then_reset, dispatching, reply, reset
from services.channels.tests.test_deliveries import apply
from services.channels.tests.test_dispatch import QUICK, ended, states

from channels.providers.base import Accepted
from fte.channels.v1 import channels_service_pb2 as pb
from fte.channels.v1.message_pb2 import (
    DELIVERY_STATE_CLAIMED,
    DELIVERY_STATE_FAILED,
    DELIVERY_STATE_QUEUED,
    DELIVERY_STATE_SENT,
    DELIVERY_STATE_UNCERTAIN,
)


@pytest.fixture
def provider() -> Scripted:
    return Scripted()


@pytest.fixture
async def channels(start_channels: StartChannels, provider: Scripted) -> Running:
    return await start_channels(outsides=[provider], **QUICK)


async def test_what_was_taken_before_a_reset_is_found_at_once_and_not_sent_again(
    channels: Running, provider: Scripted
) -> None:
    provider.script.append(accept_then_reset)
    await apply(channels, reply(channels))
    began = asyncio.get_running_loop().time()
    async with dispatching(channels):
        (sent,) = await ended(channels)
    assert asyncio.get_running_loop().time() - began < 0.5
    assert (sent.state, sent.provider_message_id) == (DELIVERY_STATE_SENT, "SM1")
    assert len(provider.taken) == 1


async def test_what_is_not_there_yet_is_not_believed_to_be_lost_before_it_could_have_come(
    channels: Running, provider: Scripted
) -> None:
    async def take_late(provider: Scripted, parcel: Any) -> Any:
        # The provider has the request, and shows it in no list for a while.
        asyncio.get_running_loop().call_later(0.3, provider.take, parcel)
        return await reset(provider, parcel)

    provider.script.append(take_late)
    await apply(channels, reply(channels))
    async with dispatching(channels):
        await ended(channels)
    assert (len(provider.taken), len(provider.asked)) == (1, 1)
    assert len(provider.looked_up) == 2


async def test_what_never_arrived_is_sent_again_once_that_is_certain(channels: Running, provider: Scripted) -> None:
    provider.script.append(reset)
    await apply(channels, reply(channels))
    async with dispatching(channels):
        (sent,) = await ended(channels)
    assert sent.state == DELIVERY_STATE_SENT
    assert (len(provider.taken), len(provider.asked)) == (1, 2)


async def test_a_request_that_does_not_end_is_looked_up(channels: Running, provider: Scripted) -> None:
    provider.script.append(accept_then_hang)
    await apply(channels, reply(channels))
    async with dispatching(channels):
        (sent,) = await ended(channels)
    assert sent.state == DELIVERY_STATE_SENT
    assert len(provider.taken) == 1


async def test_a_fault_in_our_own_client_is_taken_for_a_doubt(channels: Running, provider: Scripted) -> None:
    async def stumble(provider: Scripted, parcel: Any) -> Any:
        provider.take(parcel)
        raise ZeroDivisionError

    provider.script.append(stumble)
    await apply(channels, reply(channels))
    async with dispatching(channels):
        await ended(channels)
    assert len(provider.taken) == 1


async def test_what_stays_unknown_is_for_a_person_and_nothing_is_sent_meanwhile(
    start_channels: StartChannels, provider: Scripted
) -> None:
    channels = await start_channels(outsides=[provider], **QUICK, send_attempts_max=2)
    provider.script.append(reset)
    provider.find_script.extend([reset] * 5)
    await apply(channels, reply(channels))
    async with dispatching(channels):
        (uncertain,) = await ended(channels)
        assert (uncertain.state, uncertain.failure_reason) == (DELIVERY_STATE_UNCERTAIN, "UNKNOWN_FATE")
        assert len(provider.asked) == 1
        staff = await channels.stub("staff")
        again = await staff.RetryDelivery(pb.RetryDeliveryRequest(name=uncertain.delivery))
        assert (again.state, again.HasField("due_time")) == (DELIVERY_STATE_QUEUED, True)
        (*_, sent) = await ended(channels, 2)
    assert sent.state == DELIVERY_STATE_SENT
    assert DELIVERY_STATE_CLAIMED not in await states(channels)


async def test_an_attempt_that_is_lost_every_time_ends_as_a_failure(
    start_channels: StartChannels, provider: Scripted
) -> None:
    channels = await start_channels(
        outsides=[provider], **{**QUICK, "send_deadline_seconds": 0.05, "send_lookup_seconds": 0.1}, send_attempts_max=2
    )
    provider.script.extend([reset] * 10)
    await apply(channels, reply(channels))
    async with dispatching(channels):
        (failed,) = await ended(channels)
    assert (failed.state, failed.failure_reason) == (DELIVERY_STATE_FAILED, "PROVIDER_FAILING")
    assert len(provider.asked) == 2


async def test_two_messages_of_ours_are_never_one_of_the_providers(channels: Running, provider: Scripted) -> None:
    async def answer_with_another(provider: Scripted, parcel: Any) -> Accepted:
        return Accepted("SM1")

    async with dispatching(channels):
        await apply(channels, reply(channels))
        await ended(channels)
        provider.script.append(answer_with_another)
        await apply(channels, reply(channels, "other"))
        (_, doubtful) = await ended(channels, 2)
    assert (doubtful.state, doubtful.failure_reason) == (DELIVERY_STATE_UNCERTAIN, "UNKNOWN_FATE")


async def test_equal_words_said_twice_are_told_apart_by_the_ids_that_are_known(
    channels: Running, provider: Scripted
) -> None:
    async with dispatching(channels):
        await apply(channels, reply(channels))
        await ended(channels)
        provider.script.append(accept_then_reset)
        await apply(channels, reply(channels))
        await ended(channels, 2)
    assert [parcel.known_ids for parcel in provider.looked_up] == [{"SM1"}]


async def test_of_a_provider_that_lists_what_all_were_sent_everything_on_record_is_known(
    start_channels: StartChannels,
) -> None:
    provider = Scripted(lists_by_recipient=False)
    channels = await start_channels(outsides=[provider], **QUICK)
    async with dispatching(channels):
        await apply(channels, reply(channels))
        await ended(channels)
        provider.script.append(accept_then_reset)
        await apply(channels, reply(channels, "other"))
        await ended(channels, 2)
    assert [parcel.known_ids for parcel in provider.looked_up] == [{"SM1"}]
