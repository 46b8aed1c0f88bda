"""Every mail is filed once, however pushes come, histories expire and walkers die."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from services.channels.tests.conftest import Running, StartChannels
from services.channels.tests.gmail.conftest import TOPIC, Google, MakeClient
from services.channels.tests.gmail.mails import OUR_ADDRESS, mail

from channels.model import Bounce, Heard, Hint
from channels.operations import Mailbox
from channels.providers.gmail import client as gmail_client
from channels.providers.gmail import mailbox as gmail_mailbox
from channels.providers.gmail import transport
from channels.providers.gmail.mailbox import GmailMailbox, HistoryExpired, MailboxAway
from channels.store import mailbox as mailbox_store
from meshkit.errors import Unavailable
from meshkit.testing import HeldClock, eventually, prepare_all


async def nothing(_: Bounce) -> None:
    """No bounce is expected."""


@dataclass
class Walking:
    """Channels with the simulated Gmail, and its walker."""

    channels: Running
    google: Google
    walker: Mailbox

    async def filed(self) -> list[str]:
        """The texts that went to the desk, in their order."""
        return [received.text for received in await self.channels.received()]

    async def suppressed(self) -> list[str]:
        async with self.channels.database.connection() as connection:
            rows = await connection.fetch("select suppression from inbound where suppression is not null")
        return [row["suppression"] for row in rows]

    async def state(self) -> Any:
        async with self.channels.database.connection() as connection:
            return await connection.fetchrow("select * from mailboxes")

    async def execute(self, statement: str) -> None:
        async with self.channels.database.connection() as connection:
            await connection.execute(statement)

    def another(self, mails: GmailMailbox, **options: Any) -> Mailbox:
        """A walker of another replica, or one with parts of the test's own."""
        intake = self.walker._file
        filled: dict[str, Any] = {"file": intake, "note_bounce": nothing, "poll_seconds": 3600.0, **options}
        return Mailbox(self.channels.database, HeldClock(), mails, **filled)

    @asynccontextmanager
    async def running(self, walker: Mailbox | None = None) -> AsyncIterator[Mailbox]:
        walker = walker or self.walker
        task = asyncio.create_task(walker.run())
        try:
            yield walker
        finally:
            walker.stop()
            await asyncio.wait_for(task, 10)


StartWalking = Callable[..., Any]


@pytest.fixture
def start_walking(start_channels: StartChannels, google: Google) -> StartWalking:
    async def start(**options: Any) -> Walking:
        settings: dict[str, Any] = {
            "enabled_channels": "email",
            "gmail_credentials": google.key_file(),
            "gmail_address": OUR_ADDRESS,
            "gmail_topic": TOPIC,
            "gmail_api_url": google.url,
            "gmail_units_per_second": 100_000.0,
            "gmail_poll_seconds": 3600.0,
            "mails_answered_per_sender_hour": 0,
            "pubsub_audience": "https://fte.example",
            "pubsub_service_account": "pusher@fte.iam.gserviceaccount.com",
            "pubsub_keys_url": f"{google.url}/oauth2/v3/certs",
        }
        channels = await start_channels(**{**settings, **options})
        walker = next(worker for worker in channels.service.workers if isinstance(worker, Mailbox))
        return Walking(channels, google, walker)

    return start


@pytest.fixture
async def walking(start_walking: StartWalking) -> Walking:
    made: Walking = await start_walking()
    return made


@pytest.fixture
async def started(walking: Walking) -> Walking:
    """A mailbox that was found before."""
    await walking.walker.walk()
    return walking


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


async def filed(walking: Walking, count: int) -> bool:
    return len(await walking.filed()) == count


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


# The watch.


async def watched(google: Google) -> bool:
    return (await google.control("state", method="GET"))["watch"] is not None


async def test_the_watch_is_asked_for_at_the_start_and_once_a_day(started: Walking, google: Google) -> None:
    assert await watched(google)
    await google.control("watch:expire", {})
    await started.walker.walk()
    assert not await watched(google)
    await started.execute("update mailboxes set watch_time = watch_time - interval '24 hours'")
    await started.walker.walk()
    assert await watched(google)


async def test_without_a_watch_the_mailbox_is_read_all_the_same(walking: Walking, google: Google) -> None:
    await google.fault("watch", "status", status=403, times=0)
    await walking.walker.walk()
    await google.arrive()
    await walking.walker.walk()
    assert len(await walking.filed()) == 1
    await google.no_faults()
    await walking.walker.walk()
    assert await watched(google)


async def test_without_a_topic_no_watch_is_asked_for(start_walking: StartWalking, google: Google) -> None:
    walking: Walking = await start_walking(gmail_topic="")
    await walking.walker.walk()
    assert not await watched(google)


# Walkers among others, and what breaks under them.


async def test_walkers_at_the_same_time_file_each_mail_once(
    started: Walking, google: Google, mailbox: GmailMailbox
) -> None:
    await google.arrive("again and again", count=40, push=False)
    others = [started.another(mailbox) for _ in range(4)]
    walked = await asyncio.gather(*(walker.walk() for walker in (started.walker, *others)))
    assert walked.count(True) == 1
    assert len(await started.filed()) == 40


