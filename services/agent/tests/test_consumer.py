"""The agent on a real Kafka: what the desk files is answered once, however often the fact arrives."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer

from agent.model import Filed
from fte import topics
from fte.tickets.v1.tickets_events_pb2 import MessageFiled
from local.kafka import KafkaBroker, create_topics
from meshkit.clock import SystemClock
from meshkit.consumer import Consumer
from meshkit.context import Call
from meshkit.envelope import Event, encode_headers
from meshkit.service import Service
from meshkit.testing import eventually

if TYPE_CHECKING:
    from services.agent.tests.conftest import Neighbours


def filed_event(filed: Filed) -> Event:
    message = MessageFiled(
        message=f"messages/{filed.message_id}",
        conversation=f"conversations/{filed.conversation_id}",
        ticket=f"tickets/{filed.ticket_id}",
        conversation_version=filed.version,
    )
    return Event(topics.MESSAGES.name, key="customers/1", message=message, id=filed.run_id)


async def test_a_filed_message_that_arrives_twice_is_answered_and_recorded_once(
    service: Service, neighbours: Neighbours, kafka_broker: KafkaBroker
) -> None:
    assert service.outbox is not None
    bootstrap = kafka_broker.bootstrap_servers
    settings = service.settings.model_copy(update={"kafka_bootstrap_servers": bootstrap})
    async with contextlib.AsyncExitStack() as stack:
        await create_topics(bootstrap, [topics.MESSAGES])
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
        await producer.start()
        stack.push_async_callback(producer.stop)
        filed = [neighbours.desk.file("How do I reset my password?") for _ in range(3)]
        for each in (*filed, *filed):
            event = filed_event(each)
            headers = encode_headers(event, source="/fte/tickets", time=SystemClock().now(), call=Call("request-1"))
            await producer.send_and_wait(
                event.topic, event.message.SerializeToString(), key=event.key.encode(), headers=headers
            )
        consumer = Consumer(settings, "agent", service.subscriptions, service.database, service.outbox)
        running = asyncio.create_task(consumer.run())

        async def handled() -> bool:
            async with service.database.connection() as connection:
                count: int = await connection.fetchval("select count(*) from runs")
            return count == len(filed)

        try:
            await eventually(handled, within_seconds=30)
        finally:
            consumer.stop()
            await asyncio.wait_for(running, 20)
        async with service.database.connection() as connection:
            assert await connection.fetchval("select count(*) from outbox") == len(filed)
    for each in filed:
        [ending] = neighbours.desk.endings(each)
        assert ending.method == "CreateMessage"
        assert ending.request_id == "request-1"
