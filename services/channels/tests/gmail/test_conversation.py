"""A mail's whole way: heard, answered in its thread, answered again; and what comes back of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.channels.tests.gmail.google import Google
from services.channels.tests.gmail.mails import OUR_ADDRESS
from services.channels.tests.gmail.walking import Walking, filed
from services.channels.tests.test_deliveries import apply, reply_requested

from channels.model import Hint
from fte.channels.v1.channels_events_pb2 import DeliveryChanged, MessageReceived
from fte.channels.v1.message_pb2 import CHANNEL_EMAIL, DELIVERY_STATE_FAILED, DELIVERY_STATE_SENT
from fte.identity.v1.customer_pb2 import REACHABILITY_UNDELIVERABLE
from fte.tickets.v1.tickets_events_pb2 import ReplyRequested
from meshkit.testing import eventually


@asynccontextmanager
async def working(walking: Walking) -> AsyncIterator[None]:
    """Everything that runs in the background of the service."""
    workers = walking.channels.service.workers
    tasks = [asyncio.create_task(worker.run()) for worker in workers]
    try:
        yield
    finally:
        for worker in workers:
            worker.stop()
        await asyncio.wait(tasks, timeout=10)


def reply_to(walking: Walking, asked: MessageReceived) -> ReplyRequested:
    return reply_requested(
        walking.channels, channel=CHANNEL_EMAIL, recipient=asked.sender, subject=asked.subject, thread=asked.thread
    )


async def changed_to(walking: Walking, state: int) -> DeliveryChanged | None:
    changes = await walking.channels.deliveries_changed()
    return next((change for change in changes if change.state == state), None)


async def test_a_question_is_answered_once_in_its_thread(started: Walking, google: Google) -> None:
    asked = await google.arrive()
    await started.walker.walk()
    (received,) = await started.channels.received()
    fact = reply_to(started, received)
    async with working(started):
        for _ in range(3):
            await apply(started.channels, fact)
        change = await eventually(lambda: changed_to(started, DELIVERY_STATE_SENT), 15)
    (sent,) = await google.sent()
    assert change is not None
    assert change.provider_message_id == sent["id"]
    assert sent["threadId"] == asked["threadId"]
    assert sent["subject"] == "Re: Export"
    assert "Choose Export in the board's menu." in sent["text"]
    assert "Your reference: TKT-7K3Q9V" in sent["text"]


async def test_an_answer_that_bounces_is_known_to_have_failed(started: Walking, google: Google) -> None:
    await google.arrive()
    await started.walker.walk()
    (received,) = await started.channels.received()
    await google.control("bounces", {"address": received.sender.value})
    async with working(started):
        await apply(started.channels, reply_to(started, received))
        await eventually(lambda: changed_to(started, DELIVERY_STATE_SENT), 15)
        history_id = (await google.control("state", method="GET"))["historyId"]
        await started.walker.notice(Hint(OUR_ADDRESS, int(history_id)))
        change = await eventually(lambda: changed_to(started, DELIVERY_STATE_FAILED), 15)
    assert change is not None
    assert change.recipient.value == received.sender.value
    assert change.reachability == REACHABILITY_UNDELIVERABLE
    assert await started.suppressed() == ["bounce"]
    assert await filed(started, 1)
