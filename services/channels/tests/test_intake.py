"""What a provider passes on is filed once, told to the desk unless nobody is to answer it, and obeyed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from services.channels.tests.conftest import Running, StartChannels
from services.channels.tests.scripted import BOB, Scripted, dispatching, refuse, reply, sender
from services.channels.tests.test_deliveries import apply
from services.channels.tests.test_dispatch import QUICK, ended
from services.channels.tests.test_model import DECEPTIVE

from channels.model import Attachment, Channel, Heard, Reachability, Suppression, Thread
from channels.operations import Intake, Progress
from channels.providers.base import Refused
from fte.channels.v1 import channels_service_pb2 as pb
from fte.channels.v1 import message_pb2
from fte.identity.v1.customer_pb2 import (
    REACHABILITY_OPTED_OUT,
    REACHABILITY_REACHABLE,
    REACHABILITY_UNDELIVERABLE,
)
from meshkit.outbox import Outbox

ADA = "Ada@TechCorp.example"


def intake(channels: Running, mails_per_hour: int = 0) -> Intake:
    outbox = Outbox("/fte/channels", clock=channels.clock)
    return Intake(
        channels.database,
        outbox,
        channels.clock,
        Progress(outbox, channels.clock),
        secret=channels.service.settings.page_token_key,
        mails_per_hour=mails_per_hour,
    )


def said(number: int = 1, text: str = "How do I export?", **fields: Any) -> Heard:
    """A message on WhatsApp."""
    given = {"channel": Channel.WHATSAPP, "provider_message_id": f"SM{number}", "sender": sender(), "subject": ""}
    return Heard(text=text, **{**given, **fields})


def mailed(number: int = 1, *, thread: str = "", address: str = ADA, **fields: Any) -> Heard:
    """A mail."""
    return said(
        number,
        channel=Channel.EMAIL,
        sender=sender(address),
        **{"subject": "Export", "thread": Thread(thread or f"t{number}", f"<{number}@mail.test>"), **fields},
    )


async def test_a_message_is_filed_with_all_the_desk_needs(channels: Running) -> None:
    attachment = Attachment("bill.pdf", "application/pdf", 7, "ab" * 32)
    heard = mailed(attachments=(attachment,), thread="t")
    assert await intake(channels).file(heard)
    (fact,) = await channels.received()
    assert (fact.channel, fact.provider_message_id) == (message_pb2.CHANNEL_EMAIL, "SM1")
    assert (fact.sender.value, fact.sender.display_name, fact.sender.verified) == (ADA, "Bob", True)
    assert (fact.subject, fact.text, fact.reference, fact.opens_conversation) == (
        "Export",
        "How do I export?",
        "",
        False,
    )
    assert (fact.thread.provider_thread_id, fact.thread.message_id) == ("t", "<1@mail.test>")
    assert [(each.file_name, each.size_bytes) for each in fact.attachments] == [("bill.pdf", 7)]
    async with channels.database.connection() as connection:
        assert await connection.fetchval("select key from outbox") == b"ada@techcorp.example"


async def test_the_same_message_is_filed_once_and_the_repeat_is_known(channels: Running) -> None:
    filing = intake(channels, mails_per_hour=1)
    answers = await asyncio.gather(*(filing.file(mailed()) for _ in range(100)))
    assert answers.count(True) == 1
    assert await channels.count("inbound") == len(await channels.received()) == 1


async def test_the_same_id_on_another_channel_is_another_message(channels: Running) -> None:
    assert await intake(channels).file(said())
    assert await intake(channels).file(mailed())
    assert len(await channels.received()) == 2


@pytest.mark.parametrize(
    "suppression", [Suppression.AUTOMATIC, Suppression.OWN_MAIL, Suppression.BOUNCE, Suppression.RATE_CAP]
)
async def test_what_nobody_is_to_answer_has_a_row_and_no_event(channels: Running, suppression: Suppression) -> None:
    assert await intake(channels).file(mailed(suppression=suppression))
    assert not await intake(channels).file(mailed(suppression=suppression))
    assert await channels.received() == []
    page = await (await channels.stub("staff")).ListInboundMessages(pb.ListInboundMessagesRequest())
    (message,) = page.inbound_messages
    assert message_pb2.Suppression.Name(message.suppression) == f"SUPPRESSION_{suppression.name}"


async def test_text_that_is_too_long_or_deceptive_is_brought_into_shape(channels: Running) -> None:
    heard = mailed(
        text=f"a\x00b\x07{DECEPTIVE}\r\n" + "x" * 20_000,
        subject="Export\r\nBcc: eve@example.com" + "y" * 500,
        attachments=(Attachment("a", "b"),) * 60,
    )
    references = tuple(str(number) for number in range(80))
    assert await intake(channels).file(replace(heard, thread=Thread("t", references=references)))
    (fact,) = await channels.received()
    assert fact.text.startswith("ab\nxxx")
    assert len(fact.text) == 10_000
    assert fact.subject.startswith("Export Bcc")
    assert (len(fact.subject), len(fact.attachments), len(fact.thread.references)) == (200, 50, 50)
    assert fact.thread.references[-1] == "79"


async def test_an_address_that_no_standard_allows_is_filed_all_the_same(channels: Running) -> None:
    assert await intake(channels).file(mailed(address="no address at all"))


async def test_mails_beyond_the_cap_of_a_sender_are_filed_and_not_told(channels: Running) -> None:
    filing = intake(channels, mails_per_hour=2)
    for number in range(4):
        assert await filing.file(mailed(number, address=ADA.upper() if number % 2 else ADA))
    assert await filing.file(mailed(9, address="eve@example.com"))
    assert len(await channels.received()) == 3
    async with channels.database.connection() as connection:
        rows = await connection.fetch("select suppression from inbound order by provider_message_id")
    assert [row["suppression"] for row in rows] == [None, None, "rate_cap", "rate_cap", None]
    channels.clock.advance(3600)
    assert await filing.file(mailed(10))
    assert len(await channels.received()) == 4


async def test_mails_beyond_the_cap_of_a_thread_are_not_told_whoever_sends_them(channels: Running) -> None:
    filing = intake(channels, mails_per_hour=2)
    for number in range(4):
        await filing.file(mailed(number, thread="loop", address=f"robot{number}@example.com"))
    assert len(await channels.received()) == 2


async def test_a_repeat_counts_towards_no_cap(channels: Running) -> None:
    filing = intake(channels, mails_per_hour=2)
    for _ in range(5):
        await filing.file(mailed(1))
    await filing.file(mailed(2))
    assert len(await channels.received()) == 2


async def test_whatsapp_has_no_cap_of_mails(channels: Running) -> None:
    filing = intake(channels, mails_per_hour=1)
    for number in range(3):
        await filing.file(said(number))
    assert len(await channels.received()) == 3


async def test_who_wants_no_more_messages_gets_none_until_they_want_them_again(start_channels: StartChannels) -> None:
    provider = Scripted()
    channels = await start_channels(outsides=[provider], **QUICK)
    filing = intake(channels)
    assert await filing.file(said(1, "STOP", suppression=Suppression.OPT_OUT))
    assert not await filing.file(said(1, "STOP", suppression=Suppression.OPT_OUT))
    assert await channels.received() == []
    (told,) = await channels.deliveries_changed()
    assert (told.recipient.value, told.reachability, told.delivery) == (BOB, REACHABILITY_OPTED_OUT, "")
    assert told.channel == message_pb2.CHANNEL_WHATSAPP
    await apply(channels, reply(channels))
    # A question in between is filed; Twilio would refuse an answer all the same.
    assert await filing.file(said(2))
    await apply(channels, reply(channels))
    assert [change.failure_reason for change in await ended(channels, 2)] == ["OPTED_OUT"] * 2
    assert await filing.file(said(3, "START", suppression=Suppression.OPT_IN))
    assert (await channels.deliveries_changed())[-1].reachability == REACHABILITY_REACHABLE
    await apply(channels, reply(channels))
    async with dispatching(channels):
        await ended(channels, 3)
    assert provider.texts() == ["Like so."]


async def test_news_of_a_recipient_is_keyed_by_the_address(channels: Running) -> None:
    await intake(channels).file(mailed(suppression=Suppression.OPT_OUT))
    async with channels.database.connection() as connection:
        rows = await connection.fetch("select topic, key from outbox")
    assert [(row["topic"], row["key"]) for row in rows] == [("fte.channels.deliveries", b"ada@techcorp.example")]


async def test_who_opted_out_of_our_mails_and_asks_something_is_answered(start_channels: StartChannels) -> None:
    provider = Scripted(Channel.EMAIL)
    channels = await start_channels(outsides=[provider], **QUICK)
    filing = intake(channels)
    await filing.file(mailed(1, suppression=Suppression.OPT_OUT))
    await apply(channels, reply(channels, to=ADA))
    assert [change.failure_reason for change in await ended(channels)] == ["OPTED_OUT"]
    await filing.file(mailed(2))
    await apply(channels, reply(channels, to=ADA))
    async with dispatching(channels):
        await ended(channels, 2)
    assert len(provider.taken) == 1


async def test_a_message_shows_that_its_sender_can_be_written_to_after_all(start_channels: StartChannels) -> None:
    provider = Scripted(Channel.EMAIL)
    channels = await start_channels(outsides=[provider], **QUICK)
    provider.script.append(refuse(Refused("BOUNCED", reachability=Reachability.UNDELIVERABLE)))
    async with dispatching(channels):
        await apply(channels, reply(channels, to=ADA))
        (failed,) = await ended(channels)
        assert failed.reachability == REACHABILITY_UNDELIVERABLE
        await apply(channels, reply(channels, to=ADA))
        assert (await ended(channels, 2))[1].failure_reason == "UNDELIVERABLE"
        # A machine's mail shows nothing.
        await intake(channels).file(mailed(1, suppression=Suppression.AUTOMATIC))
        assert (await channels.deliveries_changed())[-1].reachability != REACHABILITY_REACHABLE
        assert await intake(channels).file(mailed(2))
        assert not await intake(channels).file(mailed(2))
        assert (await channels.deliveries_changed())[-1].reachability == REACHABILITY_REACHABLE
        await apply(channels, reply(channels, to=ADA))
        await ended(channels, 3)
    assert len(provider.taken) == 1
    assert len(await channels.received()) == 1


async def test_a_mail_from_someone_who_opted_out_does_not_take_that_back(channels: Running) -> None:
    filing = intake(channels)
    await filing.file(said(1, suppression=Suppression.OPT_OUT))
    await filing.file(said(2))
    assert [change.reachability for change in await channels.deliveries_changed()] == [REACHABILITY_OPTED_OUT]


async def test_a_letter_knows_when_its_recipient_wrote_last_by_the_providers_clock(
    start_channels: StartChannels,
) -> None:
    provider = Scripted()
    channels = await start_channels(outsides=[provider], **QUICK)
    await apply(channels, reply(channels))
    sent_time = channels.clock.now() - timedelta(hours=30)
    await intake(channels).file(said(1, sent_time=sent_time))
    # An older one that comes late does not turn time back.
    await intake(channels).file(said(2, sent_time=sent_time - timedelta(days=1)))
    await apply(channels, reply(channels))
    async with dispatching(channels):
        await ended(channels, 2)
        await apply(channels, reply(channels))
    assert [letter.last_heard for letter in provider.letters] == [None, sent_time, sent_time]
    assert [letter.last_written is None for letter in provider.letters] == [True, True, False]
