"""What is heard later of a message moves its delivery forward, whenever it comes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from services.channels.tests.conftest import Running, StartChannels
from services.channels.tests.scripted import BOB, Scripted, dispatching, replica, reply, reset
from services.channels.tests.test_deliveries import apply
from services.channels.tests.test_dispatch import QUICK, ended, read, states

from channels.errors import DeliveryNotFound, DeliverySettled
from channels.model import Bounce, Channel, DeliveryState, Reachability, Receipt
from channels.operations import Progress, Receipts
from channels.operations.watch import Watch
from channels.providers.base import Accepted, Parcel
from fte.channels.v1 import channels_service_pb2 as pb
from fte.channels.v1.message_pb2 import (
    DELIVERY_STATE_DELIVERED,
    DELIVERY_STATE_FAILED,
    DELIVERY_STATE_QUEUED,
    DELIVERY_STATE_READ,
    DELIVERY_STATE_SENT,
    DELIVERY_STATE_UNCERTAIN,
)
from fte.identity.v1.customer_pb2 import REACHABILITY_OPTED_OUT, REACHABILITY_UNDELIVERABLE
from meshkit.ids import uuid7
from meshkit.outbox import Outbox
from meshkit.testing import eventually, refused

D, R, F = DeliveryState.DELIVERED, DeliveryState.READ, DeliveryState.FAILED

# The same on every worker of a test run.
NOBODYS = "0199d5c0-8a51-7c1e-9f52-3d1a6be1c002"


@pytest.fixture
def provider() -> Scripted:
    return Scripted()


@pytest.fixture
async def channels(start_channels: StartChannels, provider: Scripted) -> Running:
    return await start_channels(outsides=[provider], **QUICK, send_attempts_max=1)


def receipts(channels: Running) -> Receipts:
    outbox = Outbox("/fte/channels", clock=channels.clock)
    return Receipts(channels.database, channels.clock, Progress(outbox, channels.clock))


async def note(channels: Running, *news: Receipt) -> list[bool]:
    return [await receipts(channels).note(Channel.WHATSAPP, receipt) for receipt in news]


async def test_receipts_move_a_delivery_on_and_never_back(channels: Running, provider: Scripted) -> None:
    await apply(channels, reply(channels))
    async with dispatching(channels):
        await ended(channels)
    news = [Receipt("SM1", D), Receipt("SM1", DeliveryState.SENT), Receipt("SM1", R), Receipt("SM1", D)]
    assert await note(channels, *news, Receipt("SM1", F, "LATE")) == [True, False, True, False, False]
    assert await states(channels) == [
        DELIVERY_STATE_QUEUED,
        DELIVERY_STATE_SENT,
        DELIVERY_STATE_DELIVERED,
        DELIVERY_STATE_READ,
    ]


async def test_a_failure_after_the_send_is_told_with_its_reason_and_what_it_says_of_the_recipient(
    channels: Running, provider: Scripted
) -> None:
    await apply(channels, reply(channels))
    async with dispatching(channels):
        await ended(channels)
    await note(channels, Receipt("SM1", F, "OPTED_OUT", Reachability.OPTED_OUT))
    (*_, failed) = await channels.deliveries_changed()
    assert (failed.state, failed.failure_reason, failed.provider_message_id) == (
        DELIVERY_STATE_FAILED,
        "OPTED_OUT",
        "SM1",
    )
    assert (failed.recipient.value, failed.reachability) == (BOB, REACHABILITY_OPTED_OUT)


async def test_a_receipt_that_overtakes_the_record_of_its_send_is_applied_with_it(
    channels: Running, provider: Scripted
) -> None:
    async def receipt_first(provider: Scripted, parcel: Parcel) -> Accepted:
        taken = provider.take(parcel)
        assert await note(channels, Receipt(taken.id, R), Receipt(taken.id, D)) == [False, False]
        return provider.answer(taken)

    provider.script.append(receipt_first)
    await apply(channels, reply(channels))
    async with dispatching(channels):

        async def is_read() -> bool:
            return DELIVERY_STATE_READ in await states(channels)

        await eventually(is_read)
    assert await states(channels) == [DELIVERY_STATE_QUEUED, DELIVERY_STATE_READ]
    assert await channels.count("receipts") == 0


async def test_a_receipt_in_the_same_moment_as_the_record_is_not_lost(channels: Running, provider: Scripted) -> None:
    async with dispatching(channels):
        for number in range(1, 16):
            noted: list[asyncio.Task[Any]] = []

            async def meanwhile(provider: Scripted, parcel: Parcel, noted: Any = noted) -> Accepted:
                taken = provider.take(parcel)
                noted.append(asyncio.create_task(note(channels, Receipt(taken.id, D))))
                return provider.answer(taken)

            provider.script.append(meanwhile)
            await apply(channels, reply(channels))

            async def delivered(count: int = number) -> bool:
                return (await states(channels)).count(DELIVERY_STATE_DELIVERED) == count

            await eventually(delivered)
            await asyncio.gather(*noted)
    assert await channels.count("receipts") == 0


async def test_a_receipt_for_a_message_that_is_not_ours_changes_nothing_and_is_forgotten(channels: Running) -> None:
    assert await note(channels, Receipt("SM-unknown", D)) == [False]
    assert await channels.deliveries_changed() == []
    watch = Watch(channels.database, channels.clock, {}, {}, behind_seconds=10)
    await watch.forget()
    assert await channels.count("receipts") == 1
    async with channels.database.connection() as connection:
        await connection.execute("update receipts set receive_time = receive_time - interval '2 days'")
    await watch.forget()
    assert await channels.count("receipts") == 0


async def test_a_delivery_in_parts_is_delivered_with_its_last_part(channels: Running, provider: Scripted) -> None:
    await apply(channels, reply(channels, "one\ntwo"))
    async with dispatching(channels):
        await ended(channels)
    await note(channels, Receipt("SM2", R))
    assert DELIVERY_STATE_READ not in await states(channels)
    await note(channels, Receipt("SM1", D))
    assert (await states(channels))[-1] == DELIVERY_STATE_DELIVERED


async def test_words_that_arrived_or_that_nobody_sends_again_are_not_kept(
    channels: Running, provider: Scripted
) -> None:
    for _ in range(2):
        await apply(channels, reply(channels))
    async with dispatching(channels):
        await ended(channels, 2)

    async def kept() -> int:
        async with channels.database.connection() as connection:
            count: int = await connection.fetchval("select count(*) from parts where content is not null")
        return count

    await note(channels, Receipt("SM1", D))
    assert await kept() == 1
    watch = Watch(channels.database, channels.clock, {}, {}, behind_seconds=10)
    channels.clock.advance(6 * 86_400)
    await watch.forget()
    assert await kept() == 1
    channels.clock.advance(2 * 86_400)
    await watch.forget()
    assert await kept() == 0


async def bounced(channels: Running, **fields: Any) -> None:
    given = {"parcel_key": "", "message_id": "", "undeliverable": True}
    await receipts(channels).note_bounce(Bounce(**{**given, **fields}))


@pytest.mark.parametrize("named", ["parcel_key", "message_id"])
async def test_a_bounce_fails_the_mail_and_marks_whom_it_was_sent_to(start_channels: StartChannels, named: str) -> None:
    provider = Scripted(Channel.EMAIL)
    channels = await start_channels(outsides=[provider], **QUICK)
    await apply(channels, reply(channels, to="bob@techcorp.example"))
    async with dispatching(channels):
        await ended(channels)
    names = {"parcel_key": provider.taken[0].key, "message_id": "<SM1@mail.test>"}
    for _ in range(2):
        await bounced(channels, **{named: names[named]})
    (_, _, failed) = await channels.deliveries_changed()
    assert (failed.state, failed.failure_reason) == (DELIVERY_STATE_FAILED, "BOUNCED")
    assert (failed.recipient.value, failed.reachability) == ("bob@techcorp.example", REACHABILITY_UNDELIVERABLE)


async def test_a_bounce_of_one_mail_says_nothing_of_its_address(start_channels: StartChannels) -> None:
    provider = Scripted(Channel.EMAIL)
    channels = await start_channels(outsides=[provider], **QUICK)
    await apply(channels, reply(channels, to="bob@techcorp.example"))
    async with dispatching(channels):
        await ended(channels)
    await bounced(channels, parcel_key=provider.taken[0].key, undeliverable=False)
    (*_, failed) = await channels.deliveries_changed()
    assert (failed.state, failed.HasField("recipient")) == (DELIVERY_STATE_FAILED, False)
    assert await channels.count("correspondents where reachability is not null") == 0


@pytest.mark.parametrize("key", ["", "x", "x.1", f"{NOBODYS}.1", NOBODYS, "'; drop table parts; --.1"])
async def test_a_bounce_of_no_mail_of_ours_changes_nothing(channels: Running, key: str) -> None:
    await bounced(channels, parcel_key=key, message_id="<never@sent.test>")
    assert await channels.deliveries_changed() == []


async def uncertain(channels: Running, provider: Scripted, text: str = "Like so.") -> Any:
    """A delivery of whose first part nobody knows what became of it."""
    provider.script.append(reset)
    provider.find_script.extend([reset] * 2)
    await apply(channels, reply(channels, text))
    async with dispatching(channels):
        (change,) = await ended(channels)
    provider.find_script.clear()
    assert change.state == DELIVERY_STATE_UNCERTAIN
    return change


async def test_a_persons_word_that_it_arrived_ends_the_doubt(channels: Running, provider: Scripted) -> None:
    change = await uncertain(channels, provider)
    staff = await channels.stub("staff")
    confirmed = await staff.ConfirmDelivery(pb.ConfirmDeliveryRequest(name=change.delivery))
    assert (confirmed.state, confirmed.failure_reason) == (DELIVERY_STATE_SENT, "")
    assert (await states(channels))[-1] == DELIVERY_STATE_SENT
    failure = await refused(staff.ConfirmDelivery(pb.ConfirmDeliveryRequest(name=change.delivery)))
    assert (failure.reason, failure.metadata["state"]) == (DeliverySettled.reason, "SENT")
    assert provider.taken == []


async def test_what_came_after_the_doubtful_part_goes_on_with_a_persons_word(
    channels: Running, provider: Scripted
) -> None:
    change = await uncertain(channels, provider, "one\ntwo")
    staff = await channels.stub("staff")
    confirmed = await staff.ConfirmDelivery(pb.ConfirmDeliveryRequest(name=change.delivery))
    assert confirmed.HasField("due_time")
    async with replica(channels, provider) as other, dispatching(other):
        await eventually(lambda: provider.texts() == ["two"])


async def test_only_what_failed_or_is_uncertain_is_sent_again(channels: Running, provider: Scripted) -> None:
    staff = await channels.stub("staff")
    await apply(channels, reply(channels))
    async with dispatching(channels):
        (sent,) = await ended(channels)
        failure = await refused(staff.RetryDelivery(pb.RetryDeliveryRequest(name=sent.delivery)))
        assert (failure.reason, failure.metadata["state"]) == (DeliverySettled.reason, "SENT")
        await note(channels, Receipt("SM1", F, "UNDELIVERED"))
        await staff.RetryDelivery(pb.RetryDeliveryRequest(name=sent.delivery))
        await eventually(lambda: len(provider.taken) == 2)
        await ended(channels, 3)
    delivery = await read(channels, sent)
    assert (delivery.state, delivery.provider_message_id) == (DELIVERY_STATE_SENT, "SM2")
    # What was heard of the first attempt later on is about a message that is ours no longer.
    assert await note(channels, Receipt("SM1", D)) == [False]


async def test_a_decision_about_no_delivery_is_refused(channels: Running) -> None:
    staff = await channels.stub("staff")
    for call in (
        staff.RetryDelivery(pb.RetryDeliveryRequest(name=f"deliveries/{uuid7()}")),
        staff.ConfirmDelivery(pb.ConfirmDeliveryRequest(name=f"deliveries/{uuid7()}")),
    ):
        assert (await refused(call)).reason == DeliveryNotFound.reason
