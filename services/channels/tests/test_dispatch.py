"""What leaves the house goes out once, in order, and with a known end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from services.channels.tests.conftest import Running, StartChannels
from services.channels.tests.scripted import (
    BOB,
    Scripted,
    cannot_be_reached,
    dispatching,
    hang,
    refuse,
    reply,
    throttle,
)
from services.channels.tests.test_deliveries import apply

from channels.model import Channel, Content, DeliveryState, Reachability
from channels.operations import send as sending
from channels.providers.base import Accepted, Refused
from fte.channels.v1 import channels_service_pb2 as pb
from fte.channels.v1.channels_events_pb2 import DeliveryChanged
from fte.channels.v1.message_pb2 import (
    DELIVERY_STATE_FAILED,
    DELIVERY_STATE_QUEUED,
    DELIVERY_STATE_SENT,
    DELIVERY_STATE_UNCERTAIN,
    Delivery,
)
from fte.identity.v1.customer_pb2 import REACHABILITY_OPTED_OUT
from meshkit.testing import eventually

QUICK = {
    "send_deadline_seconds": 0.3,
    "send_lookup_seconds": 0.5,
    "breaker_failures": 1000,
    "database_timeout_seconds": 3.0,
}


@pytest.fixture
def provider() -> Scripted:
    return Scripted()


@pytest.fixture
async def channels(start_channels: StartChannels, provider: Scripted) -> Running:
    return await start_channels(outsides=[provider], **QUICK)


async def states(channels: Running) -> list[Any]:
    return [change.state for change in await channels.deliveries_changed()]


async def ended(channels: Running, count: int = 1) -> list[DeliveryChanged]:
    """The ends of so many deliveries, in the order in which they were told."""

    async def all_ended() -> list[DeliveryChanged]:
        ends = [
            change
            for change in await channels.deliveries_changed()
            if change.state in (DELIVERY_STATE_SENT, DELIVERY_STATE_FAILED, DELIVERY_STATE_UNCERTAIN)
        ]
        return ends if len(ends) >= count else []

    return await eventually(all_ended, 10)


async def read(channels: Running, change: DeliveryChanged) -> Delivery:
    return await (await channels.stub("staff")).GetDelivery(pb.GetDeliveryRequest(name=change.delivery))


async def test_a_reply_is_queued_and_then_sent_and_the_desk_hears_both(channels: Running, provider: Scripted) -> None:
    fact = reply(channels)
    await apply(channels, fact)
    (queued,) = await channels.deliveries_changed()
    assert (queued.state, queued.message, queued.conversation) == (
        DELIVERY_STATE_QUEUED,
        fact.message,
        fact.conversation,
    )
    waiting = await read(channels, queued)
    assert waiting.HasField("due_time")
    assert [part.state for part in waiting.parts] == [DELIVERY_STATE_QUEUED]
    assert provider.taken == []
    async with dispatching(channels):
        (sent,) = await ended(channels)
    assert (sent.state, sent.provider_message_id, sent.delivery) == (DELIVERY_STATE_SENT, "SM1", queued.delivery)
    assert provider.texts() == ["Like so."]
    delivery = await read(channels, sent)
    assert not delivery.HasField("due_time")
    assert [(part.state, part.attempts, part.provider_message_id) for part in delivery.parts] == [
        (DELIVERY_STATE_SENT, 1, "SM1")
    ]


async def test_a_mail_tells_the_desk_which_thread_it_stands_in(start_channels: StartChannels) -> None:
    provider = Scripted(Channel.EMAIL)
    channels = await start_channels(outsides=[provider], **QUICK)
    await apply(channels, reply(channels, to="bob@techcorp.example"))
    async with dispatching(channels):
        (sent,) = await ended(channels)
    assert (sent.thread.provider_thread_id, sent.thread.message_id) == ("thread-SM1", "<SM1@mail.test>")


async def test_a_repeated_reply_is_sent_once(channels: Running, provider: Scripted) -> None:
    fact = reply(channels)
    async with dispatching(channels):
        await asyncio.gather(*(apply(channels, fact) for _ in range(10)))
        await ended(channels)
    assert len(provider.taken) == 1
    assert await channels.count("deliveries") == 1


async def test_the_parts_of_a_reply_go_out_in_order_and_the_reply_is_sent_with_the_last(
    channels: Running, provider: Scripted
) -> None:
    await apply(channels, reply(channels, "one\ntwo\nthree"))
    async with dispatching(channels):
        (sent,) = await ended(channels)
    assert provider.texts() == ["one", "two", "three"]
    assert sent.provider_message_id == "SM3"
    assert await states(channels) == [DELIVERY_STATE_QUEUED, DELIVERY_STATE_SENT]


async def test_replies_of_one_chat_keep_their_order_even_when_the_first_has_to_wait(
    channels: Running, provider: Scripted
) -> None:
    provider.script.append(cannot_be_reached)
    async with dispatching(channels):
        for text in ("first\nand on", "second", "third"):
            await apply(channels, reply(channels, text))
        await ended(channels, 3)
    assert provider.texts() == ["first", "and on", "second", "third"]


async def test_one_chat_that_hangs_holds_up_no_other(channels: Running, provider: Scripted) -> None:
    provider.script.append(hang)
    await apply(channels, reply(channels, "hangs", to="+14155550100"))
    async with dispatching(channels):
        await eventually(lambda: len(provider.asked) == 1)
        await apply(channels, reply(channels, "goes"))
        await eventually(lambda: provider.texts() == ["goes"], 0.4)


async def test_a_refusal_fails_the_delivery_with_its_reason(channels: Running, provider: Scripted) -> None:
    provider.script.append(refuse(Refused("INVALID_NUMBER")))
    await apply(channels, reply(channels, "one\ntwo"))
    async with dispatching(channels):
        (failed,) = await ended(channels)
        assert (failed.state, failed.failure_reason) == (DELIVERY_STATE_FAILED, "INVALID_NUMBER")
        await apply(channels, reply(channels, "next"))
        await ended(channels, 2)
    # What follows in a failed delivery stays with the person who looks at it; what follows in the chat does not.
    assert provider.texts() == ["next"]


async def test_what_a_refusal_says_of_the_recipient_is_told_and_obeyed_from_then_on(
    channels: Running, provider: Scripted
) -> None:
    provider.script.append(refuse(Refused("OPTED_OUT", reachability=Reachability.OPTED_OUT)))
    async with dispatching(channels):
        await apply(channels, reply(channels))
        (failed,) = await ended(channels)
        assert (failed.recipient.value, failed.reachability) == (BOB, REACHABILITY_OPTED_OUT)
        await apply(channels, reply(channels))
        (_, at_once) = await ended(channels, 2)
    assert (at_once.state, at_once.failure_reason, at_once.reachability) == (DELIVERY_STATE_FAILED, "OPTED_OUT", 0)
    assert len(provider.asked) == 1


async def test_who_opts_out_while_a_reply_waits_is_not_sent_it(channels: Running, provider: Scripted) -> None:
    await apply(channels, reply(channels))
    async with channels.database.connection() as connection:
        await connection.execute(
            "insert into correspondents (channel, address, reachability, reachability_time) "
            "values ('whatsapp', $1, 'opted_out', now())",
            BOB,
        )
    async with dispatching(channels):
        (failed,) = await ended(channels)
    assert failed.failure_reason == "OPTED_OUT"
    assert provider.asked == []


async def test_what_a_provider_would_take_instead_is_sent_in_place_of_the_rest(
    channels: Running, provider: Scripted
) -> None:
    template = Content("", template="HX1")
    provider.script.append(refuse(Refused("OUTSIDE_WINDOW", instead=template)))
    await apply(channels, reply(channels, "one\ntwo"))
    async with dispatching(channels):
        (sent,) = await ended(channels)
    assert sent.state == DELIVERY_STATE_SENT
    assert provider.texts() == [""]
    assert len((await read(channels, sent)).parts) == 1


async def test_what_is_refused_even_instead_fails(channels: Running, provider: Scripted) -> None:
    refused = Refused("OUTSIDE_WINDOW", instead=Content("", template="HX1"))
    provider.script.extend([refuse(refused), refuse(refused)])
    await apply(channels, reply(channels))
    async with dispatching(channels):
        (failed,) = await ended(channels)
    assert failed.failure_reason == "OUTSIDE_WINDOW"


async def test_what_no_form_suits_fails_before_it_is_queued(channels: Running, provider: Scripted) -> None:
    provider.refuses = Refused("OUTSIDE_WINDOW")
    await apply(channels, reply(channels))
    (failed,) = await channels.deliveries_changed()
    assert (failed.state, failed.failure_reason) == (DELIVERY_STATE_FAILED, "OUTSIDE_WINDOW")


async def test_a_provider_that_is_busy_is_left_alone_for_as_long_as_it_says(
    channels: Running, provider: Scripted
) -> None:
    provider.script.append(throttle(0.4))
    await apply(channels, reply(channels, "throttled"))
    async with dispatching(channels):
        await eventually(lambda: len(provider.asked) == 1)
        await apply(channels, reply(channels, "other", to="+14155550100"))
        # It is busy with all of us, not with one chat: nobody is sent to meanwhile.
        with pytest.raises(AssertionError):
            await eventually(lambda: len(provider.asked) > 1, 0.25)
        await ended(channels, 2)
    assert sorted(provider.texts()) == ["other", "throttled"]
    assert provider.looked_up == []


async def test_what_got_through_to_nobody_is_tried_again(channels: Running, provider: Scripted) -> None:
    provider.script.extend([cannot_be_reached, cannot_be_reached])
    await apply(channels, reply(channels))
    async with dispatching(channels):
        (sent,) = await ended(channels)
    assert sent.state == DELIVERY_STATE_SENT
    assert (await read(channels, sent)).parts[0].attempts == 3
    # It is certain that nobody has it: there is nothing to look up.
    assert provider.looked_up == []


@pytest.mark.parametrize(
    ("step", "reason"),
    [(cannot_be_reached, sending.PROVIDER_UNREACHABLE), (throttle(0.01), sending.PROVIDER_BUSY)],
)
async def test_a_provider_that_stays_away_is_given_up_in_the_end(
    start_channels: StartChannels, provider: Scripted, step: Any, reason: str
) -> None:
    channels = await start_channels(outsides=[provider], **QUICK, send_give_up_seconds=0.05)
    provider.script.extend([step] * 50)
    await apply(channels, reply(channels))
    await asyncio.sleep(0.1)
    async with dispatching(channels):
        (failed,) = await ended(channels)
    assert (failed.state, failed.failure_reason) == (DELIVERY_STATE_FAILED, reason)
    assert provider.taken == []


async def test_sends_keep_the_providers_pace(start_channels: StartChannels) -> None:
    provider = Scripted(messages_per_second=20)
    channels = await start_channels(outsides=[provider], **QUICK)
    for number in range(6):
        await apply(channels, reply(channels, to=f"+1415555020{number}"))
    began = asyncio.get_running_loop().time()
    async with dispatching(channels):
        await ended(channels, 6)
    assert asyncio.get_running_loop().time() - began >= 5 / 20


@pytest.mark.parametrize("called", [DeliveryState.QUEUED, DeliveryState.CLAIMED])
async def test_what_a_provider_has_is_never_sent_again_whatever_it_calls_that(
    channels: Running, provider: Scripted, called: DeliveryState
) -> None:
    async def accept_as(provider: Scripted, parcel: Any) -> Accepted:
        return Accepted(provider.take(parcel).id, state=called)

    provider.script.append(accept_as)
    await apply(channels, reply(channels))
    async with dispatching(channels):
        (sent,) = await ended(channels)
    assert sent.state == DELIVERY_STATE_SENT
    assert len(provider.taken) == 1
