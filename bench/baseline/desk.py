"""What a running process of the monolith holds, and how it starts and stops."""

from __future__ import annotations

import gc
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer
from fastapi import FastAPI

from bench.baseline.relay import relaying

TOPIC = "baseline.incoming"
POOL_MAX = 10


class Desk:
    """The pool, the producer and the settings."""

    pool: asyncpg.Pool[asyncpg.Record]
    producer: Any
    token_key: bytes
    public_url: str
    outbox: bool


desk = Desk()


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Opens the pool and the producer, and closes them."""
    desk.token_key = os.environ["STATUS_TOKEN_KEY"].encode()
    desk.public_url = os.environ["PUBLIC_URL"]
    desk.outbox = os.environ["BASELINE_EVENTS"] == "outbox"
    dsn = os.environ["DATABASE_URL"]
    desk.producer = AIOKafkaProducer(
        bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"], acks="all", enable_idempotence=True
    )
    await desk.producer.start()
    async with AsyncExitStack() as stack:
        desk.pool = await stack.enter_async_context(
            asyncpg.create_pool(dsn, min_size=POOL_MAX, max_size=POOL_MAX, command_timeout=5, reset=_leave_as_is)
        )
        if desk.outbox:
            await stack.enter_async_context(relaying(dsn, desk.producer))
        # As the services do at the end of their start.
        gc.collect()
        gc.freeze()
        yield
    await desk.producer.stop()


async def _leave_as_is(_connection: Any) -> None:
    """Saves the round trip of a reset, as the services do."""
