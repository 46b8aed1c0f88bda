"""From the form to the stored reply, through the whole mesh, with the local model: how quickly, and how many.

Forms come in an open loop: at a steady rate, whatever became of those before, and a form's time counts from when it was
due. It ends when the desk has committed the reply. Nothing is asked of the mesh meanwhile: the time of the commit is
PostgreSQL's own (`track_commit_timestamp`, read afterwards by the timeline's row of the reply, which is written in the
same transaction and never changed), and generator and server read the same clock.

The questions are those that the documents answer of `context/sample-tickets.json` and `evaluation/more_questions.json`,
as forms. There are more of them than the agent remembers to have read, and what knowledge remembers is switched off:
customers do not repeat each other word for word. Mails that tell of forms are switched off, too: of so many, Gmail's
quota would let hardly any through.

    python -m bench journey
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import asyncpg

from bench import load, stage, usage
from bench.arithmetic import outstanding, percentile, percentiles
from bench.load import Answers
from bench.profile import Profile
from bench.requests import Forms, Question
from evaluation.questions import more_questions, samples
from local.mesh import Mesh
from local.paths import CONTEXT

STEADY_RATE = 20.0
STEADY_SECONDS = 30.0
# Long enough for the broker's Java to have compiled what it runs most.
WARM_RATE, WARM_SECONDS = 30.0, 20.0
BURST_RATE, BURST_SECONDS = 150.0, 4.0
SUSTAINED_SECONDS = 15.0
TRIES_MAX = 4
PROFILED, PROFILE_SECONDS = ("agent", "tickets", "channels", "knowledge", "identity"), 8.0
ENDED_SECONDS_MAX = 60.0
# A backlog that grows shows in the last third: what is due there waits longer and longer.
TAIL_SECONDS_MAX = 1.0

_ENDED = """
select ticket.reference, entry.kind, extract(epoch from pg_xact_commit_timestamp(entry.xmin))::float8 as committed
from tickets.timeline_entries as entry
join tickets.tickets as ticket on ticket.id = entry.ticket_id
where entry.kind in ('REPLIED', 'ESCALATED') and ticket.reference = any($1::text[])
"""


@dataclass(frozen=True)
class Ending:
    """How a form ended, and when that was committed (seconds since 1970)."""

    kind: str
    committed: float


@dataclass
class Run:
    """One open loop and what became of its forms."""

    rate: float
    answers: Answers
    endings: dict[str, Ending]
    cpu_us: dict[str, float]

    @property
    def seconds(self) -> list[float]:
        """How long each form took to its ending, in the order they were due."""
        return [self.endings[name].committed - due for name, due in self.answers.due.items() if name in self.endings]

    @property
    def sustained(self) -> bool:
        """Whether every form was accepted and ended, and those due last did not wait for those before."""
        if self.answers.statuses.keys() != {200} or len(self.endings) < self.answers.accepted:
            return False
        return percentile(self.seconds[len(self.seconds) * 2 // 3 :], 0.95) <= TAIL_SECONDS_MAX

    def figures(self) -> dict[str, Any]:
        """The run in a few numbers."""
        due = list(self.answers.due.values())
        done = [ending.committed for ending in self.endings.values()]
        return {
            "asked_per_second": round(self.rate, 1),
            "forms": self.answers.statuses.total(),
            "accepted": self.answers.accepted,
            **{f"{kind.lower()}": count for kind, count in Counter(e.kind for e in self.endings.values()).items()},
            "without_ending": self.answers.accepted - len(self.endings),
            **percentiles(self.seconds),
            "in_work_at_the_end": outstanding(due, done, max(due)),
            "accepted_ms": percentiles(self.answers.latencies),
            "cpu_us_per_message": {name: round(used) for name, used in self.cpu_us.items()},
        }


def measure() -> dict[str, Any]:
    """Latency at the steady rate, the rate that a burst is worked off at, and the highest rate that was sustained."""
    environment = {"FORM_MAILS": "false", "QUESTIONS_REMEMBERED": "0"}
    with stage.mesh(environment=environment, postgres_settings={"track_commit_timestamp": "on"}) as mesh:
        _run(mesh, WARM_RATE, WARM_SECONDS)
        steady = _run(mesh, STEADY_RATE, STEADY_SECONDS)
        burst = _run(mesh, BURST_RATE, BURST_SECONDS)
        began = min(burst.answers.due.values())
        worked_off = len(burst.endings) / (max(each.committed for each in burst.endings.values()) - began)
        tried = []
        rate = 0.95 * worked_off
        for _ in range(TRIES_MAX):
            run = _run(mesh, rate, SUSTAINED_SECONDS)
            tried.append({**run.figures(), "sustained": run.sustained})
            if run.sustained:
                break
            rate *= 0.88
        pids = {name: process.pid for name, process in usage.processes(mesh).items() if name in PROFILED}
        with Profile.taken(pids, PROFILE_SECONDS) as profiles:
            _run(mesh, STEADY_RATE, PROFILE_SECONDS)
        return {
            "steady": steady.figures(),
            "burst": burst.figures(),
            "burst_worked_off_per_second": round(worked_off, 1),
            "sustained_per_second": round(rate, 1) if run.sustained else 0,
            "tried": tried,
            "shares_of_python_time": profiles,
        }


def questions() -> list[Question]:
    """Questions that the knowledge base answers, in an order that has nothing to do with what they are about."""
    every = [*samples(CONTEXT), *more_questions()]
    alone = [each for each in every if each.ending == "reply" and not each.earlier]
    answered = [Question(each.subject or "A question", each.text) for each in alone]
    return sorted(answered, key=lambda question: hashlib.sha256(question.message.encode()).digest())


def _run(mesh: Mesh, rate: float, seconds: float) -> Run:
    parts = usage.processes(mesh)
    before = usage.cpu_seconds(parts)
    answers = load.opened(mesh.ports.gateway, Forms(questions()), rate=rate, seconds=seconds, run=str(time.time_ns()))
    assert mesh.postgres is not None
    endings = asyncio.run(_endings(mesh.postgres.dsn("fte"), list(answers.due)))
    after = usage.cpu_seconds(parts)
    used = {name: 1e6 * (after[name] - before[name]) / max(1, len(endings)) for name in after}
    used["load generator"] = 1e6 * answers.cpu_seconds / max(1, len(endings))
    return Run(rate, answers, endings, used)


async def _endings(dsn: str, references: list[str]) -> dict[str, Ending]:
    """The ending of each, once all have one or the time is over."""
    connection = await asyncpg.connect(dsn)
    try:
        ends = time.monotonic() + ENDED_SECONDS_MAX
        while True:
            rows = await connection.fetch(_ENDED, references)
            endings = {row["reference"]: Ending(row["kind"], row["committed"]) for row in rows}
            if len(endings) == len(references) or time.monotonic() > ends:
                return endings
            await asyncio.sleep(0.5)
    finally:
        await connection.close()
