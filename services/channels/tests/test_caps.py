"""Nobody writes without end: one sender, and one network address, has so many messages in an hour."""

import asyncio

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from services.channels.tests.conftest import Running, StartChannels, form

from channels.errors import TooManyMessages
from fte.channels.v1 import channels_service_pb2 as pb
from meshkit.status import DETAILS_KEY
from meshkit.testing import refused


def comes_from(address: str) -> tuple[tuple[str, str], ...]:
    return (("x-envoy-external-address", address),)


def retry_seconds(error: grpc.aio.AioRpcError) -> float:
    for name, value in error.trailing_metadata() or ():
        if name == DETAILS_KEY and isinstance(value, bytes):
            for detail in status_pb2.Status.FromString(value).details:
                if detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
                    delay = error_details_pb2.RetryInfo.FromString(detail.value).retry_delay
                    return float(delay.ToMilliseconds()) / 1000
    raise AssertionError("no RetryInfo")


async def accepted(channels: Running, addresses: list[str]) -> int:
    """How many forms are taken of those that come from these addresses, each by a sender of its own."""
    customer = await channels.stub()

    async def send(number: int, address: str) -> bool:
        call = customer.SubmitForm(form(email=f"c{number}@techcorp.example"), metadata=comes_from(address))
        code = await call.code()
        assert code in (grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED)
        return code is grpc.StatusCode.OK

    return sum(await asyncio.gather(*(send(number, address) for number, address in enumerate(addresses))))


async def test_a_sender_beyond_the_cap_is_told_to_wait_for_the_next_hour(start_channels: StartChannels) -> None:
    channels = await start_channels(messages_per_sender_hour=2, messages_per_address_hour=0)
    customer = await channels.stub()
    channels.clock.advance(20 * 60)
    for spelling in ("ada@techcorp.example", "Ada@TechCorp.example"):
        await customer.SubmitForm(form(email=spelling))
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await customer.SubmitForm(form())
    assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert retry_seconds(error.value) == 40 * 60
    failure = await refused(customer.SubmitForm(form()))
    assert (failure.reason, failure.metadata["countedBy"]) == (TooManyMessages.reason, "sender")
    assert failure.metadata["limitPerHour"] == "2"
    await customer.SubmitForm(form(email="bob@techcorp.example"))
    channels.clock.advance(40 * 60)
    await customer.SubmitForm(form())
    assert await channels.count("inbound") == len(await channels.received()) == 4


async def test_messages_to_a_ticket_count_like_forms(start_channels: StartChannels) -> None:
    channels = await start_channels(messages_per_sender_hour=2, messages_per_address_hour=0)
    customer = await channels.stub()
    promise = await customer.SubmitForm(form())
    request = pb.SubmitMessageRequest(reference=promise.reference, text="More")
    token = (("x-status-token", promise.status_token),)
    await customer.SubmitMessage(request, metadata=token)
    failure = await refused(customer.SubmitMessage(request, metadata=token))
    assert failure.reason == TooManyMessages.reason


async def test_a_thousand_posts_from_one_address_are_cut_off_at_the_cap(start_channels: StartChannels) -> None:
    channels = await start_channels(messages_per_sender_hour=0, messages_per_address_hour=30)
    assert await accepted(channels, ["203.0.113.7"] * 1000) == 30
    assert await channels.count("inbound") == len(await channels.received()) == 30
    assert await accepted(channels, ["203.0.113.8"]) == 1


async def test_all_addresses_of_an_ipv6_household_are_one(start_channels: StartChannels) -> None:
    channels = await start_channels(messages_per_sender_hour=0, messages_per_address_hour=10)
    assert await accepted(channels, [f"2001:db8:1:2:{number:x}::{number:x}" for number in range(50)]) == 10
    assert await accepted(channels, ["2001:db8:1:3::1"]) == 1


async def test_two_caps_at_once_do_not_wait_for_each_other_in_a_ring(start_channels: StartChannels) -> None:
    channels = await start_channels(messages_per_sender_hour=1000, messages_per_address_hour=1000)
    customer = await channels.stub()
    await asyncio.gather(
        *(
            customer.SubmitForm(
                form(email=f"c{number % 3}@techcorp.example"), metadata=comes_from(f"203.0.113.{number % 5}")
            )
            for number in range(300)
        )
    )
    assert await channels.count("inbound") == 300


