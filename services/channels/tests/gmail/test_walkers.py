"""Walkers follow each other, whatever breaks under them, and lose no mail."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from services.channels.tests.gmail.google import Google
from services.channels.tests.gmail.mails import OUR_ADDRESS, mail
from services.channels.tests.gmail.walking import StartWalking, Walking, filed

from channels.model import Bounce, Heard, Hint
from channels.providers.gmail.mailbox import GmailMailbox, MailboxAway
from channels.store import mailbox as mailbox_store
from meshkit.errors import Unavailable
from meshkit.testing import eventually, prepare_all

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


async def test_who_comes_after_a_walker_that_was_killed_does_not_wait_for_the_next_poll(
    started: Walking, google: Google
) -> None:
    arrived = await google.arrive(push=False)
    await started.walker.notice(Hint(OUR_ADDRESS, int(arrived["historyId"])))
    await started.execute("update mailboxes set walker = gen_random_uuid(), walk_until = now() + interval '1 second'")
    async with started.running():
        await eventually(lambda: filed(started, 1), 10)


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
