"""Relays and consumers die by SIGKILL at random and at the worst places; a ledger says what became of every event."""

import asyncio
import contextlib
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from google.protobuf.wrappers_pb2 import StringValue

from local.processes import Child, spawn
from meshkit.envelope import Event
from meshkit.testing import eventually
from meshkit.testing.streams import Stream

KEYS = 20


@dataclass
class Ledger:
    """What was promised in a committed transaction, against the effects there are."""

    promised: int
    lost: int
    doubled: int
    unpromised: int
    out_of_order: int


@dataclass
class Mesh:
    """The processes of one run, and the publisher."""

    stream: Stream
    folder: Path
    environment: dict[str, str]
    children: dict[str, Child] = field(default_factory=dict)

    def start(self, name: str, **environment: str) -> Child:
        script = Path(__file__).with_name("stream_process.py")
        command: list[str | Path] = [
            sys.executable,
            script,
            name.partition("-")[0],
            self.stream.topic,
            self.stream.dead_letters,
        ]
        self.children[name] = spawn(
            name, command, environment=self.environment | environment, log=self.folder / f"{name}.log"
        )
        return self.children[name]

    async def kill(self, name: str) -> None:
        """End the process at once and start it again."""
        await asyncio.to_thread(self.children[name].kill)
        self.start(name)

    async def publish(self, rate: float, enough: asyncio.Event) -> None:
        """Events at about this rate until there are enough, each with its promise in the same transaction."""
        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(self._publish(rate / 4, enough))

    async def _publish(self, rate: float, enough: asyncio.Event) -> None:
        while not enough.is_set():
            key = f"key-{random.randrange(KEYS)}"
            async with self.stream.database.transaction() as connection:
                # The row lock makes the outbox ids of a key follow its numbers.
                number = await connection.fetchval(
                    "insert into promises (key) values ($1) "
                    "on conflict (key) do update set number = promises.number + 1 returning number",
                    key,
                )
                message = StringValue(value=str(number))
                await self.stream.outbox.publish(connection, Event(self.stream.topic, key, message))
            await asyncio.sleep(random.expovariate(rate))

    async def ledger(self) -> Ledger:
        async with self.stream.database.connection() as connection:
            row = await connection.fetchrow("""
                with promised as (select key, generate_series(1, number)::text as said from promises),
                     counted as (select key, said, count(*) as times from effects group by key, said),
                     firsts as (select key, said, min(id) as id from effects group by key, said),
                     ordered as (select said::int as number, lag(said::int) over of_key as before
                                 from firsts window of_key as (partition by key order by id))
                select (select count(*) from promised) as promised,
                       (select count(*) from promised left join counted using (key, said) where times is null) as lost,
                       (select count(*) from counted where times > 1) as doubled,
                       (select count(*) from counted left join promised using (key, said)
                        where promised.key is null) as unpromised,
                       (select count(*) from ordered where number < before) as out_of_order
            """)
        assert row is not None
        return Ledger(**dict(row))

    async def nothing_is_lost(self) -> bool:
        return (await self.ledger()).lost == 0


@contextlib.asynccontextmanager
async def meshed(stream: Stream, folder: Path, **environment: str) -> AsyncIterator[Mesh]:
    async with stream.database.connection() as connection:
        await connection.execute("create table promises (key text primary key, number int not null default 1)")
    settings = stream.settings
    mesh = Mesh(
        stream,
        folder,
        {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": settings.database_url.get_secret_value(),
            "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
        }
        | environment,
    )
    try:
        yield mesh
    finally:
        for child in mesh.children.values():
            child.send_signal(signal.SIGTERM)
        for child in mesh.children.values():
            await asyncio.to_thread(child.stop, 5)


async def storm(mesh: Mesh, *, seed: int, kills: dict[str, int]) -> None:
    """Publish while these processes are killed so many times each, in random order, each time in the middle of work."""
    dice = random.Random(seed)
    victims = [name for name, times in kills.items() for _ in range(times)]
    dice.shuffle(victims)
    for name in kills:
        mesh.start(name)
    enough = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(mesh.publish(250, enough))
        for name in victims:
            effects = len(await mesh.stream.effects())

            async def goes_on(before: int = effects) -> bool:
                return len(await mesh.stream.effects()) > before

            await eventually(goes_on, 20)
            await asyncio.sleep(dice.uniform(0, 0.4))
            await mesh.kill(name)
        enough.set()


async def test_random_kills_lose_nothing_double_nothing_and_keep_the_order(
    stream: Stream, tmp_path: Path, seed: int
) -> None:
    async with meshed(stream, tmp_path) as mesh:
        await storm(mesh, seed=seed, kills={"relay-1": 3, "relay-2": 2, "consumer-1": 1, "consumer-2": 1})
        await eventually(mesh.nothing_is_lost, 20)
        ledger = await mesh.ledger()
    print(ledger)
    assert ledger == Ledger(ledger.promised, lost=0, doubled=0, unpromised=0, out_of_order=0)


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(1, 6))
async def test_a_minute_of_random_kills_loses_nothing(stream: Stream, tmp_path: Path, seed: int) -> None:
    async with meshed(stream, tmp_path) as mesh:
        await storm(mesh, seed=seed, kills={"relay-1": 10, "relay-2": 10, "consumer-1": 4, "consumer-2": 4})
        await eventually(mesh.nothing_is_lost, 60)
        ledger = await mesh.ledger()
    print(ledger)
    assert ledger == Ledger(ledger.promised, lost=0, doubled=0, unpromised=0, out_of_order=0)


async def crash(mesh: Mesh, role: str, point: str) -> Ledger:
    """The ledger after one process has died at this place, and another has taken over."""
    for name in ("relay", "consumer"):
        if name != role:
            mesh.start(name)
    doomed = mesh.start(role, FTE_CRASH_POINT=point)
    enough = asyncio.Event()
    publishing = asyncio.create_task(mesh.publish(200, enough))
    assert await asyncio.to_thread(doomed.wait, 20) == -signal.SIGKILL
    enough.set()
    await publishing
    mesh.start(role)
    await eventually(mesh.nothing_is_lost, 30)
    return await mesh.ledger()


@pytest.mark.parametrize(
    ("role", "point"),
    [
        ("relay", "relay.after_produce"),
        ("consumer", "consumer.before_apply_commit"),
        ("consumer", "consumer.after_apply_commit"),
    ],
)
async def test_a_crash_at_the_worst_place_loses_nothing_and_doubles_nothing(
    stream: Stream, tmp_path: Path, role: str, point: str
) -> None:
    async with meshed(stream, tmp_path) as mesh:
        ledger = await crash(mesh, role, point)
    assert ledger == Ledger(ledger.promised, lost=0, doubled=0, unpromised=0, out_of_order=0)


async def test_the_ledger_fails_when_the_inbox_is_not_asked(stream: Stream, tmp_path: Path) -> None:
    async with meshed(stream, tmp_path, WITHOUT_INBOX="1") as mesh:
        # Committed in the database and not in Kafka: the event comes once more, every time.
        ledger = await crash(mesh, "consumer", "consumer.after_apply_commit")
    assert ledger.doubled > 0
