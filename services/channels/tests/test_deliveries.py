"""A reply reaches its customer once, and the desk hears how that ended."""

import asyncio
from typing import Any

import pytest
from services.channels.tests.conftest import Running, StartChannels

from fte.channels.v1 import channels_service_pb2 as pb
from fte.channels.v1.message_pb2 import (
    CHANNEL_EMAIL,
    CHANNEL_UNSPECIFIED,
    CHANNEL_WEB_FORM,
    DELIVERY_STATE_DELIVERED,
    DELIVERY_STATE_FAILED,
    Sender,
)
from fte.identity.v1.customer_pb2 import IDENTIFIER_TYPE_EMAIL
from fte.tickets.v1.tickets_events_pb2 import ReplyRequested
from meshkit.envelope import Received
from meshkit.errors import InvalidArgument
from meshkit.ids import uuid7
from meshkit.timestamps import moment, timestamp


def reply_requested(channels: Running, **fields: Any) -> ReplyRequested:
    said = {
        "message": f"messages/{uuid7()}",
        "conversation": f"conversations/{uuid7()}",
        "reference": "TKT-7K3Q9V",
        "channel": CHANNEL_WEB_FORM,
        "recipient": Sender(type=IDENTIFIER_TYPE_EMAIL, value="ada@techcorp.example", display_name="Ada"),
        "subject": "Export",
        "text": "Choose Export in the board's menu.",
        "create_time": timestamp(channels.clock.now()),
    }
    return ReplyRequested(**{**said, **fields})


def received(channels: Running, fact: ReplyRequested) -> Received[ReplyRequested]:
    return Received(
        id=uuid7(),
        type=fact.DESCRIPTOR.full_name,
        source="/fte/tickets",
        time=channels.clock.now(),
        subject="",
        key="customers/1",
        message=fact,
        traceparent=None,
        request_id="r",
        sequence=1,
        redrive=0,
        topic="fte.tickets.outgoing",
        partition=0,
        offset=0,
    )


async def apply(channels: Running, fact: ReplyRequested) -> None:
    """Handles the fact as the consumer does: in one transaction."""
    (subscription,) = channels.service.subscriptions
    async with channels.database.transaction() as connection:
        await subscription.apply(connection, received(channels, fact), None)


async def test_a_reply_to_a_form_is_delivered_with_its_commit(channels: Running) -> None:
    fact = reply_requested(channels)
    channels.clock.advance(2)
    await apply(channels, fact)
    (changed,) = await channels.deliveries_changed()
    assert (changed.message, changed.conversation) == (fact.message, fact.conversation)
    assert (changed.channel, changed.state) == (CHANNEL_WEB_FORM, DELIVERY_STATE_DELIVERED)
    assert changed.failure_reason == ""
    assert moment(changed.change_time) == channels.clock.now()
    delivery = await (await channels.stub("staff")).GetDelivery(pb.GetDeliveryRequest(name=changed.delivery))
    assert (delivery.message, delivery.reference, delivery.state) == (
        fact.message,
        "TKT-7K3Q9V",
        DELIVERY_STATE_DELIVERED,
    )
    assert delivery.provider_message_id == changed.provider_message_id != ""
    assert delivery.create_time == fact.create_time
    assert moment(delivery.update_time) == channels.clock.now()


async def test_news_of_a_delivery_is_keyed_by_conversation(channels: Running) -> None:
    fact = reply_requested(channels)
    await apply(channels, fact)
    async with channels.database.connection() as connection:
        row = await connection.fetchrow("select topic, key from outbox")
    assert row is not None
    assert (row["topic"], row["key"].decode()) == ("fte.channels.deliveries", fact.conversation)


async def test_a_repeated_reply_is_delivered_once(channels: Running) -> None:
    fact = reply_requested(channels)
    await apply(channels, fact)
    await asyncio.gather(*(apply(channels, fact) for _ in range(20)))
    assert len(await channels.deliveries_changed()) == await channels.count("deliveries") == 1


async def test_the_same_reply_at_once_is_delivered_once(channels: Running) -> None:
    fact = reply_requested(channels)
    await asyncio.gather(*(apply(channels, fact) for _ in range(20)))
    assert len(await channels.deliveries_changed()) == await channels.count("deliveries") == 1


async def test_what_is_rolled_back_was_not_delivered(channels: Running) -> None:
    fact = reply_requested(channels)

    async def fail_after_delivering() -> None:
        (subscription,) = channels.service.subscriptions
        async with channels.database.transaction() as connection:
            await subscription.apply(connection, received(channels, fact), None)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_after_delivering()
    assert await channels.count("deliveries") == 0
    await apply(channels, fact)
    assert len(await channels.deliveries_changed()) == 1


async def test_a_reply_on_a_channel_that_is_switched_off_fails_where_people_see_it(
    start_channels: StartChannels,
) -> None:
    channels = await start_channels(enabled_channels=())
    for channel in (CHANNEL_WEB_FORM, CHANNEL_EMAIL):
        await apply(channels, reply_requested(channels, channel=channel))
    assert [(changed.state, changed.failure_reason) for changed in await channels.deliveries_changed()] == [
        (DELIVERY_STATE_FAILED, "CHANNEL_DISABLED")
    ] * 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("message", "messages/1"),
        ("message", ""),
        ("conversation", "messages/01890000-0000-7000-8000-000000000000"),
        ("channel", CHANNEL_UNSPECIFIED),
        ("recipient", Sender()),
    ],
)
async def test_a_fact_that_cannot_be_a_reply_is_refused_by_field(channels: Running, field: str, value: Any) -> None:
    with pytest.raises(InvalidArgument, match=field):
        await apply(channels, reply_requested(channels, **{field: value}))
    assert await channels.count("deliveries") == 0


def test_replies_are_heard_on_their_topic_and_buried_in_the_common_one(channels: Running) -> None:
    (subscription,) = channels.service.subscriptions
    assert (subscription.topic, subscription.dead_letter_topic) == ("fte.tickets.outgoing", "fte.tickets.dlq")
    assert subscription.message is ReplyRequested
    assert subscription.prepare is None
