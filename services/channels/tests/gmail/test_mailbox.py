"""Every mail is filed once, however pushes come and histories expire."""

from __future__ import annotations

import asyncio
import base64

import pytest
from services.channels.tests.gmail.conftest import MakeClient
from services.channels.tests.gmail.google import Google
from services.channels.tests.gmail.mails import OUR_ADDRESS
from services.channels.tests.gmail.walking import StartWalking, Walking, filed

from channels.model import Hint
from channels.providers.gmail import client as gmail_client
from channels.providers.gmail import mailbox as gmail_mailbox
from channels.providers.gmail import transport
from channels.providers.gmail.mailbox import GmailMailbox, HistoryExpired, MailboxAway
from meshkit.testing import eventually

# What is new is filed.


async def test_what_lay_in_the_mailbox_before_us_is_not_answered(walking: Walking, google: Google) -> None:
    await google.arrive("from before")
    await walking.walker.walk()
    await google.arrive("from after")
    await walking.walker.walk()
    assert await walking.filed() == ["from after"]


async def test_ten_mails_behind_one_push_are_ten_filed_in_their_order(started: Walking, google: Google) -> None:
    for number in range(10):
        await google.arrive(f"mail {number}", push=False)
    await started.walker.walk()
    assert await started.filed() == [f"mail {number}" for number in range(10)]


async def test_mails_of_several_pages_are_filed(started: Walking, google: Google) -> None:
    await google.arrive("again and again", count=230, push=False)
    await started.walker.walk()
    assert len(await started.filed()) == 230


async def test_a_second_walk_files_nothing_again(started: Walking, google: Google) -> None:
    await google.arrive()
    await started.walker.walk()
    await started.execute("update mailboxes set history_id = history_id - 10")
    await started.walker.walk()
    assert len(await started.filed()) == 1


async def test_a_mail_is_filed_with_sender_thread_and_files(started: Walking, google: Google) -> None:
    file = {"name": "board.csv", "type": "text/csv", "content": base64.b64encode(b"a,b").decode()}
    asked = await google.arrive(attachments=[file])
    await started.walker.walk()
    (received,) = await started.channels.received()
    assert received.sender.value == "ada@customer.example"
    assert received.sender.verified
    assert received.provider_message_id == asked["id"]
    assert received.thread.provider_thread_id == asked["threadId"]
    assert received.thread.message_id == asked["messageId"]
    assert [(each.file_name, each.size_bytes) for each in received.attachments] == [("board.csv", 3)]


async def test_what_a_machine_wrote_is_taken_in_and_not_told(started: Walking, google: Google) -> None:
    await google.arrive("I am away", headers={"Auto-Submitted": "auto-replied"})
    await google.arrive("stop it", subject="unsubscribe")
    await started.walker.walk()
    assert await started.filed() == []
    assert sorted(await started.suppressed()) == ["automatic", "opt_out"]


async def test_only_mails_with_the_label_are_read(started: Walking, google: Google) -> None:
    await google.arrive("spam", labels=["SPAM"])
    await google.arrive("archived", labels=["UNREAD"])
    await google.arrive("question")
    await started.walker.walk()
    assert await started.filed() == ["question"]


