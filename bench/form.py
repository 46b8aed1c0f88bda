"""Forms accepted and durable at 200 concurrent: channels behind the gateway against a monolith.

All share one PostgreSQL and one Kafka, durable as in `make up`, and the same load generator sends them the same forms
in turns (A B C D D C B A …). Of the mesh only what takes a form in runs: gateway and channels, its relay included. The
monolith (`bench/baseline`) runs with as many processes as suit it best, in three ways:

- with an outbox, as durable as channels, without a proxy: what the ratio is taken against;
- the same behind Envoy, as it would stand before customers;
- with Kafka's acknowledgement in place of an outbox, without a proxy: often written, and less durable.

A turn's CPU time counts until all it left in an outbox is published.

    python -m bench form
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncpg
import psutil

from bench import load, stage, usage
from bench.arithmetic import median, percentile
from bench.baseline.app import TOPIC
from bench.baseline.server import Monolith, Proxy
from bench.load import Answers, Question
from bench.profile import Profile
from local.kafka import create_topics
from local.mesh import Mesh
from local.ports import free_ports
from local.provision import create_database

CONNECTIONS = 200
ROUNDS = 5
WARM_SECONDS = 3.0
ROUND_SECONDS = 6.0
TRIAL_SECONDS = 3.0
WORKERS_TRIED = (1, 2, 3)
DRAIN_SECONDS_MAX = 60.0
PARTITIONS = 12
_UNPUBLISHED = "select exists (select 1 from outbox where published_at is null and refused_at is null)"
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
    """One of those compared, and what was measured of it."""

    name: str
    port: int
    parts: dict[str, psutil.Process]
    drained: Callable[[], bool]
    server: Monolith | None = None
    turns: list[Answers] = field(default_factory=list)
    cpu_us: list[dict[str, float]] = field(default_factory=list)

    def turn(self, number: int, seconds: float = ROUND_SECONDS) -> None:
        """One round of load."""
        before = usage.cpu_seconds(self.parts)
        answers = load.closed(
            self.port, QUESTIONS, connections=CONNECTIONS, seconds=seconds, run=f"{time.time_ns()}-{number}"
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
                f"p{share}_ms": round(
                    1000 * median([percentile(each.latencies, share / 100) for each in self.turns]), 1
                )
                for share in (50, 95, 99)
            },
            "refused": refused,
            "cpu_us_per_form": {name: round(median([used[name] for used in self.cpu_us])) for name in self.cpu_us[0]},
        }


def measure(rounds: int = ROUNDS) -> dict[str, Any]:
    """Every side's figures, ratios of throughput, and what the monolith did at each number of processes."""
    with stage.mesh(services=("channels",)) as mesh, ExitStack() as stack:
        database = _prepare_monolith(mesh)
        tried = {events: _try(mesh, database, events) for events in ("outbox", "acked")}
        best = {events: max(rates, key=lambda workers: rates[workers]) for events, rates in tried.items()}
        outbox, acked = (stack.enter_context(_monolith(mesh, database, way, best[way])) for way in ("outbox", "acked"))
        sides = [
            Side("mesh", mesh.ports.gateway, usage.processes(mesh), _published(mesh.dsn("channels"), _UNPUBLISHED)),
            outbox,
            stack.enter_context(_behind_envoy(mesh, outbox)),
            acked,
        ]
        for side in sides:
            side.turn(0, WARM_SECONDS)
            side.forget()
        for number in range(1, rounds + 1):
            for side in sides if number % 2 else reversed(sides):
                side.turn(number)
        ours, *theirs = sides
        figures = {side.name: side.figures() for side in sides}
        with Profile.taken({"channels": ours.parts["channels"].pid}, ROUND_SECONDS - 1) as profiles:
            # After the figures were taken: being looked at slows it a little.
            ours.turn(rounds + 1)
        ours.turns.pop()
    return {
        "sides": figures,
        "monolith_per_second_by_processes": tried,
        "monolith_processes": best,
        "shares_of_python_time": profiles,
        "throughput_ratio": {other.name: _ratio(ours, other) for other in theirs},
    }


def _ratio(ours: Side, theirs: Side) -> float:
    """Of neighbouring turns, so that a slow second counts on both sides."""
    pairs = zip(ours.turns, theirs.turns, strict=True)
    return round(median([mine.per_second / other.per_second for mine, other in pairs]), 3)


def _try(mesh: Mesh, database: str, events: str) -> dict[int, int]:
    """Forms a second by the number of processes."""
    rates = {}
    for workers in WORKERS_TRIED:
        with _monolith(mesh, database, events, workers) as side:
            side.turn(0, WARM_SECONDS / 2)
            side.forget()
            side.turn(1, TRIAL_SECONDS)
            rates[workers] = round(side.turns[0].per_second)
    return rates


@contextmanager
def _monolith(mesh: Mesh, dsn: str, events: str, workers: int) -> Iterator[Side]:
    environment = {
        **stage.environment(),
        "BASELINE_EVENTS": events,
        "DATABASE_URL": dsn,
        "KAFKA_BOOTSTRAP_SERVERS": mesh.bootstrap_servers,
        "STATUS_TOKEN_KEY": "a key of the bench alone",
        "PUBLIC_URL": mesh.url,
    }
    server = Monolith(free_ports(1)[0], workers, environment, mesh.state / "logs" / f"monolith-{events}-{workers}.log")
    try:
        server.start()
        parts = {"monolith": psutil.Process(server.child.pid), **_shared(mesh)}
        yield Side(server.name, server.port, parts, _published(dsn, "select exists (select 1 from outbox)"), server)
    finally:
        server.stop()


@contextmanager
def _behind_envoy(mesh: Mesh, behind: Side) -> Iterator[Side]:
    assert behind.server is not None
    port, admin_port = free_ports(2)
    proxy = Proxy(behind.server, port, admin_port, mesh.state / "logs" / "proxy.log")
    try:
        proxy.start()
        parts = {**behind.parts, "proxy": psutil.Process(proxy.child.pid)}
        yield Side(f"{behind.name} behind Envoy", proxy.port, parts, behind.drained)
    finally:
        proxy.stop()


def _shared(mesh: Mesh) -> dict[str, psutil.Process]:
    return {name: process for name, process in usage.processes(mesh).items() if name in ("PostgreSQL", "Kafka")}


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


def _published(dsn: str, pending: str) -> Callable[[], bool]:
    async def ask() -> bool:
        connection = await asyncpg.connect(dsn)
        try:
            return not await connection.fetchval(pending)
        finally:
            await connection.close()

    return lambda: asyncio.run(ask())


def _until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + DRAIN_SECONDS_MAX
    while not condition():
        if time.monotonic() > ends:
            raise TimeoutError(f"the outbox was not published within {DRAIN_SECONDS_MAX:g} s")
        time.sleep(0.1)
