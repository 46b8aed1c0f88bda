"""Policies, and which of them is in force."""

import json
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from asyncpg import Record

from agent.model import PolicyRecord, Reason, RuleSummary
from meshkit import sql
from meshkit.database import Connection

POLICY_QUERIES: Final = sql.load("agent", "policies.sql")
"""The queries of policies."""


async def add_policy(connection: Connection, policy: PolicyRecord) -> bool:
    """Writes a policy; says whether its version was new."""
    rules = [[rule.name, rule.reason, rule.languages] for rule in policy.rules]
    added = await connection.fetchval(
        POLICY_QUERIES.add_policy, policy.version, policy.content, json.dumps(rules), policy.create_time
    )
    return added is not None


async def get_policy(connection: Connection, version: str) -> PolicyRecord | None:
    """Returns one policy with its content."""
    row = await connection.fetchrow(POLICY_QUERIES.get_policy, version)
    return None if row is None else _policy(row)


async def list_policies(connection: Connection, after: tuple[datetime, str] | None, limit: int) -> list[PolicyRecord]:
    """Returns up to `limit` policies that come after the given one, newest first, without content."""
    time, version = after or (None, None)
    return [_policy(row) for row in await connection.fetch(POLICY_QUERIES.list_policies, time, version, limit)]


async def put_in_force(connection: Connection, version: str, now: datetime) -> None:
    """Puts a policy that is on record in force."""
    await connection.execute(POLICY_QUERIES.put_in_force, version, now)


async def put_in_force_first(connection: Connection, version: str, now: datetime) -> None:
    """Puts a policy that is on record in force unless one is."""
    await connection.execute(POLICY_QUERIES.put_in_force_first, version, now)


async def version_in_force(connection: Connection) -> str | None:
    """Returns the version of the policy in force; None before the first one is."""
    version: str | None = await connection.fetchval(POLICY_QUERIES.version_in_force)
    return version


async def policy_versions_of_messages(connection: Connection, message_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Returns the version by which each of these messages was judged last; a message that no run ended has none."""
    rows = await connection.fetch(POLICY_QUERIES.policy_versions_of_messages, message_ids)
    return {row["message_id"]: row["policy_version"] for row in rows}


def _policy(row: Record) -> PolicyRecord:
    return PolicyRecord(
        version=row["version"],
        content=row["content"],
        rules=tuple(
            RuleSummary(name, Reason(reason), tuple(languages)) for name, reason, languages in json.loads(row["rules"])
        ),
        create_time=row["create_time"],
        active=row["active"],
    )