async def test_a_label_may_be_given_by_its_name(
    start_walking: StartWalking, google: Google, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whoever administers the mailbox may do more than we.
    with monkeypatch.context() as administration:
        administration.setattr(gmail_client, "SCOPES", ("https://www.googleapis.com/auth/gmail.modify",))
        administrator = await make_client()
        made = await administrator.call(
            lambda users: users.labels().create(userId="me", body={"name": "Support/Board"}), units=5
        )
    walking: Walking = await start_walking(gmail_label="Support/Board")
    await walking.walker.walk()
    await google.arrive("inbox only")
    await google.arrive("labelled", labels=["INBOX", made["id"]])
    await walking.walker.walk()
    assert await walking.filed() == ["labelled"]


async def test_a_label_that_does_not_exist_is_no_mail_read(start_walking: StartWalking, google: Google) -> None:
    walking: Walking = await start_walking(gmail_label="No such label")
    with pytest.raises(MailboxAway):
        await walking.walker.walk()


async def test_a_mail_that_was_deleted_meanwhile_is_passed_over(started: Walking, google: Google) -> None:
    await google.arrive("gone")
    await google.arrive("there")
    await google.fault("messages.get", "status", status=404)
    await started.walker.walk()
    assert await started.filed() == ["there"]


@pytest.mark.parametrize("limit", ["RAW_BYTES_MAX", "RESPONSE_BYTES_MAX"])
async def test_a_mail_too_large_to_be_read_is_filed_by_its_headers(
    started: Walking, google: Google, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(gmail_mailbox if limit == "RAW_BYTES_MAX" else transport, limit, 100_000)
    file = {"name": "film.mp4", "type": "video/mp4", "content": base64.b64encode(bytes(300_000)).decode()}
    await google.arrive("See the film.", subject="Large", attachments=[file])
    await started.walker.walk()
    (received,) = await started.channels.received()
    assert (received.subject, received.sender.value) == ("Large", "ada@customer.example")
    assert received.sender.verified
    assert "See the film." in received.text
    assert received.attachments[0].size_bytes > 300_000


# Hints.


async def test_a_hint_that_is_older_than_what_is_filed_wakes_nobody(started: Walking, google: Google) -> None:
    await google.arrive()
    await started.walker.walk()
    before = await started.state()
    await started.walker.notice(Hint(OUR_ADDRESS, before["history_id"]))
    await started.walker.notice(Hint(OUR_ADDRESS, 1))
    assert not started.walker._woken.is_set()
    assert await started.state() == before


async def test_a_hint_at_another_mailbox_changes_nothing(started: Walking) -> None:
    await started.walker.notice(Hint("other@techcorp.example", 2**62))
    assert (await started.state())["hinted_history_id"] == 0


async def test_a_hint_at_what_never_comes_does_not_keep_the_walker_busy(started: Walking) -> None:
    """Whoever repeats a push's token may write any number beside it."""
    await started.walker.notice(Hint(OUR_ADDRESS, 2**63 - 1))
    await started.walker.walk(idle_seconds=3600)
    assert not await started.walker.walk(idle_seconds=3600)


async def test_a_push_has_the_mail_filed_long_before_the_poll(started: Walking, google: Google) -> None:
    async with started.running() as walker:
        arrived = await google.arrive()
        await walker.notice(Hint(OUR_ADDRESS, int(arrived["historyId"])))
        await eventually(lambda: filed(started, 1), 5)


async def test_the_same_push_a_thousand_times_is_one_mail(started: Walking, google: Google) -> None:
    async with started.running() as walker:
        hint = Hint(OUR_ADDRESS, int((await google.arrive())["historyId"]))
        for _ in range(100):
            await asyncio.gather(*(walker.notice(hint) for _ in range(10)))
        await eventually(lambda: filed(started, 1), 5)
    assert await started.channels.count("inbound") == 1


async def test_a_hint_outlives_whoever_took_it(started: Walking, google: Google, mailbox: GmailMailbox) -> None:
    arrived = await google.arrive()
    await started.walker.notice(Hint(OUR_ADDRESS, int(arrived["historyId"])))
    # Too soon for the poll, but something was noted.
    assert await started.another(mailbox).walk(idle_seconds=3600)
    assert len(await started.filed()) == 1


async def test_a_poll_finds_what_no_push_told(start_walking: StartWalking, google: Google) -> None:
    walking: Walking = await start_walking(gmail_poll_seconds=0.1)
    await walking.walker.walk()
    async with walking.running():
        await google.arrive(push=False)
        await eventually(lambda: filed(walking, 1), 5)


async def test_a_mailbox_that_was_read_just_now_is_not_read_again(started: Walking, mailbox: GmailMailbox) -> None:
    assert not await started.another(mailbox).walk(idle_seconds=3600)
    assert await started.another(mailbox).walk(idle_seconds=0)


# The history is lost.


async def test_after_a_lost_history_everything_is_filed_and_nothing_again(started: Walking, google: Google) -> None:
    for number in range(3):
        await google.arrive(f"known {number}", push=False)
    await started.walker.walk()
    for number in range(130):
        await google.arrive(f"new {number}", push=False)
    await google.control("history:expire", {})
    await started.walker.walk()
    assert await started.filed() == [
        *(f"known {number}" for number in range(3)),
        *(f"new {number}" for number in range(130)),
    ]
    await google.arrive("later")
    await started.walker.walk()
    assert (await started.filed())[-1] == "later"


async def test_after_a_lost_history_old_mails_are_still_nobodys_question(walking: Walking, google: Google) -> None:
    await google.arrive("from before")
    await walking.walker.walk()
    await google.control("history:expire", {})
    await walking.execute("update mailboxes set history_id = 1")
    await walking.walker.walk()
    assert await walking.filed() == []


async def test_a_stale_point_of_history_is_told_apart(google: Google, mailbox: GmailMailbox) -> None:
    await google.arrive()
    await google.control("history:expire", {})
    with pytest.raises(HistoryExpired):
        await mailbox.added_since(1)
