"""Identity on a real database, behind its real server."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from fte.access import ACCESS
from fte.identity.v1.identity_service_pb2_grpc import IdentityServiceStub
from identity.app import build
from identity.settings import Settings
from local.fixtures import MakeDatabase
from meshkit.database import Database
from meshkit.migrations import migrate
from meshkit.testing import InProcess, serve, settings_for

if TYPE_CHECKING:
    from fte.identity.v1.identity_service_pb2_grpc import IdentityServiceAsyncStub


@dataclass
class Running:
    """Identity in this process: its database, its server, and a stub for any caller."""

    database: Database
    server: InProcess

    async def stub(self, caller: str) -> "IdentityServiceAsyncStub":
        return IdentityServiceStub(await self.server.connect(caller))


@pytest.fixture
async def identity(make_database: MakeDatabase) -> AsyncIterator[Running]:
    dsn = make_database("identity")
    await migrate(dsn, schema="identity", package="identity")
    settings = settings_for(Settings, database_url=dsn, default_phone_region="US")
    service = build(settings)
    await service.database.open()
    try:
        async with serve(service.doors, ACCESS, service="identity", settings=settings) as server:
            yield Running(service.database, server)
    finally:
        await service.database.close()
