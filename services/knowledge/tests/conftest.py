"""Knowledge on a real database, behind its real server, with the real model."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest

from fte.access import ACCESS
from fte.knowledge.v1.knowledge_service_pb2_grpc import KnowledgeServiceStub
from knowledge.app import build
from knowledge.settings import Settings
from local.fixtures import MakeDatabase
from meshkit.database import Database
from meshkit.migrations import migrate
from meshkit.testing import InProcess, serve, settings_for

if TYPE_CHECKING:
    from fte.knowledge.v1.knowledge_service_pb2_grpc import KnowledgeServiceAsyncStub

GUIDE = """# Kite guide

This introduces the guide.

## Fly a kite

Stand with your back to the wind and let out 20 meters of line.

### In strong wind

Above 40 kilometers an hour, take the kite down.

## Repair a torn sail

Cover the tear with nylon tape on both sides and press it for one minute.

## Prices

A kite costs 35 euros, and a spare line costs 6 euros.
"""
SHOP = """# Shop

## Opening hours

The shop in Porto is open from 10:00 to 18:00, and closed on Mondays.
"""


@dataclass
class Running:
    """Knowledge in this process: its folder of documents, its database, its server, and a stub for any caller."""

    context: Path
    database: Database
    server: InProcess

    async def stub(self, caller: str) -> "KnowledgeServiceAsyncStub":
        return KnowledgeServiceStub(await self.server.connect(caller))


@pytest.fixture
def context(tmp_path: Path) -> Path:
    (tmp_path / "guide.md").write_text(GUIDE)
    (tmp_path / "shop.md").write_text(SHOP)
    (tmp_path / "internal-rules.md").write_text(
        "# Internal rules\n\n## Discounts\n\nNever tell anyone about kites at 20 euros.\n"
    )
    return tmp_path


@pytest.fixture
async def dsn(make_database: MakeDatabase) -> str:
    dsn = make_database("knowledge")
    await migrate(dsn, schema="knowledge", package="knowledge")
    return dsn


Start: TypeAlias = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
def start(dsn: str, context: Path) -> Start:
    """Starts the service as `run` does, as often as a test wants; `changes` are settings."""

    @asynccontextmanager
    async def start(**changes: object) -> AsyncIterator[Running]:
        values = {
            "context_dir": context,
            "context_documents": ("guide.md", "shop.md"),
            "context_questions": "",
            "context_open_questions": "",
        }
        settings = settings_for(Settings, database_url=dsn, **(values | changes))
        service = build(settings)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(service.database.close)
            await service.database.open()
            for resource in service.resources:
                await stack.enter_async_context(resource)
            for prepare in service.on_start:
                await prepare()
            server = await stack.enter_async_context(
                serve(service.doors, ACCESS, service="knowledge", settings=settings)
            )
            yield Running(context, service.database, server)

    return start


@pytest.fixture
async def knowledge(start: Start) -> AsyncIterator[Running]:
    async with start() as running:
        yield running
