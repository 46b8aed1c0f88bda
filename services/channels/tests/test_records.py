"""What staff read of what went through."""

import uuid
from collections.abc import Awaitable
from datetime import timedelta

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from services.channels.tests.conftest import Running, form

from channels.errors import DeliveryNotFound, InboundMessageNotFound
from channels.model import Channel, Reply, Sender, SenderType
from channels.operations import Deliveries, Progress
from channels.providers.web import WebForm
from fte.channels.v1 import channels_service_pb2 as pb
from fte.channels.v1 import message_pb2
from meshkit.outbox import Outbox
from meshkit.testing import refused
from meshkit.timestamps import moment


async def deliver(channels: Running, channel: Channel = Channel.WEB_FORM) -> None:
    progress = Progress(Outbox("/fte/channels"), channels.clock)
    deliveries = Deliveries(progress, channels.clock, {Channel.WEB_FORM: WebForm()}, {}, None)
    sender = Sender(SenderType.EMAIL, "ada@techcorp.example", "Ada", verified=False)
    now = channels.clock.now()
    reply = Reply(uuid.uuid4(), uuid.uuid4(), "TKT-7K3Q9V", channel, sender, "Export", "Like so.", now)
    async with channels.database.transaction() as connection:
        await deliveries.deliver_reply(connection, reply)


async def test_pages_of_messages_hold_each_once_newest_first(channels: Running) -> None:
    customer, staff = await channels.stub(), await channels.stub("staff")
    for number in range(7):
        await customer.SubmitForm(form())
        if number % 2:
            # Several in one moment: their ids put them in order.
            channels.clock.advance(1)
    names, token = [], ""
    while True:
        page = await staff.ListInboundMessages(pb.ListInboundMessagesRequest(page_size=3, page_token=token))
        assert len(page.inbound_messages) <= 3
        names += [(moment(message.receive_time), message.name) for message in page.inbound_messages]
        token = page.next_page_token
        if not token:
            break
    assert len(set(names)) == 7
    assert names == sorted(names, reverse=True)


async def test_a_message_that_comes_in_between_does_not_shift_the_pages(channels: Running) -> None:
    customer, staff = await channels.stub(), await channels.stub("staff")
    for _ in range(4):
        await customer.SubmitForm(form())
        channels.clock.advance(1)
    first = await staff.ListInboundMessages(pb.ListInboundMessagesRequest(page_size=2))
    await customer.SubmitForm(form())
    rest = await staff.ListInboundMessages(pb.ListInboundMessagesRequest(page_token=first.next_page_token))
    assert len({message.name for message in (*first.inbound_messages, *rest.inbound_messages)}) == 4


async def test_messages_are_listed_by_channel(channels: Running) -> None:
    await (await channels.stub()).SubmitForm(form())
    staff = await channels.stub("staff")
    for channel, count in ((message_pb2.CHANNEL_WEB_FORM, 1), (message_pb2.CHANNEL_EMAIL, 0)):
        page = await staff.ListInboundMessages(pb.ListInboundMessagesRequest(channel=channel))
        assert len(page.inbound_messages) == count


async def test_deliveries_are_listed_by_channel_and_state(channels: Running) -> None:
    staff = await channels.stub("staff")
    for _ in range(3):
        await deliver(channels)
        channels.clock.advance(1)
    await deliver(channels, Channel.EMAIL)
    every = await staff.ListDeliveries(pb.ListDeliveriesRequest())
    assert [delivery.channel for delivery in every.deliveries] == [message_pb2.CHANNEL_EMAIL] + [
        message_pb2.CHANNEL_WEB_FORM
    ] * 3
    failed = await staff.ListDeliveries(pb.ListDeliveriesRequest(state=message_pb2.DELIVERY_STATE_FAILED))
    assert list(failed.deliveries) == [every.deliveries[0]]
    web = await staff.ListDeliveries(
        pb.ListDeliveriesRequest(
            channel=message_pb2.CHANNEL_WEB_FORM, state=message_pb2.DELIVERY_STATE_DELIVERED, page_size=2
        )
    )
    rest = await staff.ListDeliveries(
        pb.ListDeliveriesRequest(
            channel=message_pb2.CHANNEL_WEB_FORM,
            state=message_pb2.DELIVERY_STATE_DELIVERED,
            page_token=web.next_page_token,
        )
    )
    assert [*web.deliveries, *rest.deliveries] == list(every.deliveries[1:])
    assert not rest.next_page_token
    one = await staff.GetDelivery(pb.GetDeliveryRequest(name=every.deliveries[2].name))
    assert one == every.deliveries[2]