async def test_who_was_overtaken_stops_and_moves_nothing(
    started: Walking, google: Google, mailbox: GmailMailbox
) -> None:
    await google.arrive("one", push=False)
    await google.arrive("two", push=False)
    seen: list[str] = []

    async def overtaken(heard: Heard) -> bool:
        seen.append(heard.text)
        await started.execute("update mailboxes set walker = gen_random_uuid(), walk_until = now() + interval '1 hour'")
        return True

    before = (await started.state())["history_id"]
    await started.another(mailbox, file=overtaken).walk()
    assert seen == ["one"]
    assert (await started.state())["history_id"] == before
    assert (await started.state())["walker"] is not None


async def test_a_walker_that_died_is_followed_once_its_time_is_over(started: Walking, google: Google) -> None:
    await google.arrive()
    await started.execute("update mailboxes set walker = gen_random_uuid(), walk_until = now() + interval '1 hour'")
    assert not await started.walker.walk()
    await started.execute("update mailboxes set walk_until = now() - interval '1 second'")
    assert await started.walker.walk()
    assert len(await started.filed()) == 1


async def test_what_was_not_filed_is_filed_by_the_next_walk(
    started: Walking, google: Google, mailbox: GmailMailbox
) -> None:
    for number in range(5):
        await google.arrive(f"mail {number}", push=False)
    left = [2]

    async def failing(heard: Heard) -> bool:
        if left[0] == 0:
            raise Unavailable("the database is away")
        left[0] -= 1
        return await started.walker._file(heard)

    with pytest.raises(Unavailable):
        await started.another(mailbox, file=failing).walk()
    await started.walker.walk()
    assert await started.filed() == [f"mail {number}" for number in range(5)]


async def test_one_mail_that_nobody_foresaw_does_not_keep_the_others(
    started: Walking, google: Google, mailbox: GmailMailbox
) -> None:
    await google.arrive("poison", push=False)
    await google.arrive("question", push=False)

    async def stumbling(heard: Heard) -> bool:
        if heard.text == "poison":
            raise RuntimeError("unforeseen")
        return await started.walker._file(heard)

    walker = started.another(mailbox, file=stumbling)
    for _ in range(4):
        with pytest.raises(RuntimeError):
            await walker.walk()
    await walker.walk()
    assert await started.filed() == ["question"]


async def test_a_bounce_is_told_before_its_mail_is_known(
    started: Walking, google: Google, mailbox: GmailMailbox
) -> None:
    key = "0193a1b2-0000-7000-8000-000000000001.1"
    report = (
        "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\nAction: failed\r\nStatus: 5.1.1\r\n"
    )
    returned = f"Content-Type: message/rfc822\r\n\r\nX-FTE-Delivery: {key}\r\n\r\nHello"
    raw = mail(
        'Content-Type: multipart/report; report-type=delivery-status; boundary="cut"',
        "From: mailer-daemon@mx.example",
        body=f"--cut\r\n{report}\r\n--cut\r\n{returned}\r\n--cut--\r\n",
    )
    await google.arrive(raw=raw.decode())
    told: list[Bounce] = []

    async def note(bounce: Bounce) -> None:
        if not told:
            told.append(bounce)
            raise Unavailable("the database is away")
        told.append(bounce)

    walker = started.another(mailbox, note_bounce=note)
    with pytest.raises(Unavailable):
        await walker.walk()
    await walker.walk()
    assert told == [Bounce(key, "", undeliverable=True)] * 2
    assert await started.suppressed() == ["bounce"]


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 429},
        {"kind": "status", "status": 403, "code": "rateLimitExceeded"},
        {"kind": "malformed"},
    ],
    ids=str,
)
@pytest.mark.parametrize("operation", ["history.list", "messages.get"])
async def test_while_gmail_fails_nothing_is_lost(
    started: Walking, google: Google, operation: str, fault: dict[str, Any]
) -> None:
    await google.arrive()
    await google.control("faults", {"on": operation, "times": 0, **fault})
    with pytest.raises(MailboxAway):
        await started.walker.walk()
    assert await started.filed() == []
    await google.no_faults()
    await started.walker.walk()
    assert len(await started.filed()) == 1


async def test_a_connection_that_breaks_while_reading_is_tried_again_at_once(started: Walking, google: Google) -> None:
    await google.arrive()
    await google.fault("history.list", "reset_before")
    await google.fault("messages.get", "reset_after")
    await started.walker.walk()
    assert len(await started.filed()) == 1


async def test_the_walker_goes_on_after_gmail_was_away(start_walking: StartWalking, google: Google) -> None:
    walking: Walking = await start_walking(gmail_poll_seconds=0.1)
    await google.fault("getProfile", "status", status=503)
    async with walking.running():
        await eventually(lambda: opened(walking), 10)
        await google.arrive(push=False)
        await eventually(lambda: filed(walking, 1), 10)


async def opened(walking: Walking) -> bool:
    return await walking.state() is not None


async def test_a_walk_ends_when_it_is_told_to(started: Walking, google: Google, mailbox: GmailMailbox) -> None:
    await google.arrive("again", count=50, push=False)
    seen: list[Heard] = []

    async def slowly(heard: Heard) -> bool:
        seen.append(heard)
        if len(seen) == 3:
            walker.stop()
        return True

    walker = started.another(mailbox, file=slowly)
    await walker.walk()
    assert len(seen) == 3


async def test_every_query_of_the_mailbox_fits_the_migrated_schema(walking: Walking) -> None:
    async with walking.channels.database.connection() as connection:
        await prepare_all(mailbox_store.MAILBOX_QUERIES, connection)