async def test_a_repeat_is_answered_beyond_the_cap_and_does_not_count(start_channels: StartChannels) -> None:
    channels = await start_channels(messages_per_sender_hour=2, messages_per_address_hour=0)
    customer = await channels.stub()
    key = (("idempotency-key", "k"),)
    first = await customer.SubmitForm(form(), metadata=key)
    for _ in range(10):
        assert await customer.SubmitForm(form(), metadata=key) == first
    await customer.SubmitForm(form())
    await refused(customer.SubmitForm(form()))
    assert await customer.SubmitForm(form(), metadata=key) == first


async def test_a_refused_form_does_not_use_its_key_up(start_channels: StartChannels) -> None:
    channels = await start_channels(messages_per_sender_hour=1, messages_per_address_hour=0)
    customer = await channels.stub()
    await customer.SubmitForm(form())
    key = (("idempotency-key", "k"),)
    failure = await refused(customer.SubmitForm(form(message="Later"), metadata=key))
    assert failure.reason == TooManyMessages.reason
    channels.clock.advance(3600)
    await customer.SubmitForm(form(message="Later"), metadata=key)


async def test_a_thousand_with_one_key_are_one_row_under_caps_too(start_channels: StartChannels) -> None:
    channels = await start_channels(messages_per_sender_hour=20, messages_per_address_hour=100)
    customer = await channels.stub()
    key = (("idempotency-key", "k"),)
    answers = await asyncio.gather(*(customer.SubmitForm(form(), metadata=key) for _ in range(1000)))
    assert len({answer.reference for answer in answers}) == 1
    assert await channels.count("inbound") == 1


@pytest.mark.parametrize(
    ("headers", "shared"),
    [
        ((("x-forwarded-for", "{number}, 203.0.113.7"),), True),
        ((("x-forwarded-for", "203.0.113.7, 198.51.100.{number}"),), False),
        ((("x-envoy-external-address", "203.0.113.7"), ("x-forwarded-for", "198.51.100.{number}")), True),
        ((), True),
    ],
)
async def test_only_what_the_gateway_says_itself_is_the_clients_address(
    start_channels: StartChannels, headers: tuple[tuple[str, str], ...], shared: bool
) -> None:
    channels = await start_channels(messages_per_sender_hour=0, messages_per_address_hour=1)
    customer = await channels.stub()
    await customer.SubmitForm(form(), metadata=tuple((name, value.format(number=1)) for name, value in headers))
    second = customer.SubmitForm(form(), metadata=tuple((name, value.format(number=2)) for name, value in headers))
    if shared:
        assert (await refused(second)).reason == TooManyMessages.reason
    else:
        await second


async def test_a_caller_that_is_no_gateway_cannot_tell_whose_address_counts(start_channels: StartChannels) -> None:
    channels = await start_channels(
        messages_per_sender_hour=0, messages_per_address_hour=5, trusted_gateways=("10.0.0.0/8",)
    )
    assert await accepted(channels, [f"203.0.113.{number}" for number in range(20)]) == 5


async def test_senders_are_counted_without_keeping_their_addresses(start_channels: StartChannels) -> None:
    channels = await start_channels()
    await (await channels.stub()).SubmitForm(form(), metadata=comes_from("203.0.113.7"))
    async with channels.database.connection() as connection:
        rows = await connection.fetch("select sender_hash, messages from sender_counts")
    assert [row["messages"] for row in rows] == [1, 1]
    assert all(len(row["sender_hash"]) == 32 for row in rows)


async def test_counts_of_hours_that_are_over_are_dropped(start_channels: StartChannels) -> None:
    channels = await start_channels()
    await (await channels.stub()).SubmitForm(form())
    (forget,) = [timer for timer in channels.service.timers if timer.name == "forget"]
    await forget.run()
    assert await channels.count("sender_counts") == 2
    channels.clock.advance(2 * 3600)
    await forget.run()
    assert await channels.count("sender_counts") == 0
