"""The agent between two real servers of its neighbours' contracts, each with its own truth, and its own database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from agents import Model
from services.agent.tests.small_neighbours import EXPORT, RESET, SmallDesk, SmallKnowledge, Told, refusal

from agent.app import build
from agent.clients import Desk, Knowledge
from agent.operations import Answers, Costs, Policies
from agent.settings import Settings
from agent.thinking import rules
from agent.thinking.case import Limits
from agent.thinking.instructions import instructions
from agent.thinking.local_rules import NAME, LocalRulesModel, Thresholds
from agent.thinking.models import Models
from agent.thinking.spending import Spending
from agent.thinking.thinker import Budget, Thinker
from fte.access import ACCESS
from fte.knowledge.v1 import knowledge_service_pb2
from fte.knowledge.v1.knowledge_service_pb2_grpc import (
    add_KnowledgeServiceServicer_to_server,
)
from fte.tickets.v1 import tickets_service_pb2
from fte.tickets.v1.tickets_service_pb2_grpc import add_TicketsServiceServicer_to_server
from local.fixtures import MakeDatabase
from meshkit.clock import SystemClock
from meshkit.database import Database
from meshkit.migrations import migrate
from meshkit.outbox import Outbox
from meshkit.server import Door
from meshkit.service import Service
from meshkit.testing import serve, settings_for, tokens_for

__all__ = ["EXPORT", "RESET", "Neighbours", "SmallDesk", "SmallKnowledge", "Told", "refusal"]


@dataclass
class Neighbours:
    """The desk and the knowledge base, and where they are."""

    desk: SmallDesk
    knowledge: SmallKnowledge
    tickets_address: str
    knowledge_address: str
    desk_client: Desk
    knowledge_client: Knowledge

    def answers(
        self,
        model: Model | None = None,
        *,
        limits: Limits | None = None,
        budget: Budget | None = None,
        models: Models | None = None,
        runs_max: int = 32,
        traced: bool = False,
    ) -> Answers:
        """The agent's answering with this model; the local rules when it is left out."""
        limits = limits or Limits()
        chain = [(NAME, LocalRulesModel(Thresholds()))] if model is None else [("test-model", model)]
        thinker = Thinker(
            models or Models(chain, call_seconds=10),
            budget or Budget(turns=10, seconds=10),
            runs_max=runs_max,
            instructions=instructions(categories=limits.categories, words_max=limits.reply_words_max),
            traced=traced,
        )
        clock = SystemClock()
        # Without a budget and without prices nothing is written, and no database is asked.
        database = Database("postgresql://nobody@127.0.0.1:1/none")
        costs = Costs(database, Spending(0, clock), clock)
        return Answers(
            Outbox("/fte/agent"),
            clock,
            self.desk_client,
            self.knowledge_client,
            thinker,
            Policies(rules.load(), database, clock),
            limits,
            costs,
        )


@pytest.fixture
async def neighbours() -> AsyncIterator[Neighbours]:
    """Both neighbours behind real servers in this process."""
    # What they do not serve, no run asks for; it would be UNIMPLEMENTED.
    desk = SmallDesk()  # type: ignore[abstract]
    knowledge = SmallKnowledge()  # type: ignore[abstract]  # as above
    desk_door = Door(
        add_TicketsServiceServicer_to_server, desk, tickets_service_pb2.DESCRIPTOR.services_by_name["TicketsService"]
    )
    knowledge_door = Door(
        add_KnowledgeServiceServicer_to_server,
        knowledge,
        knowledge_service_pb2.DESCRIPTOR.services_by_name["KnowledgeService"],
    )
    async with (
        serve([desk_door], ACCESS, service="tickets") as tickets,
        serve([knowledge_door], ACCESS, service="knowledge") as passages,
    ):
        yield Neighbours(
            desk,
            knowledge,
            tickets.address,
            passages.address,
            Desk(await tickets.connect("agent")),
            Knowledge(await passages.connect("agent")),
        )


@pytest.fixture
async def database(make_database: MakeDatabase) -> AsyncIterator[Database]:
    """The agent's own schema, migrated and empty."""
    dsn = make_database("agent")
    await migrate(dsn, schema="agent", package="agent")
    opened = Database(dsn)
    await opened.open()
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture
def overrides() -> dict[str, Any]:
    """Settings of the service that a test file wants otherwise."""
    return {}


@pytest.fixture
async def service(
    make_database: MakeDatabase, neighbours: Neighbours, tmp_path: Path, overrides: dict[str, Any]
) -> AsyncIterator[Service]:
    """The agent as `app.build` makes it, its database open, between its neighbours."""
    dsn = make_database("agent")
    await migrate(dsn, schema="agent", package="agent")
    tokens = tokens_for("agent")
    assert tokens is not None
    token_file = tmp_path / "token"
    token_file.write_text(tokens.token())
    settings = settings_for(
        Settings,
        database_url=dsn,
        tickets_address=neighbours.tickets_address,
        knowledge_address=neighbours.knowledge_address,
        service_token_file=token_file,
        **overrides,
    )
    built = build(settings)
    await built.database.open()
    try:
        yield built
    finally:
        for resource in reversed(built.resources):
            await resource.__aexit__(None, None, None)
        await built.database.close()
