"""One attempt at an event by a process of its own, which a test may have killed at a named place."""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from pathlib import Path

from pydantic import SecretStr
from services.agent.tests.test_api import handle

from agent.app import build
from agent.model import Filed
from agent.settings import Settings
from meshkit.testing import settings_for


async def attempt(filed: Filed, *, database_url: str, tickets: str, knowledge: str, token_file: str, jwks: str) -> None:
    """Both halves of the consumer, once."""
    service = build(
        settings_for(
            Settings,
            database_url=SecretStr(database_url),
            tickets_address=tickets,
            knowledge_address=knowledge,
            service_token_file=Path(token_file),
            service_jwks=jwks,
        )
    )
    await service.database.open()
    await handle(service, filed)


if __name__ == "__main__":
    told = json.loads(sys.argv[1])
    ids = {name: uuid.UUID(told[name]) for name in ("run_id", "message_id", "conversation_id", "ticket_id")}
    named = {name: told[name] for name in ("database_url", "tickets", "knowledge", "token_file", "jwks")}
    asyncio.run(attempt(Filed(**ids, version=told["version"]), **named))
