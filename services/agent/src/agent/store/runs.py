"""Runs, their steps, and the sentences of their replies."""

import json
import uuid
from datetime import datetime

from asyncpg import Record

from agent.model import Ending, Filed, Outcome, Reason, Run, Sentence, Step, Usage
from agent.store.queries import QUERIES
from agent.store.usages import add_usages
from meshkit.database import Connection


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
        run.reply_id,
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
    if run.sentences:
        await connection.execute(
            QUERIES.add_sentences,
            filed.run_id,
            [sentence.text for sentence in run.sentences],
            [sentence.passage for sentence in run.sentences],
            [sentence.heading for sentence in run.sentences],
            [sentence.quote for sentence in run.sentences],
        )
    await add_usages(connection, filed.run_id, run.usages, run.end_time)
    return True


async def get_run(connection: Connection, run_id: uuid.UUID) -> Run | None:
    """Returns one run with its steps and sentences."""
    row = await connection.fetchrow(QUERIES.get_run, run_id)
    if row is None:
        return None
    steps = await connection.fetch(QUERIES.list_steps, run_id)
    sentences = await connection.fetch(QUERIES.list_sentences, run_id)
    return _run(row, tuple(map(_step, steps)), tuple(Sentence(**sentence) for sentence in sentences))


async def find_run_of_reply(connection: Connection, reply_id: uuid.UUID) -> Run | None:
    """Returns the run that wrote a message of the desk."""
    run_id = await connection.fetchval(QUERIES.find_run_of_reply, reply_id)
    return None if run_id is None else await get_run(connection, run_id)


async def find_run_of_conversation(connection: Connection, conversation_id: uuid.UUID) -> Run | None:
    """Returns the run that answered a conversation last, or called a person."""
    run_id = await connection.fetchval(QUERIES.find_run_of_conversation, conversation_id)
    return None if run_id is None else await get_run(connection, run_id)


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


def _run(row: Record, steps: tuple[Step, ...] = (), sentences: tuple[Sentence, ...] = ()) -> Run:
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
        usages={model: Usage(*used) for model, used in json.loads(row["usages"] or "{}").items()},
        reply_id=row["reply_id"],
        sentences=sentences,
    )


def _step(row: Record) -> Step:
    return Step(row["name"], Outcome(row["outcome"]), json.loads(row["facts"]), row["duration_ms"])
