"""A service in miniature, for tests and benchmarks of the store and the stream: one topic, one table of effects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from google.protobuf.wrappers_pb2 import StringValue

from meshkit.consumer import Consumer, Subscription
from meshkit.database import Database
from meshkit.envelope import Event
from meshkit.kafka import client_options
from meshkit.outbox import Outbox
from meshkit.relay import Relay
from meshkit.settings import ServiceSettings
from meshkit.testing import eventually

SOON = 15.0
"""Seconds within which anything that should happen has happened, on a machine with much else to do."""
EFFECTS = "create table effects (id bigint generated always as identity, key text, said text, redrive int)"


@dataclass
class Stream:
    """One service's half of the mesh: a database with the kit's tables, topics of its own, and what runs on them."""

    settings: ServiceSettings
    database: Database
    outbox: Outbox
    topic: str
    dead_letters: str

    async def publish(self, key: str, said: str) -> None:
        """A fact in a transaction of its own."""
        async with self.database.transaction() as connection:
            await self.outbox.publish(connection, Event(self.topic, key, StringValue(value=said)))

    def subscription(self, **changes: Any) -> Subscription[Any, Any]:
        """Writes each message into the table of effects."""

        async def apply(connection: Any, received: Any, _: Any) -> None:
            await connection.execute(
                "insert into effects (key, said, redrive) values ($1, $2, $3)",
                received.key,
                received.message.value,
                received.redrive,
            )

        given: dict[str, Any] = {
            "topic": self.topic,
            "message": StringValue,
            "apply": apply,
            "dead_letter_topic": self.dead_letters,
        }
        return Subscription(**(given | changes))

    async def effects(self) -> list[tuple[str, str]]:
        """Key and words of every effect, in the order they were written."""
        async with self.database.connection() as connection:
            rows = await connection.fetch("select key, said from effects order by id")
        return [(row["key"], row["said"]) for row in rows]

    async def said(self) -> list[str]:
        """The words of every effect."""
        return [words for _, words in await self.effects()]

    async def wait_for(self, *words: str, within_seconds: float = SOON) -> None:
        """Wait until each of these words has had its effect."""

        async def there() -> bool:
            return set(words) <= set(await self.said())

        await eventually(there, within_seconds)

    async def letters(self) -> list[dict[str, bytes]]:
        """The headers of every dead letter, in the order they were written."""
        async with self.database.connection() as connection:
            rows = await connection.fetch(
                "select header_names, header_values from outbox where topic = $1 order by id", self.dead_letters
            )
        return [dict(zip(row["header_names"], row["header_values"], strict=True)) for row in rows]

    async def wait_for_letters(self, count: int) -> list[dict[str, bytes]]:
        """Wait until there are so many dead letters."""

        async def there() -> bool:
            return len(await self.letters()) == count

        await eventually(there, SOON)
        return await self.letters()

    async def pending(self) -> int:
        """How many rows of the outbox are not published."""
        async with self.database.connection() as connection:
            count: int = await connection.fetchval("select count(*) from outbox where published_at is null")
        return count

    async def is_drained(self) -> bool:
        """Whether everything is published."""
        return await self.pending() == 0

    @asynccontextmanager
    async def relaying(self) -> AsyncIterator[Relay]:
        """A relay that runs during the block."""
        relay = Relay(self.settings, self.database)
        async with running(relay):
            yield relay

    @asynccontextmanager
    async def consuming(
        self, *subscriptions: Subscription[Any, Any], group: str = "tickets"
    ) -> AsyncIterator[Consumer]:
        """A consumer that runs during the block."""
        consumer = Consumer(self.settings, group, subscriptions or [self.subscription()], self.database, self.outbox)
        async with running(consumer):
            yield consumer

    async def produce(self, value: bytes | None, *, key: bytes | None = b"k", **headers: bytes) -> None:
        """A record that did not come from an outbox."""
        producer = AIOKafkaProducer(**client_options(self.settings))
        await producer.start()
        try:
            await producer.send_and_wait(self.topic, value, key=key, headers=list(headers.items()))
        finally:
            await producer.stop()

    async def read(self, topic: str, count: int, *, within_seconds: float = 15) -> list[Any]:
        """The first records of a topic."""
        consumer = AIOKafkaConsumer(topic, **client_options(self.settings), auto_offset_reset="earliest", group_id=None)
        await consumer.start()
        found: list[Any] = []
        try:
            async with asyncio.timeout(within_seconds):
                while len(found) < count:
                    for records in (await consumer.getmany(timeout_ms=100)).values():
                        found.extend(records)
        finally:
            await consumer.stop()
        return found


@asynccontextmanager
async def running(runner: Any) -> AsyncIterator[None]:
    """`runner.run()` during the block; stopped at its end, within ten seconds."""
    task = asyncio.create_task(runner.run())
    try:
        yield
    finally:
        runner.stop()
        async with asyncio.timeout(10):
            await task
