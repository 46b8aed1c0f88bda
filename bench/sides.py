"""Those compared at taking something in: the mesh, and the monolith in its several ways.

All share one PostgreSQL and one Kafka, durable as in `make up`, and the same load generator sends them the same
requests in turns (A B C C B A …). A turn's CPU time counts until all it left in an outbox is published.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncpg
import psutil

from bench import load, stage, usage
from bench.arithmetic import median, percentile
from bench.baseline.desk import TOPIC
from bench.baseline.server import Monolith, Proxy
from bench.load import Answers
from bench.requests import Requests
from local.kafka import create_topics
from local.mesh import Mesh
from local.ports import free_ports
from local.provision import create_database

CONNECTIONS = 200
WORKERS_TRIED = (1, 2, 3)
DRAIN_SECONDS_MAX = 60.0
PARTITIONS = 12
SCHEMA = Path(__file__).parent / "baseline" / "schema.sql"
_UNPUBLISHED = "select exists (select 1 from outbox where published_at is null and refused_at is null)"
_UNPUBLISHED_OF_MONOLITH = "select exists (select 1 from outbox)"


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

    def turn(self, requests: Requests, number: int, seconds: float) -> None:
        """One round of load."""
        before = usage.cpu_seconds(self.parts)
        answers = load.closed(
            self.port, requests, connections=CONNECTIONS, seconds=seconds, run=f"{time.time_ns()}-{number}"
        )
        _until(self.drained)
        after = usage.cpu_seconds(self.parts)
        used = {name: 1e6 * (after[name] - before[name]) / max(1, answers.accepted) for name in after}
        used["load generator"] = 1e6 * answers.cpu_seconds / max(1, answers.accepted)
        self.turns.append(answers)
        self.cpu_us.append(used)

    def forget(self) -> None:
        """Drops what was measured so far."""
        self.turns, self.cpu_us = [], []

    def figures(self, what: str) -> dict[str, Any]:
        """Medians over the rounds; `what` is the thing that was taken in."""
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
            f"cpu_us_per_{what}": {
                name: round(median([used[name] for used in self.cpu_us])) for name in self.cpu_us[0]
            },
        }


def compare(sides: Sequence[Side], requests: Requests, *, rounds: int, seconds: float, warm_seconds: float) -> None:
    """So many turns for each side, after one that does not count."""
    for side in sides:
        side.forget()
        side.turn(requests, 0, warm_seconds)
        side.forget()
    for number in range(1, rounds + 1):
        for side in sides if number % 2 else reversed(sides):
            side.turn(requests, number, seconds)


def ratio(ours: Side, theirs: Side) -> float:
    """Throughput of neighbouring turns, so that a slow second counts on both sides."""
    pairs = zip(ours.turns, theirs.turns, strict=True)
    return round(median([mine.per_second / other.per_second for mine, other in pairs]), 3)


def rate(side: Side, requests: Requests, *, seconds: float, warm_seconds: float) -> int:
    """Requests a second in one short turn."""
    side.turn(requests, 0, warm_seconds)
    side.forget()
    side.turn(requests, 1, seconds)
    found = round(side.turns[0].per_second)
    side.forget()
    return found


def ours(mesh: Mesh) -> Side:
    """Channels behind the gateway, with all that runs beside it."""
    return Side("mesh", mesh.ports.gateway, usage.processes(mesh), _published(mesh.dsn("channels"), _UNPUBLISHED))


@contextmanager
def monolith(
    mesh: Mesh, dsn: str, workers: int, *, events: str = "outbox", environment: Mapping[str, str] | None = None
) -> Iterator[Side]:
    """The monolith with so many processes. `environment` is what it is told beside the database and Kafka."""
    told = {
        **stage.inherited(),
        "BASELINE_EVENTS": events,
        "DATABASE_URL": dsn,
        "KAFKA_BOOTSTRAP_SERVERS": mesh.bootstrap_servers,
        "STATUS_TOKEN_KEY": "a key of the bench alone",
        "PUBLIC_URL": mesh.url,
        **(environment or {}),
    }
    server = Monolith(free_ports(1)[0], workers, told, mesh.state / "logs" / f"monolith-{events}-{workers}.log")
    try:
        server.start()
        parts = {"monolith": psutil.Process(server.child.pid), **_shared(mesh)}
        yield Side(server.name, server.port, parts, _published(dsn, _UNPUBLISHED_OF_MONOLITH), server)
    finally:
        server.stop()


@contextmanager
def behind_envoy(mesh: Mesh, behind: Side) -> Iterator[Side]:
    """The same monolith, as it would stand before customers."""
    assert behind.server is not None
    port, admin_port = free_ports(2)
    proxy = Proxy(behind.server, port, admin_port, mesh.state / "logs" / "proxy.log")
    try:
        proxy.start()
        parts = {**behind.parts, "proxy": psutil.Process(proxy.child.pid)}
        yield Side(f"{behind.name} behind Envoy", proxy.port, parts, behind.drained)
    finally:
        proxy.stop()


def prepare_monolith(mesh: Mesh, *statements: str) -> str:
    """The monolith's own database and topic, on the mesh's servers; `statements` are run in it. Its address."""
    assert mesh.postgres is not None
    dsn = mesh.postgres.dsn("baseline")

    async def prepare() -> None:
        assert mesh.postgres is not None
        await create_database(mesh.postgres.dsn(), "baseline")
        connection = await asyncpg.connect(dsn)
        for statement in (SCHEMA.read_text(), *statements):
            await connection.execute(statement)
        await connection.close()
        topic = SimpleNamespace(name=TOPIC, partitions=PARTITIONS, retention_ms=None)
        await create_topics(mesh.bootstrap_servers, [topic])

    asyncio.run(prepare())
    return dsn


def _shared(mesh: Mesh) -> dict[str, psutil.Process]:
    return {name: process for name, process in usage.processes(mesh).items() if name in ("PostgreSQL", "Kafka")}


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
