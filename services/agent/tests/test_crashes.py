"""The process killed in the middle of a run, at every step of it: the repeat has no second effect."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from services.agent.tests.test_api import handle

from agent import store
from agent.model import Ending
from fte.tickets.v1 import ticket_pb2
from meshkit.service import Service

if TYPE_CHECKING:
    from services.agent.tests.conftest import Neighbours

ROOT = Path(__file__).parents[3]
ANSWERED, ESCALATED = "How do I reset my password?", "Do you sponsor the design week in Lisbon again?"


@pytest.mark.parametrize(
    ("point", "question"),
    [
        ("agent.after_triage", ANSWERED),
        ("agent.after_model", ANSWERED),
        ("agent.after_history", ANSWERED),
        ("agent.after_search", ANSWERED),
        ("agent.after_reply", ANSWERED),
        ("agent.after_escalate", ESCALATED),
        ("agent.before_record", ANSWERED),
        ("agent.before_record", ESCALATED),
    ],
)
async def test_a_run_killed_at_any_step_ends_once_when_it_is_repeated(
    service: Service, neighbours: Neighbours, point: str, question: str
) -> None:
    filed = neighbours.desk.file(question, verified=True)
    settings = service.settings
    told = {name: str(value) for name, value in asdict(filed).items()} | {
        "version": filed.version,
        "database_url": settings.database_url.get_secret_value(),
        "tickets": neighbours.tickets_address,
        "knowledge": neighbours.knowledge_address,
        "token_file": str(settings.service_token_file),
        "jwks": settings.service_jwks,
    }
    doomed = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.agent.tests.one_attempt",
        json.dumps(told),
        cwd=ROOT,
        env=os.environ | {"FTE_CRASH_POINT": point},
    )
    assert await asyncio.wait_for(doomed.wait(), 30) == -signal.SIGKILL

    await handle(service, filed)

    said = [
        message
        for message in neighbours.desk.conversation_of(filed).messages
        if message.author == ticket_pb2.AUTHOR_AGENT
    ]
    assert len(said) == 1
    assert len([told for told in neighbours.desk.endings(filed) if told.accepted]) == 1
    async with service.database.connection() as connection:
        run = await store.get_run(connection, filed.run_id)
        assert await connection.fetchval("select count(*) from outbox") == 1
    assert run is not None
    assert run.ending is (Ending.REPLIED if question == ANSWERED else Ending.ESCALATED)
    if run.ending is Ending.REPLIED:
        assert f"messages/{run.reply_id}" == said[0].name
        assert {sentence.passage for sentence in run.sentences} >= {said[0].citations[0].passage}
