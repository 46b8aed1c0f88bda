"""Whoever sends a form hears of it by mail, and of its answer: fixed text, and not so often that it pesters anyone."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from services.channels.tests.conftest import Running, StartChannels, form
from services.channels.tests.scripted import Scripted, dispatching, sender
from services.channels.tests.test_deliveries import apply, reply_requested
from services.channels.tests.test_dispatch import QUICK
from services.channels.tests.test_intake import intake, mailed

from channels import store
from channels.model import Channel, Content, DeliveryKind, Reachability, Suppression
from channels.providers.base import Letter
from fte.channels.v1 import channels_service_pb2 as pb
from fte.channels.v1.message_pb2 import (
    CHANNEL_EMAIL,
    DELIVERY_KIND_ANSWER_NOTICE,
    DELIVERY_KIND_FORM_RECEIPT,
    DELIVERY_STATE_FAILED,
    DELIVERY_STATE_SENT,
    Delivery,
)
from meshkit.testing import eventually

NO_CAPS = {"messages_per_sender_hour": 0, "messages_per_address_hour": 0}


@pytest.fixture
def provider() -> Scripted:
    return Scripted(Channel.EMAIL)


@pytest.fixture
async def channels(start_channels: StartChannels, provider: Scripted) -> Running:
    return await start_channels(outsides=[provider], **QUICK, **NO_CAPS)


async def mails(channels: Running) -> list[Delivery]:
    """The deliveries by e-mail, oldest first."""
    page = await (await channels.stub("staff")).ListDeliveries(pb.ListDeliveriesRequest(channel=CHANNEL_EMAIL))
    return list(page.deliveries)[::-1]


async def settled(channels: Running, count: int) -> list[Delivery]:
    """So many deliveries by e-mail, once each is sent or has failed."""

    async def all_settled() -> list[Delivery]:
        found = [each for each in await mails(channels) if each.state in (DELIVERY_STATE_SENT, DELIVERY_STATE_FAILED)]
        return found if len(found) >= count else []

    return await eventually(all_settled, 10)


async def test_a_form_is_confirmed_with_its_reference_and_page_and_no_word_of_it(
    channels: Running, provider: Scripted
) -> None:
    promise = await (await channels.stub()).SubmitForm(form(message="a telltale question", subject="telltale"))
    async with dispatching(channels):
        (mail,) = await settled(channels, 1)
    assert (mail.kind, mail.reference, mail.message) == (DELIVERY_KIND_FORM_RECEIPT, promise.reference, "")
    (letter,) = provider.letters
    assert (letter.kind, letter.reference, letter.status_url) == (
        DeliveryKind.FORM_RECEIPT,
        promise.reference,
        promise.status_url,
    )
    assert letter.recipient.value == "ada@techcorp.example"
    assert (letter.subject, letter.text) == ("", "")
    # The desk asked for nothing, and hears of nothing.
    assert await channels.deliveries_changed() == []


async def test_an_answer_on_the_web_is_announced_to_whoever_sent_the_form(
    channels: Running, provider: Scripted
) -> None:
    promise = await (await channels.stub()).SubmitForm(form())
    fact = reply_requested(channels, reference=promise.reference, text="a telltale answer")
    async with dispatching(channels):
        await apply(channels, fact)
        await apply(channels, fact)
        receipt, notice = await settled(channels, 2)
    assert [receipt.kind, notice.kind] == [DELIVERY_KIND_FORM_RECEIPT, DELIVERY_KIND_ANSWER_NOTICE]
    assert len(provider.taken) == 2
    assert "telltale" not in "".join(provider.texts())


async def test_answers_that_come_together_are_announced_once(channels: Running, provider: Scripted) -> None:
    promise = await (await channels.stub()).SubmitForm(form())
    for _ in range(3):
        await apply(channels, reply_requested(channels, reference=promise.reference))
    async with dispatching(channels):
        await settled(channels, 2)
    assert len(provider.taken) == 2


async def test_an_answer_to_a_reference_that_no_form_has_is_not_announced(channels: Running) -> None:
    await apply(channels, reply_requested(channels, reference="TKT-ZZZZZZ"))
    assert await mails(channels) == []


async def test_a_form_is_no_tool_to_pester_anyone(channels: Running, provider: Scripted) -> None:
    customer = await channels.stub()
    for spelling in ("ada@techcorp.example", "ADA@techcorp.example", "ada@TechCorp.example") * 2:
        await customer.SubmitForm(form(email=spelling))
    await customer.SubmitForm(form(email="bob@techcorp.example"))
    async with dispatching(channels):
        found = await settled(channels, 7)
        assert len(provider.taken) == 4
        assert sorted(mail.failure_reason for mail in found) == [""] * 4 + ["RATE_CAP"] * 3
        channels.clock.advance(3600)
        await customer.SubmitForm(form())
        await settled(channels, 8)
    assert len(provider.taken) == 5


@pytest.mark.parametrize("wish", [Reachability.OPTED_OUT, Reachability.UNDELIVERABLE])
async def test_who_wants_no_mail_or_cannot_get_any_is_sent_none(
    channels: Running, provider: Scripted, wish: Reachability
) -> None:
    if wish is Reachability.OPTED_OUT:
        await intake(channels).file(mailed(suppression=Suppression.OPT_OUT))
        # That they asked something since is no wish for a form's mails.
        await intake(channels).file(mailed(2))
    else:
        async with channels.database.connection() as connection:
            await store.mark_correspondent(connection, Channel.EMAIL, "ada@techcorp.example", wish)
    await (await channels.stub()).SubmitForm(form())
    async with dispatching(channels):
        (mail,) = await settled(channels, 1)
    assert (mail.kind, mail.failure_reason) == (DELIVERY_KIND_FORM_RECEIPT, wish.upper())
    assert provider.taken == []


@pytest.mark.parametrize("switch", [{"form_mails": False}, {"form_mails_per_address_hour": 0}])
async def test_the_mails_can_be_switched_off(start_channels: StartChannels, switch: dict[str, Any]) -> None:
    channels = await start_channels(outsides=[Scripted(Channel.EMAIL)], **QUICK, **NO_CAPS, **switch)
    promise = await (await channels.stub()).SubmitForm(form())
    await apply(channels, reply_requested(channels, reference=promise.reference))
    assert await mails(channels) == []


async def test_without_the_channel_email_nothing_is_mailed(start_channels: StartChannels) -> None:
    channels = await start_channels(**NO_CAPS)
    await (await channels.stub()).SubmitForm(form())
    assert await channels.count("deliveries") == 0


async def test_a_repeated_form_and_one_that_a_program_filled_in_are_not_confirmed_again(channels: Running) -> None:
    customer = await channels.stub()
    key = (("idempotency-key", "k"),)
    await asyncio.gather(*(customer.SubmitForm(form(), metadata=key) for _ in range(20)))
    await customer.SubmitForm(form(website="https://example.com"))
    assert len(await mails(channels)) == 1


async def test_a_message_on_the_status_page_is_not_confirmed(channels: Running) -> None:
    customer = await channels.stub()
    promise = await customer.SubmitForm(form())
    token = (("x-status-token", promise.status_token),)
    await customer.SubmitMessage(pb.SubmitMessageRequest(reference=promise.reference, text="More"), metadata=token)
    assert len(await mails(channels)) == 1


async def test_a_mail_that_answers_a_forms_mail_goes_on_with_that_ticket(channels: Running, provider: Scripted) -> None:
    promise = await (await channels.stub()).SubmitForm(form())
    async with dispatching(channels):
        await settled(channels, 1)
    thread = f"thread-{provider.taken[0].id}"
    await intake(channels).file(mailed(1, thread=thread))
    # Whoever else writes into that thread, or only claims to be that address, opens a conversation of their own.
    await intake(channels).file(mailed(2, thread=thread, address="eve@example.com"))
    claimed = sender("ada@techcorp.example", verified=False)
    await intake(channels).file(replace(mailed(3, thread=thread), sender=claimed))
    facts = {fact.provider_message_id: fact for fact in await channels.received()}
    assert (facts["SM1"].reference, facts["SM1"].opens_conversation) == (promise.reference, False)
    assert facts["SM2"].reference == facts["SM3"].reference == ""


async def test_a_mail_that_cannot_be_composed_fails_instead_of_coming_back_for_ever(
    channels: Running, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(letter: Letter) -> list[Content]:
        raise ZeroDivisionError

    monkeypatch.setattr(provider, "compose", stumble)
    await (await channels.stub()).SubmitForm(form())
    async with dispatching(channels):
        (mail,) = await settled(channels, 1)
    assert mail.failure_reason == "NOT_COMPOSED"


async def test_an_answer_does_not_wait_behind_a_flood_of_forms(start_channels: StartChannels) -> None:
    provider = Scripted(Channel.EMAIL, messages_per_second=40)
    channels = await start_channels(outsides=[provider], **QUICK, **NO_CAPS)
    customer = await channels.stub()
    for number in range(30):
        await customer.SubmitForm(form(email=f"customer{number}@techcorp.example"))
    answer = reply_requested(channels, channel=CHANNEL_EMAIL, text="the answer", reference="TKT-7K3Q9V")
    await apply(channels, answer)
    async with dispatching(channels):
        await settled(channels, 31)
    assert [taken.text for taken in provider.taken].index("the answer") <= 3
