"""A service as a process: how it starts, how it refuses to, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import httpx
import pytest

from local.fixtures import MakeDatabase
from meshkit.migrations import migrate
from meshkit.settings import ServiceSettings
from meshkit.testing import echo, eventually, settings_for

# The service's name is one that the database knows; the package is made for the test.
MAIN = """
import asyncio, os
from meshkit.database import Database
from meshkit.run import run
from meshkit.service import Service
from meshkit.settings import ServiceSettings
from meshkit.testing import echo
from meshkit.timers import Timer

MODE = os.environ.get("MODE", "")

class Slow(echo.Echo):
    async def Say(self, request, context):
        if request.text == "slow":
            print("BEGUN", flush=True)
            await asyncio.sleep(0.5)
        return await super().Say(request, context)

class Resource:
    async def __aenter__(self):
        print("ENTERED", flush=True)
    async def __aexit__(self, *_):
        print("LEFT", flush=True)

async def prepare():
    print("PREPARING", flush=True)
    if MODE == "long start":
        await asyncio.sleep(60)
    if MODE == "bad start":
        raise RuntimeError("ada@example.com")

def build(settings):
    database = Database(settings.database_url.get_secret_value(), timeout_seconds=5)
    service = Service("tickets", settings, database, [echo.door(Slow())], echo.OPEN_TO_ALL, "tiny",
        on_start=[prepare], resources=[Resource()])
    return service

class Worker:
    name = "work"
    def __init__(self):
        self.stopping = asyncio.Event()
    async def run(self):
        print("WORKING", flush=True)
        await self.stopping.wait()
        print("WORK DONE", flush=True)
    def stop(self):
        self.stopping.set()

if MODE == "worker":
    inner = build
    def build(settings):
        import dataclasses
        return dataclasses.replace(inner(settings), workers=[Worker()])

if MODE == "crash":
    import meshkit.run
    async def run_timers(timers):
        raise RuntimeError("ada@example.com")
    meshkit.run.run_timers = run_timers
    inner = build
    def build(settings):
        import dataclasses
        async def tick(): pass
        return dataclasses.replace(inner(settings), timers=[Timer("tick", 60, tick)])

run("tickets", ServiceSettings, build)
"""


@dataclass
class Process:
    """The service's process, with what it has written so far."""

    process: asyncio.subprocess.Process
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)

    async def says(self, text: str) -> str:
        """The first line of its output with this in it."""

        def found() -> str | None:
            return next((line for line in self.out if text in line), None)

        line = await eventually(found, 20)
        assert line is not None
        return line

    async def ready(self) -> int:
        return int(json.loads(await self.says("service.ready"))["port"])

    async def ended(self) -> int:
        code = await asyncio.wait_for(self.process.wait(), 20)
        await eventually(lambda: self.process.stdout is not None and self.process.stdout.at_eof())
        return code


@pytest.fixture
def environment(make_database: MakeDatabase, tmp_path: Path) -> dict[str, str]:
    package = tmp_path / "tiny"
    (package / "migrations").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(MAIN)
    (package / "migrations" / "0001_words.sql").write_text("create table words (word text primary key);")
    settings = settings_for(ServiceSettings)
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(tmp_path),
        "DATABASE_URL": make_database("tickets"),
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "GRPC_PORT": "0",
        "METRICS_PORT": "0",
        "PAGE_TOKEN_KEY": "a key for tests only",
        "SERVICE_JWKS": settings.service_jwks,
        "STAFF_JWKS": settings.staff_jwks,
        "DRAIN_SECONDS": "5",
    }


@asynccontextmanager
async def started(environment: dict[str, str], *arguments: str, **more: str) -> AsyncIterator[Process]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tiny", *arguments, env=environment | more, stdout=pipe, stderr=pipe
    )
    running = Process(process)

    async def gather(stream: asyncio.StreamReader | None, into: list[str]) -> None:
        assert stream is not None
        async for line in stream:
            into.append(line.decode())

    reading = [
        asyncio.create_task(gather(process.stdout, running.out)),
        asyncio.create_task(gather(process.stderr, running.err)),
    ]
    try:
        yield running
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await asyncio.gather(*reading)


