"""The desk on the real Kafka: what comes in, what goes out, and what becomes of poison."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TypeVar

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from google.protobuf.message import Message
from services.tickets.tests.conftest import Office, form, new_reference, status_token

from fte import topics
from fte.tickets.v1 import ticket_pb2
from fte.tickets.v1 import tickets_service_pb2 as pb
from fte.tickets.v1.tickets_events_pb2 import MessageFiled, ReplyRequested
from local.kafka import KafkaBroker
from meshkit.consumer import Consumer
from meshkit.context import NO_CALL
from meshkit.envelope import Event, encode_headers
from meshkit.relay import Relay
from meshkit.testing import eventually

M = TypeVar("M", bound=Message)


@pytest.fixture
def kafka_servers(kafka_broker: KafkaBroker) -> str:
    kafka_broker.create_topics(topics.TOPICS.values())
    return kafka_broker.bootstrap_servers


@asynccontextmanager
async def at_work(office: Office) -> AsyncIterator[None]:
    """The desk's consumer and relay, as `run` starts them."""
    service = office.service
    assert service.outbox is not None
    consumer = Consumer(service.settings, "tickets", service.subscriptions, service.database, service.outbox)
    relay = Relay(service.settings, service.database)
    running = [asyncio.create_task(consumer.run()), asyncio.create_task(relay.run())]
    try:
        yield
    finally:
        consumer.stop()
        relay.stop()
        async with asyncio.timeout(15):
            await asyncio.gather(*running)


async def send(servers: str, message: Message, *, value: bytes | None = None) -> str:
    """An event of channels; its id."""
    made = Event(topics.INCOMING.name, "anna@customer.example", message)
    headers = encode_headers(made, source="/fte/channels", time=datetime.now(UTC), call=NO_CALL)
    producer = AIOKafkaProducer(bootstrap_servers=servers)
    await producer.start()
    try:
        raw = message.SerializeToString() if value is None else value
        await producer.send_and_wait(made.topic, raw, key=made.key.encode(), headers=headers)
    finally:
        await producer.stop()
    return str(made.id)


async def read(servers: str, topic: str, kind: type[M], is_ours: Callable[[M], bool]) -> M:
    """The first of our events on a topic: other tests of the same run publish there, too."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset="earliest", group_id=None)
    await consumer.start()
    try:
        async with asyncio.timeout(20):
            while True:
                for records in (await consumer.getmany(timeout_ms=100)).values():
                    for event in (kind.FromString(record.value) for record in records):
                        if is_ours(event):
                            return event
    finally:
        await consumer.stop()


async def test_messages_and_poison_each_find_their_way(office: Office, kafka_servers: str) -> None:
    good, refused, broken = new_reference(), new_reference(), new_reference()
    nobody = form("From an address that cannot be", reference=refused)
    nobody.sender.value = "nobody"
    async with at_work(office):
        poison = {
            await send(kafka_servers, form("Cut off", reference=broken), value=b"\x0a\xff"),
            await send(kafka_servers, nobody),
        }
        await send(kafka_servers, form("How do I reset my password?", reference=good))

        staff = await office.stub("staff")

        async def letters() -> list[ticket_pb2.DeadLetter]:
            page = await staff.ListDeadLetters(pb.ListDeadLettersRequest())
            ours = [letter for letter in page.dead_letters if letter.event_id in poison]
            return ours if len(ours) == 2 else []

        kept = await eventually(letters, within_seconds=30)
        assert {letter.reason for letter in kept} == {"VALUE_UNDECODABLE", "INVALID_IDENTIFIER"}

        # The partition moved on: the sound message behind the poison is filed.
        async def filed() -> str:
            public = await office.stub("public")
            shown = await public.GetTicket(pb.GetTicketRequest(ticket=good), metadata=status_token(good))
            return (await office.ticket(good)).name if shown.subject else ""

        ticket_name = await eventually(filed, within_seconds=20)
        await read(kafka_servers, topics.MESSAGES.name, MessageFiled, lambda filed: filed.ticket == ticket_name)
        await read(kafka_servers, topics.OUTGOING.name, ReplyRequested, lambda reply: reply.reference == refused)

        letter = next(letter for letter in kept if letter.reason == "INVALID_IDENTIFIER")
        office.neighbour.knows_everybody = True
        await staff.RedriveDeadLetter(pb.RedriveDeadLetterRequest(name=letter.name))

        async def shown() -> ticket_pb2.Ticket | None:
            public = await office.stub("public")
            ticket = await public.GetTicket(pb.GetTicketRequest(ticket=refused), metadata=status_token(refused))
            return ticket if ticket.subject else None

        ticket = await eventually(shown, within_seconds=20)
    assert ticket is not None
    assert ticket.state == ticket_pb2.TICKET_STATE_NEW
    # The apology stays: it was said.
    assert {message.author for message in ticket.messages} == {ticket_pb2.AUTHOR_AGENT, ticket_pb2.AUTHOR_CUSTOMER}
