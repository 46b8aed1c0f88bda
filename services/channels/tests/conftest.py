"""Channels on a real database, behind its real server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from services.channels.tests.faulty_network import Link, link_to

from channels.app import build
from channels.providers.base import Outside
from channels.settings import Settings
from fte.access import ACCESS
from fte.channels.v1.channels_events_pb2 import DeliveryChanged, MessageReceived
from fte.channels.v1.channels_service_pb2 import SubmitFormRequest
from fte.channels.v1.channels_service_pb2_grpc import ChannelsServiceStub
from local.asyncs import run_blocking
from local.fixtures import MakeDatabase
from meshkit.database import Database
from meshkit.migrations import migrate
from meshkit.service import Service
from meshkit.testing import HeldClock, InProcess, serve, settings_for

if TYPE_CHECKING:
    from fte.channels.v1.channels_service_pb2_grpc import ChannelsServiceAsyncStub

STATUS_TOKEN_KEY = "a key for the tests of channels"


def form(**fields: Any) -> SubmitFormRequest:
    """A form that is filled in well, `fields` over it."""
    filled = {
        "name": "Ada Lovelace",
        "email": "ada@techcorp.example",
        "subject": "Export",
        "category": "technical",
        "message": "How do I export a board?",
    }
    return SubmitFormRequest(**{**filled, **fields})


@dataclass
class Running:
    """Channels in this process: its parts, its database, its clock, and a stub for any caller."""

    service: Service
    server: InProcess
    clock: HeldClock
    _stubs: dict[str, ChannelsServiceAsyncStub] = field(default_factory=dict)

    @property
    def database(self) -> Database:
        return self.service.database

    async def stub(self, caller: str = "public") -> ChannelsServiceAsyncStub:
        if caller not in self._stubs:
            self._stubs[caller] = ChannelsServiceStub(await self.server.connect(caller))
        return self._stubs[caller]

    async def count(self, table: str) -> int:
        async with self.database.connection() as connection:
            count: int = await connection.fetchval(f"select count(*) from {table}")
        return count

    async def received(self) -> list[MessageReceived]:
        """Every MessageReceived in the outbox, oldest first."""
        return [MessageReceived.FromString(value) for value in await self._outbox("fte.tickets.incoming")]

    async def deliveries_changed(self) -> list[DeliveryChanged]:
        """Every DeliveryChanged in the outbox, oldest first."""
        return [DeliveryChanged.FromString(value) for value in await self._outbox("fte.channels.deliveries")]

    async def _outbox(self, topic: str) -> list[bytes]:
        async with self.database.connection() as connection:
            rows = await connection.fetch("select value from outbox where topic = $1 order by id", topic)
        return [row["value"] for row in rows]


StartChannels = Callable[..., Awaitable[Running]]

_TABLES = "inbound, submissions, sender_counts, correspondents, deliveries, parts, receipts, mailboxes, outbox, inbox"


@pytest.fixture(scope="session")
def migrated_database(make_database: MakeDatabase) -> str:
    """One database for all these tests: emptying it takes a tenth of the time that making one does."""
    dsn = make_database("channels")
    run_blocking(migrate(dsn, schema="channels", package="channels"))
    return dsn


@pytest.fixture
async def start_channels(migrated_database: str) -> AsyncIterator[StartChannels]:
    """Starts channels on an empty database, with settings of the test's own; `outsides` in place of real providers."""
    async with AsyncExitStack() as stack:

        async def start(*, outsides: Sequence[Outside] | None = None, **values: Any) -> Running:
            given = {"database_url": migrated_database, "status_token_key": STATUS_TOKEN_KEY, **values}
            settings = settings_for(Settings, **given)
            clock = HeldClock()
            service = build(settings, clock, outsides)
            stack.push_async_callback(service.database.close)
            await service.database.open()
            async with service.database.connection() as connection:
                await connection.execute(f"truncate {_TABLES} restart identity")
            server = await stack.enter_async_context(
                serve(service.doors, ACCESS, service="channels", settings=settings)
            )
            return Running(service, server, clock)

        yield start


@pytest.fixture
async def channels(start_channels: StartChannels) -> Running:
    """Channels with its default settings, but no caps."""
    return await start_channels(messages_per_sender_hour=0, messages_per_address_hour=0)


@pytest.fixture
async def postgres_link(migrated_database: str) -> AsyncIterator[tuple[Link, str]]:
    """A network to the database that can be cut, and the address that leads over it."""
    async with link_to(migrated_database) as link_and_address:
        yield link_and_address
