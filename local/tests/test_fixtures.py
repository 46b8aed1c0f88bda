"""The fixtures that every other test of the repository hangs on."""

from dataclasses import dataclass

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from local.fixtures import MakeDatabase
from local.kafka import KafkaBroker, create_topics


@dataclass(frozen=True)
class Topic:
    name: str
    partitions: int = 12
    retention_ms: int | None = None


async def test_each_database_is_fresh_and_the_role_owns_its_schema_in_it(make_database: MakeDatabase) -> None:
    for _ in range(2):
        connection = await asyncpg.connect(make_database("tickets"))
        assert await connection.fetchval("SHOW search_path") == "tickets, ext"
        await connection.execute("CREATE TABLE notes (body text, embedding vector(3))")
        assert await connection.fetchval("SELECT count(*) FROM tickets.notes") == 0
        await connection.close()


async def test_two_services_can_share_one_database(make_database: MakeDatabase) -> None:
    tickets = make_database("tickets")
    identity = await asyncpg.connect(make_database("identity", beside=tickets))
    desk = await asyncpg.connect(tickets)
    name = "SELECT current_database()"
    assert await identity.fetchval(name) == await desk.fetchval(name)
    assert await identity.fetchval("SELECT current_user") == "identity"
    await identity.close()
    await desk.close()


@pytest.mark.timeout(60)
async def test_a_topic_made_twice_is_there_once_with_its_partitions(kafka_broker: KafkaBroker) -> None:
    for _ in range(2):
        await create_topics(kafka_broker.bootstrap_servers, [Topic("twice", retention_ms=60_000)])
    async with AIOKafkaProducer(bootstrap_servers=kafka_broker.bootstrap_servers) as producer:
        assert len(await producer.partitions_for("twice")) == 12
        await producer.send_and_wait("twice", b"kept", partition=3)
    async with AIOKafkaConsumer(
        "twice", bootstrap_servers=kafka_broker.bootstrap_servers, auto_offset_reset="earliest"
    ) as consumer:
        assert (await consumer.getone()).value == b"kept"