@pytest.fixture
async def migrated(environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tiny", raising=False)
    await migrate(environment["DATABASE_URL"], schema="tickets", package="tiny")
    return environment


async def test_it_refuses_to_start_before_its_migrations_and_starts_after(environment: dict[str, str]) -> None:
    async with started(environment) as process:
        assert await process.ended() == 1
        await eventually(lambda: process.err)
        (sentence,) = process.err
        assert "0001_words" in sentence
        assert "python -m tickets migrate" in sentence
    async with started(environment, "migrate") as process:
        assert await process.ended() == 0
    async with started(environment) as process:
        await process.ready()


async def test_it_serves_calls_and_ends_cleanly_on_sigterm(migrated: dict[str, str]) -> None:
    async with started(migrated) as process:
        port = await process.ready()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            assert (await echo.stub(channel).Say(echo.say("hello"))).text == "hello"
            slow = asyncio.ensure_future(echo.stub(channel).Say(echo.say("slow")))
            await process.says("BEGUN")
            process.process.send_signal(signal.SIGTERM)
            assert (await slow).text == "slow", "a call in flight finishes"
        assert await process.ended() == 0
        assert [line.strip() for line in process.out if line.isupper()] == ["ENTERED", "PREPARING", "BEGUN", "LEFT"]
        events = [json.loads(line)["event"] for line in process.out if line.startswith("{")]
        # When the lines of calls are written is up to their batch.
        assert [event for event in events if event != "rpc"] == ["service.ready", "service.stopping", "service.stopped"]
        assert events.count("rpc") == 2
        assert process.err == []


async def test_a_stop_during_a_long_start_is_heard(migrated: dict[str, str]) -> None:
    async with started(migrated, MODE="long start") as process:
        await process.says("PREPARING")
        process.process.send_signal(signal.SIGTERM)
        assert await process.ended() == 0
        assert not any("service.ready" in line for line in process.out)


async def test_a_worker_works_until_the_stop_and_ends_what_it_has_in_hand(migrated: dict[str, str]) -> None:
    async with started(migrated, MODE="worker") as process:
        await process.ready()
        await process.says("WORKING")
        process.process.send_signal(signal.SIGTERM)
        assert await process.ended() == 0
        assert [line.strip() for line in process.out if line.startswith("WORK")] == ["WORKING", "WORK DONE"]


async def test_a_crash_of_a_background_task_ends_the_process(migrated: dict[str, str]) -> None:
    async with started(migrated, MODE="crash") as process:
        assert await process.ended() == 1
        line = json.loads(await process.says("service.crashed"))
        assert (line["error_type"], line["level"]) == ("RuntimeError", "error")
        assert "ada@example" not in "".join(process.out + process.err)


async def test_a_start_that_fails_by_a_fault_says_where_and_nothing_private(migrated: dict[str, str]) -> None:
    async with started(migrated, MODE="bad start") as process:
        assert await process.ended() == 1
        line = json.loads(await process.says("service.crashed"))
        assert line["error_type"] == "RuntimeError"
        assert "tiny/__main__.py" in line["stack"]
        assert "ada@example" not in "".join(process.out + process.err)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"GRPC_PORT": "", "STAFF_JWKS": ""}, "GRPC_PORT is missing"),
        ({"DATABASE_URL": "postgresql://tickets:wrong@127.0.0.1:1/none"}, "Postgres cannot be reached"),
        ({"STAFF_JWKS": "no-such-file"}, "STAFF_JWKS must be a JWKS"),
    ],
)
async def test_what_keeps_it_from_starting_is_one_sentence(
    migrated: dict[str, str], changes: dict[str, str], sentence: str
) -> None:
    async with started(migrated, **changes) as process:
        assert await process.ended() == 1
        await eventually(lambda: process.err)
        text = "".join(process.err)
        assert sentence in text
        assert "Traceback" not in text
        assert "wrong" not in text


async def test_a_wrong_password_is_told_from_an_absent_server(environment: dict[str, str]) -> None:
    address = environment["DATABASE_URL"]
    user, _, rest = address.removeprefix("postgresql://").partition(":")
    host = rest.rpartition("@")[2]
    async with started(environment, DATABASE_URL=f"postgresql://{user}:guessed@{host}") as process:
        assert await process.ended() == 1
        await eventually(lambda: process.err)
        assert "no such role, password or database" in "".join(process.err)


async def test_a_taken_port_is_one_sentence(migrated: dict[str, str]) -> None:
    async with started(migrated) as first:
        port = await first.ready()
        async with started(migrated, GRPC_PORT=str(port)) as second:
            assert await second.ended() == 1
            await eventually(lambda: second.err)
            assert "GRPC_PORT" in "".join(second.err)


async def test_an_unknown_command_shows_the_usage(environment: dict[str, str]) -> None:
    async with started(environment, "dance") as process:
        assert await process.ended() == 2
        await eventually(lambda: process.err)
        assert process.err == ["usage: python -m tickets [migrate]\n"]


async def test_metrics_are_served_beside_grpc(migrated: dict[str, str], unused_tcp_port: int) -> None:
    async with started(migrated, METRICS_PORT=str(unused_tcp_port)) as process:
        await process.ready()
        async with httpx.AsyncClient() as client:
            page = (await client.get(f"http://127.0.0.1:{unused_tcp_port}/metrics")).text
        assert "rpc_server_in_flight 0.0" in page
