"""Forms accepted and durable at 200 concurrent: channels behind the gateway against the monolith without one.

Both share one PostgreSQL and one Kafka, durable as in `make up`, and the same load generator sends them the same forms
in turns (A B A B …). Of the mesh only what takes a form in runs: gateway and channels, its relay included; the monolith
runs with as many processes as suit it best. A turn's CPU time counts until what it left in the outbox is published.

    python -m bench form
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncpg
import psutil

from bench import load, stage, usage
from bench.arithmetic import median, percentile
from bench.baseline.app import TOPIC
from bench.baseline.server import Monolith
from bench.load import Answers, Question
from local.kafka import create_topics
from local.mesh import Mesh
from local.ports import free_ports
from local.provision import create_database

CONNECTIONS = 200
ROUNDS = 5
WARM_SECONDS = 4.0
ROUND_SECONDS = 8.0
TRIAL_SECONDS = 4.0
WORKERS_TRIED = (1, 2, 3)
DRAIN_SECONDS_MAX = 60.0
PARTITIONS = 12
SCHEMA = Path(__file__).parent / "baseline" / "schema.sql"
QUESTIONS = (
    Question(
        "How do I export my projects?",
        "Hello,\n\nour team would like to keep a copy of all projects at the end of each quarter. Is there a way to "
        "export them as CSV, and are the comments and the time entries part of it? We are about 40 people on the "
        "Business plan, and I am an administrator of the workspace.\n\nThank you for your help\nJordan",
    ),
    Question(
        "Cannot sign in",
        "Hi there, since this morning I cannot sign in any more: the page says that my session has expired, and the "
        "link in the mail brings me to the same page again. I tried two browsers and a private window. What can I do?",
    ),
)


@dataclass
class Side:
    """One of the two, and what was measured of it."""

    name: str
    port: int
    parts: dict[str, psutil.Process]
    drained: Callable[[], bool]
    turns: list[Answers] = field(default_factory=list)
    cpu_us: list[dict[str, float]] = field(default_factory=list)

    def turn(self, number: int, seconds: float = ROUND_SECONDS) -> None:
        """One round of load."""
        before = usage.cpu_seconds(self.parts)
        answers = load.closed(
            self.port, QUESTIONS, connections=CONNECTIONS, seconds=seconds, run=f"{self.name}-{time.time_ns()}-{number}"
        )
        _until(self.drained)
        after = usage.cpu_seconds(self.parts)
        used = {name: 1e6 * (after[name] - before[name]) / max(1, answers.accepted) for name in after}
        used["load generator"] = 1e6 * answers.cpu_seconds / max(1, answers.accepted)
        self.turns.append(answers)
        self.cpu_us.append(used)

    def forget(self) -> None:
        self.turns, self.cpu_us = [], []

    def figures(self) -> dict[str, Any]:
        """Medians over the rounds."""
        refused = sum(answers.statuses.total() - answers.accepted for answers in self.turns)
        return {
            "per_second": round(median([answers.per_second for answers in self.turns])),
            **{
                f"p{share}_ms": round(1000 * median([percentile(each.latencies, share / 100) for each in self.turns]), 1)
                for share in (50, 95, 99)
            },
            "refused": refused,
            "cpu_us_per_form": {name: round(median([used[name] for used in self.cpu_us])) for name in self.cpu_us[0]},
        }


def measure(rounds: int = ROUNDS) -> dict[str, Any]:
    """Both sides' figures, the ratio of their throughput, and what the monolith did at each number of processes."""
    with stage.mesh(services=("channels",)) as mesh:
        database = _prepare_monolith(mesh)
        shared = {name: process for name, process in usage.processes(mesh).items() if name in ("PostgreSQL", "Kafka")}
        tried = {}
        for workers in WORKERS_TRIED:
            with _monolith(mesh, database, workers) as side:
                side.parts.update(shared)
                side.turn(0, WARM_SECONDS / 2)
                side.forget()
                side.turn(1, TRIAL_SECONDS)
                tried[workers] = round(side.turns[0].per_second)
        best = max(tried, key=lambda workers: tried[workers])
        ours = Side("mesh", mesh.ports.gateway, usage.processes(mesh), lambda: _published(mesh.dsn("channels")))
        with _monolith(mesh, database, best) as theirs:
            theirs.parts.update(shared)
            for side in (ours, theirs):
                side.turn(0, WARM_SECONDS)
                side.forget()
            for number in range(1, rounds + 1):
                for side in (ours, theirs) if number % 2 else (theirs, ours):
                    side.turn(number)
    pairs = [mine.per_second / other.per_second for mine, other in zip(ours.turns, theirs.turns, strict=True)]
    return {
        "mesh": ours.figures(),
        "monolith": {"processes": best, **theirs.figures()},
        "monolith_per_second_by_processes": tried,
        "throughput_ratio": round(median(pairs), 3),
    }


@contextmanager
def _monolith(mesh: Mesh, dsn: str, workers: int) -> Iterator[Side]:
    environment = {
        **stage.environment(),
        "DATABASE_URL": dsn,
        "KAFKA_BOOTSTRAP_SERVERS": mesh.bootstrap_servers,
        "STATUS_TOKEN_KEY": "a key of the bench alone",
        "PUBLIC_URL": mesh.url,
    }
    port = free_ports(1)[0]
    server = Monolith(port, workers, environment, mesh.state / "logs" / f"monolith-{workers}.log")
    try:
        server.start()
        # It answers only after Kafka's word, so nothing is left to wait for.
        yield Side("monolith", port, {"monolith": psutil.Process(server.child.pid)}, lambda: True)
    finally:
        server.stop()


def _prepare_monolith(mesh: Mesh) -> str:
    assert mesh.postgres is not None
    dsn = mesh.postgres.dsn("baseline")

    async def prepare() -> None:
        assert mesh.postgres is not None
        await create_database(mesh.postgres.dsn(), "baseline")
        connection = await asyncpg.connect(dsn)
        await connection.execute(SCHEMA.read_text())
        await connection.close()
        topic = SimpleNamespace(name=TOPIC, partitions=PARTITIONS, retention_ms=None)
        await create_topics(mesh.bootstrap_servers, [topic])

    asyncio.run(prepare())
    return dsn


def _published(dsn: str) -> bool:
    async def ask() -> bool:
        connection = await asyncpg.connect(dsn)
        try:
            return not await connection.fetchval("select exists (select 1 from outbox where published_at is null)")
        finally:
            await connection.close()

    return asyncio.run(ask())


def _until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + DRAIN_SECONDS_MAX
    while not condition():
        if time.monotonic() > ends:
            raise TimeoutError(f"the outbox was not published within {DRAIN_SECONDS_MAX:g} s")
        time.sleep(0.1)


if __name__ == "__main__":
    import json

    print(json.dumps(measure(), indent=2))
