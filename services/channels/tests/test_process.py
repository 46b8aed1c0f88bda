"""Channels as it is run: a process of its own, with the real Postgres and the real Kafka."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import grpc
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from services.channels.tests.conftest import STATUS_TOKEN_KEY, form

from fte.channels.v1.channels_events_pb2 import DeliveryChanged, MessageReceived
from fte.channels.v1.channels_service_pb2_grpc import ChannelsServiceStub
from fte.channels.v1.message_pb2 import CHANNEL_WEB_FORM, DELIVERY_STATE_DELIVERED, Sender
from fte.identity.v1.customer_pb2 import IDENTIFIER_TYPE_EMAIL
from fte.tickets.v1.tickets_events_pb2 import ReplyRequested
from fte.topics import DEAD_LETTERS, DELIVERIES, INCOMING, OUTGOING
from local.fixtures import MakeDatabase
from local.kafka import KafkaBroker
from local.ports import free_ports
from meshkit.clock import SystemClock
from meshkit.context import NO_CALL
from meshkit.envelope import Event, Received, Undecodable, decode, encode_headers
from meshkit.ids import uuid7
from meshkit.testing import eventually, jwks
from meshkit.timestamps import timestamp

if TYPE_CHECKING:
    from fte.channels.v1.channels_service_pb2_grpc import ChannelsServiceAsyncStub

START_SECONDS = 30
M = TypeVar("M", bound=Message)


async def run(environment: Mapping[str, str], log: Path, *command: str) -> asyncio.subprocess.Process:
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "channels", *command, env=environment, stdout=output, stderr=output
        )


async def serving(port: int) -> bool:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=1)
        except grpc.aio.AioRpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


@asynccontextmanager
async def reader(broker: KafkaBroker, topic: str) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=broker.bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def events_until(consumer: AIOKafkaConsumer, kind: type[M], is_last: Callable[[M], bool]) -> list[Received[M]]:
    """The readable events of a topic up to that one: other tests of the same run publish there, too."""
    events: list[Received[M]] = []
    async with asyncio.timeout(START_SECONDS):
        while not (events and is_last(events[-1].message)):
            with contextlib.suppress(Undecodable):
                events.append(decode(await consumer.getone(), kind))
    return events


async def say(broker: KafkaBroker, fact: ReplyRequested, times: int) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap_servers)
    await producer.start()
    try:
        event = Event(OUTGOING.name, "customers/1", fact)
        headers = encode_headers(event, source="/fte/tickets", time=SystemClock().now(), call=NO_CALL)
        for _ in range(times):
            await producer.send_and_wait(event.topic, fact.SerializeToString(), key=event.key.encode(), headers=headers)
    finally:
        await producer.stop()


async def test_a_form_reaches_kafka_and_a_reply_is_delivered_and_a_signal_ends_it_cleanly(
    make_database: MakeDatabase, kafka_broker: KafkaBroker, tmp_path: Path
) -> None:
    await asyncio.to_thread(kafka_broker.create_topics, (INCOMING, OUTGOING, DELIVERIES, DEAD_LETTERS))
    grpc_port, metrics_port = free_ports(2)
    keys = jwks(ec.generate_private_key(ec.SECP256R1()), "channels")
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": make_database("channels"),
        "KAFKA_BOOTSTRAP_SERVERS": kafka_broker.bootstrap_servers,
        "GRPC_PORT": str(grpc_port),
        "METRICS_PORT": str(metrics_port),
        "PAGE_TOKEN_KEY": "a key for tests only",
        "SERVICE_JWKS": keys,
        "STAFF_JWKS": keys,
        "STATUS_TOKEN_KEY": STATUS_TOKEN_KEY,
    }
    log = tmp_path / "channels.log"
    migrated = await run(environment, log, "migrate")
    assert await asyncio.wait_for(migrated.wait(), START_SECONDS) == 0, log.read_text()
    process = await run(environment, log)
    try:
        await eventually(lambda: serving(grpc_port), START_SECONDS)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{grpc_port}") as channel:
            customer: ChannelsServiceAsyncStub = ChannelsServiceStub(channel)
            promise = await customer.SubmitForm(form(), timeout=5)
        async with reader(kafka_broker, INCOMING.name) as incoming:
            *_, received = await events_until(
                incoming, MessageReceived, lambda event: event.reference == promise.reference
            )
        assert (received.key, received.source) == ("ada@techcorp.example", "/fte/channels")
        reply = ReplyRequested(
            message=f"messages/{uuid7()}",
            conversation=f"conversations/{uuid7()}",
            reference=promise.reference,
            channel=CHANNEL_WEB_FORM,
            recipient=Sender(type=IDENTIFIER_TYPE_EMAIL, value="ada@techcorp.example"),
            text="Choose Export in the board's menu.",
            create_time=timestamp(SystemClock().now()),
        )
        # The same fact twice, as an at-least-once road may bring it, and then another to see the end of it.
        await say(kafka_broker, reply, times=2)
        other = ReplyRequested()
        other.CopyFrom(reply)
        other.message = f"messages/{uuid7()}"
        await say(kafka_broker, other, times=1)
        async with reader(kafka_broker, DELIVERIES.name) as deliveries:
            told = await events_until(deliveries, DeliveryChanged, lambda event: event.message == other.message)
        changes = [event.message for event in told if event.message.message in {reply.message, other.message}]
        assert [change.message for change in changes] == [reply.message, other.message]
        assert {change.state for change in changes} == {DELIVERY_STATE_DELIVERED}
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), START_SECONDS) == 0, log.read_text()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    written = log.read_text()
    for word in ("ada@techcorp.example", "Ada Lovelace", "Export", promise.status_token):
        assert word not in written
