"""Runs and their steps."""

import json
import uuid
from datetime import datetime

from asyncpg import Record

from agent.model import Ending, Filed, Outcome, Reason, Run, Step
from meshkit import sql
from meshkit.database import Connection

QUERIES = sql.load("agent")


async def add_run(connection: Connection, run: Run) -> bool:
    """Writes a run with its steps; says whether it was new."""
    filed = run.filed
    added = await connection.fetchval(
        QUERIES.add_run,
        filed.run_id,
        filed.message_id,
        filed.ticket_id,
        filed.conversation_id,
        filed.version,
        run.ending,
        run.reason,
        run.model,
        run.policy_version,
        run.instructions_version,
        run.start_time,
        run.end_time,
    )
    if added is None:
        return False
    if run.steps:
        await connection.execute(
            QUERIES.add_steps,
            filed.run_id,
            [step.name for step in run.steps],
            [step.outcome for step in run.steps],
            [json.dumps(dict(step.facts)) for step in run.steps],
            [step.duration_ms for step in run.steps],
        )
    return True


async def get_run(connection: Connection, run_id: uuid.UUID) -> Run | None:
    """Returns one run with its steps."""
    row = await connection.fetchrow(QUERIES.get_run, run_id)
    if row is None:
        return None
    steps = await connection.fetch(QUERIES.list_steps, run_id)
    return _run(row, tuple(map(_step, steps)))


async def list_runs(
    connection: Connection,
    after: tuple[datetime, uuid.UUID] | None,
    limit: int,
    *,
    ticket_id: uuid.UUID | None,
    ending: Ending | None,
) -> list[Run]:
    """Returns up to `limit` runs that come after the given one, newest first, without steps."""
    time, run_id = after or (None, None)
    if ticket_id is None:
        rows = await connection.fetch(QUERIES.list_runs, time, run_id, ending, limit)
    else:
        rows = await connection.fetch(QUERIES.list_runs_of_ticket, time, run_id, ending, limit, ticket_id)
    return [_run(row) for row in rows]


def _run(row: Record, steps: tuple[Step, ...] = ()) -> Run:
    reason = row["escalation_reason"]
    return Run(
        filed=Filed(
            run_id=row["run_id"],
            message_id=row["message_id"],
            conversation_id=row["conversation_id"],
            ticket_id=row["ticket_id"],
            version=row["conversation_version"],
        ),
        ending=Ending(row["ending"]),
        reason=None if reason is None else Reason(reason),
        model=row["model"],
        policy_version=row["policy_version"],
        instructions_version=row["instructions_version"],
        start_time=row["start_time"],
        end_time=row["end_time"],
        steps=steps,
    )


def _step(row: Record) -> Step:
    return Step(row["name"], Outcome(row["outcome"]), json.loads(row["facts"]), row["duration_ms"])
