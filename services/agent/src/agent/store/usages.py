"""What models used and cost."""

import uuid
from collections.abc import Mapping
from datetime import datetime

from agent.model import DailyCost, Usage
from agent.store.queries import QUERIES
from meshkit.database import Connection


async def add_usages(
    connection: Connection, run_id: uuid.UUID, usages: Mapping[str, Usage], end_time: datetime
) -> None:
    """Writes what an attempt of a run, or a replay, has used of each model."""
    if not usages:
        return
    await connection.execute(
        QUERIES.add_usages,
        run_id,
        list(usages),
        [usage.requests for usage in usages.values()],
        [usage.input_tokens for usage in usages.values()],
        [usage.output_tokens for usage in usages.values()],
        [usage.cost_micros for usage in usages.values()],
        end_time,
    )


async def spent_since(connection: Connection, moment: datetime) -> int:
    """Returns what all models have cost since a moment, in millionths of a US dollar."""
    spent: int = await connection.fetchval(QUERIES.spent_since, moment)
    return spent


async def list_daily_costs(connection: Connection, since: datetime, limit: int) -> list[DailyCost]:
    """Returns up to `limit` days' costs by model, newest first."""
    rows = await connection.fetch(QUERIES.daily_costs, since, limit)
    return [
        DailyCost(
            row["day"],
            row["model"],
            row["runs"],
            Usage(row["requests"], row["input_tokens"], row["output_tokens"], row["cost_micros"]),
        )
        for row in rows
    ]


async def count_work(connection: Connection, since: datetime) -> tuple[int, int]:
    """Returns how many runs since a moment had something to answer, and on how many tickets."""
    row = await connection.fetchrow(QUERIES.work_since, since)
    assert row is not None, "an aggregate always has its one row"
    return row["runs"], row["tickets"]
