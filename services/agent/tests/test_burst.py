"""One question in several short messages, as people write on WhatsApp: thought about once, when they are done."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaProducer

from agent.model import Burst, Filed, Reason
from agent.settings import Settings
from agent.wire import reason_from_wire
from fte import topics
from fte.channels.v1 import message_pb2
from fte.tickets.v1 import ticket_pb2
from fte.tickets.v1.tickets_events_pb2 import MessageFiled
from local.kafka import KafkaBroker, create_topics
from meshkit.clock import SystemClock
from meshkit.consumer import Consumer
from meshkit.context import Call
from meshkit.envelope import Event, encode_headers
from meshkit.service import Service
from meshkit.testing import HeldClock, eventually
from meshkit.timestamps import timestamp

if TYPE_CHECKING:
    from services.agent.tests.conftest import Neighbours

BURST_SECONDS = 2.0
WHATSAPP = message_pb2.CHANNEL_WHATSAPP

File = Callable[[Filed, message_pb2.Channel.ValueType], Awaitable[datetime]]
"""Tells the agent of a filed message; when it was filed."""


@pytest.fixture
def overrides() -> dict[str, Any]:
    """One run at a time: whoever waited inside a run would keep everybody else from theirs."""
    return {"burst_seconds": BURST_SECONDS, "runs_max": 1}


def test_a_message_lies_until_the_burst_is_over() -> None:
    clock, burst = HeldClock(), Burst(3.0)
    filed = clock.now()
    assert burst.hold_seconds("WHATSAPP", filed, clock.now()) == 3.0
    clock.advance(1.25)
    assert burst.hold_seconds("WHATSAPP", filed, clock.now()) == 1.75
    clock.advance(1.75)
    assert burst.hold_seconds("WHATSAPP", filed, clock.now()) == 0.0
    clock.advance(3600)
    assert burst.hold_seconds("WHATSAPP", filed, clock.now()) == 0.0


@pytest.mark.parametrize("channel", ["EMAIL", "WEB_FORM", "UNSPECIFIED"])
def test_mail_and_forms_are_never_held(channel: str) -> None:
    now = HeldClock().now()
    assert Burst(3.0).hold_seconds(channel, now, now) == 0.0


def test_a_clock_that_is_wrong_elsewhere_holds_nothing_for_longer() -> None:
    now = HeldClock().now()
    assert Burst(3.0).hold_seconds("WHATSAPP", now + timedelta(hours=25), now) == 3.0


def test_the_wait_is_three_seconds_unless_set_otherwise() -> None:
    assert Settings.model_fields["burst_seconds"].default == 3.0


@pytest.mark.parametrize("reason", ticket_pb2.EscalationReason.values())
def test_every_reason_of_the_desk_is_known_here(reason: ticket_pb2.EscalationReason.ValueType) -> None:
    read = reason_from_wire(reason)
    assert (read is None) == (reason == ticket_pb2.ESCALATION_REASON_UNSPECIFIED)
    assert read is None or read in Reason


@pytest.fixture
async def file(service: Service, kafka_broker: KafkaBroker) -> AsyncIterator[File]:
    """The agent at work on the real Kafka."""
    assert service.outbox is not None
    bootstrap = kafka_broker.bootstrap_servers
    settings = service.settings.model_copy(update={"kafka_bootstrap_servers": bootstrap})
    await create_topics(bootstrap, [topics.MESSAGES])
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()

    async def filed_now(filed: Filed, channel: message_pb2.Channel.ValueType) -> datetime:
        now = SystemClock().now()
        message = MessageFiled(
            message=f"messages/{filed.message_id}",
            conversation=f"conversations/{filed.conversation_id}",
            ticket=f"tickets/{filed.ticket_id}",
            conversation_version=filed.version,
            channel=channel,
            file_time=timestamp(now),
        )
        event = Event(topics.MESSAGES.name, key=str(filed.conversation_id), message=message, id=filed.run_id)
        headers = encode_headers(event, source="/fte/tickets", time=now, call=Call("request-1"))
        await producer.send_and_wait(event.topic, message.SerializeToString(), key=event.key.encode(), headers=headers)
        return now

    consumer = Consumer(settings, "agent", service.subscriptions, service.database, service.outbox)
    running = asyncio.create_task(consumer.run())
    try:
        yield filed_now
    finally:
        consumer.stop()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(running, 20)
        await producer.stop()


async def endings_on_record(service: Service) -> list[str]:
    async with service.database.connection() as connection:
        return [row["ending"] for row in await connection.fetch("select ending from runs order by ending")]


async def test_a_burst_has_exactly_one_ending_and_holds_nobody_else_up(
    service: Service, neighbours: Neighbours, file: File
) -> None:
    desk = neighbours.desk
    first = desk.file("Hi", channel=WHATSAPP)
    await file(first, WHATSAPP)
    # A form comes after it, is answered at once, and takes the only run there is.
    form = desk.file("How do I reset my password?")
    await file(form, message_pb2.CHANNEL_WEB_FORM)
    await eventually(lambda: bool(desk.endings(form)), within_seconds=20)
    second = desk.goes_on(first, "one question")
    await file(second, WHATSAPP)
    third = desk.goes_on(first, "how do I reset my password?")
    last_filed = await file(third, WHATSAPP)

    async def all_on_record() -> bool:
        return len(await endings_on_record(service)) == 4

    await eventually(all_on_record, within_seconds=20)
    assert await endings_on_record(service) == ["REPLIED", "REPLIED", "SKIPPED", "SKIPPED"]
    (ending,) = desk.endings(first)
    assert ending.method == "CreateMessage"
    assert ending.request.conversation_version == third.version
    assert SystemClock().now() - last_filed >= timedelta(seconds=BURST_SECONDS)