async def test_a_page_token_serves_its_own_query_only(channels: Running) -> None:
    staff = await channels.stub("staff")
    for _ in range(2):
        await deliver(channels)
    token = (await staff.ListDeliveries(pb.ListDeliveriesRequest(page_size=1))).next_page_token
    others: list[Awaitable[Message]] = [
        staff.ListDeliveries(pb.ListDeliveriesRequest(page_token=token, channel=message_pb2.CHANNEL_EMAIL)),
        staff.ListDeliveries(pb.ListDeliveriesRequest(page_token=token, state=message_pb2.DELIVERY_STATE_FAILED)),
        staff.ListInboundMessages(pb.ListInboundMessagesRequest(page_token=token)),
        staff.ListDeliveries(pb.ListDeliveriesRequest(page_token=token[:-2])),
        staff.ListDeliveries(pb.ListDeliveriesRequest(page_token="nonsense")),
    ]
    for call in others:
        failure = await refused(call)
        assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
        assert failure.violations[0].field == "page_token"


async def test_a_page_larger_than_the_contract_allows_is_refused(channels: Running) -> None:
    staff = await channels.stub("staff")
    for size in (-1, 201):
        failure = await refused(staff.ListDeliveries(pb.ListDeliveriesRequest(page_size=size)))
        assert failure.violations[0].field == "page_size"


async def test_what_is_not_there_is_said_not_to_be(channels: Running) -> None:
    staff = await channels.stub("staff")
    message = await refused(
        staff.GetInboundMessage(pb.GetInboundMessageRequest(name=f"inboundMessages/{uuid.uuid4()}"))
    )
    delivery = await refused(staff.GetDelivery(pb.GetDeliveryRequest(name=f"deliveries/{uuid.uuid4()}")))
    assert (message.code, message.reason) == (grpc.StatusCode.NOT_FOUND, InboundMessageNotFound.reason)
    assert (delivery.code, delivery.reason) == (grpc.StatusCode.NOT_FOUND, DeliveryNotFound.reason)


@pytest.mark.parametrize(
    "name", ["inboundMessages/1", "deliveries/x", "", "inboundMessages/01890000-0000-7000-8000-000000000000/"]
)
async def test_a_name_that_is_none_is_refused_by_field(channels: Running, name: str) -> None:
    failure = await refused((await channels.stub("staff")).GetInboundMessage(pb.GetInboundMessageRequest(name=name)))
    assert [violation.field for violation in failure.violations] == ["name"]


async def test_channels_are_counted_over_a_day_unless_it_is_said_otherwise(channels: Running) -> None:
    customer, staff = await channels.stub(), await channels.stub("staff")
    await customer.SubmitForm(form())
    channels.clock.advance(3600)
    await customer.SubmitForm(form())
    await deliver(channels)
    channels.clock.advance(1)
    day = await staff.GetChannelMetrics(pb.GetChannelMetricsRequest())
    assert moment(day.end_time) - moment(day.start_time) == timedelta(days=1)
    (web,) = day.channels
    assert web == pb.ChannelMetrics(channel=message_pb2.CHANNEL_WEB_FORM, received=2, deliveries=1, sent=1, failed=0)
    minute = await staff.GetChannelMetrics(pb.GetChannelMetricsRequest(window=Duration(seconds=60)))
    assert [counts.received for counts in minute.channels] == [1]
    channels.clock.advance(3600)
    quiet = await staff.GetChannelMetrics(pb.GetChannelMetricsRequest(window=Duration(seconds=60)))
    assert list(quiet.channels) == [pb.ChannelMetrics(channel=message_pb2.CHANNEL_WEB_FORM)]


@pytest.mark.parametrize("seconds", [0, 59, 2_678_401])
async def test_a_window_outside_the_contract_is_refused(channels: Running, seconds: int) -> None:
    request = pb.GetChannelMetricsRequest(window=Duration(seconds=seconds))
    failure = await refused((await channels.stub("staff")).GetChannelMetrics(request))
    assert [violation.field for violation in failure.violations] == ["window"]
