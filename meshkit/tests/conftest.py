"""A migrated database and fresh topics on the real servers, for the tests of the store and the stream."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest
from pydantic import SecretStr

from local.fixtures import MakeDatabase
from local.kafka import KafkaBroker
from meshkit.database import Database
from meshkit.migrations import migrate
from meshkit.outbox import Outbox
from meshkit.settings import ServiceSettings
from meshkit.testing import settings_for
from meshkit.testing.streams import EFFECTS, Stream

_numbers = itertools.count(1)


@pytest.fixture
async def stream(make_database: MakeDatabase, kafka_broker: KafkaBroker) -> AsyncIterator[Stream]:
    """A service's store and stream on the real servers, with nothing running yet."""
    number = next(_numbers)
    dsn = make_database("tickets")
    await migrate(dsn, schema="tickets", package=None)
    topic, dead_letters = f"facts-{number}", f"dead-{number}"
    await asyncio.to_thread(
        kafka_broker.create_topics,
        [SimpleNamespace(name=name, partitions=3, retention_ms=None) for name in (topic, dead_letters)],
    )
    settings = settings_for(
        ServiceSettings,
        database_url=SecretStr(dsn),
        kafka_bootstrap_servers=kafka_broker.bootstrap_servers,
    )
    database = Database(dsn, timeout_seconds=3)
    await database.open()
    async with database.connection() as connection:
        await connection.execute(EFFECTS)
    yield Stream(settings, database, Outbox("/fte/tests"), topic, dead_letters)
    await database.close()
