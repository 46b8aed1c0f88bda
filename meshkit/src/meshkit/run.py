"""From the command line to a running service, and from SIGTERM to a clean end.

`python -m tickets` serves; `python -m tickets migrate` brings its schema up to date.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import asyncpg
import uvloop
from opentelemetry.trace import Tracer

from meshkit import logs, metrics, migrations, telemetry
from meshkit.consumer import Consumer
from meshkit.database import DatabaseUnavailable
from meshkit.migrations import MigrationError
from meshkit.outbox import Outbox
from meshkit.relay import Relay
from meshkit.server import Server, ServerError
from meshkit.service import Service
from meshkit.settings import ServiceSettings, SettingsError, load
from meshkit.timers import run_timers

S = TypeVar("S", bound=ServiceSettings)

# For what is left after the drain: the relay's last round, offsets, connections.
_LAST_WORDS_SECONDS = 15.0


class StartError(Exception):
    """The service cannot start as things are; the text is one sentence for whoever starts it."""


class Crashed(Exception):
    """A background task ended by itself: the process must go, so that its supervisor starts a sound one."""


def run(name: str, settings_type: type[S], build: Callable[[S], Service], argv: Sequence[str] | None = None) -> None:
    """Runs the command that `argv` (the process's own arguments) names, until it is done or a signal ends it.

    Returns after a clean end. Exits with 1 and one sentence on standard error when the service cannot start, with 1
    after a crash, with 2 for an unknown command. A first SIGTERM or SIGINT drains, a second one kills.
    """
    commands = {(): _serve, ("migrate",): _migrate}
    command = commands.get(tuple(sys.argv[1:] if argv is None else argv))
    if command is None:
        print(f"usage: python -m {name} [migrate]", file=sys.stderr)
        raise SystemExit(2)
    try:
        settings = load(settings_type)
        logs.configure(name, settings.log_level)
        uvloop.run(command(settings, build))
    except (SettingsError, ServerError, StartError, MigrationError, DatabaseUnavailable) as error:
        print(f"{name}: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except Exception as error:
        # Not left to the interpreter: its traceback would print what an exception says.
        cause = error.__cause__ if isinstance(error, Crashed) else error
        logs.get().error("service.crashed", error=cause or error)
        raise SystemExit(1) from None


async def _migrate(settings: S, build: Callable[[S], Service]) -> None:
    service = build(settings)
    applied = await _reaching_postgres(
        migrations.migrate(settings.direct_url(), schema=service.name, package=service.migrations)
    )
    logs.get().info("service.migrated", count=len(applied))


async def _serve(settings: S, build: Callable[[S], Service]) -> None:
    stop = _stop_signals()
    # Inside the loop, because channels belong to it.
    service = build(settings)
    missing = await _reaching_postgres(
        migrations.pending(settings.direct_url(), schema=service.name, package=service.migrations)
    )
    if missing:
        raise StartError(
            f"the schema {service.name} lacks {', '.join(missing)}: run `python -m {service.name} migrate` first"
        )
    async with AsyncExitStack() as stack:
        tracer = stack.enter_context(telemetry.exporting(service.name, settings.otel_exporter_otlp_endpoint))
        try:
            stack.enter_context(metrics.served(settings.metrics_host, settings.metrics_port))
        except OSError as error:
            raise StartError(
                f"/metrics cannot listen on {settings.metrics_host}:{settings.metrics_port}: "
                "choose a free address with METRICS_HOST and METRICS_PORT"
            ) from error
        stack.push_async_callback(service.database.close)
        await service.database.open()
        for resource in service.resources:
            await stack.enter_async_context(resource)
        await _Running(service, tracer).until(stop)


async def _reaching_postgres(work: Coroutine[Any, Any, list[str]]) -> list[str]:
    try:
        return await work
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
        raise StartError("Postgres knows no such role, password or database: check DATABASE_URL") from error
    except (OSError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError) as error:
        raise StartError("Postgres cannot be reached: see that it runs, and check DATABASE_URL") from error


def _stop_signals() -> asyncio.Event:
    """Set by the first SIGTERM or SIGINT; the second has its ordinary effect, for whoever cannot wait."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def first(number: signal.Signals) -> None:
        logs.get().info("service.stopping", signal=number.name)
        stop.set()
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(each)

    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, first, each)
    return stop


class _Running:
    """A service with its database open and its resources entered: what serves calls, events and time."""

    def __init__(self, service: Service, tracer: Tracer | None) -> None:
        settings = service.settings
        self._service = service
        self._server = Server(
            settings, service.name, service.doors, service.access, tracer=tracer, contracts=service.contracts
        )
        self._relay: Relay | None = None
        self._consumer: Consumer | None = None
        if service.outbox is not None or service.subscriptions:
            self._relay = Relay(settings, service.database)
        if service.subscriptions:
            outbox = service.outbox or Outbox(f"/fte/{service.name}")
            self._consumer = Consumer(settings, service.name, service.subscriptions, service.database, outbox)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def until(self, stop: asyncio.Event) -> None:
        """Serves until `stop` is set. Raises Crashed when a background task ended first; drains in either case."""
        # Listening first: a taken port should not be found out after a long start.
        await self._server.start()
        crashed: asyncio.Task[None] | None = None
        try:
            if await self._prepared(stop):
                self._begin()
                # What was made until now stays: the collector need not look at it again.
                gc.collect()
                gc.freeze()
                await self._server.ready()
                logs.get().info("service.ready", port=self._server.port)
                crashed = await self._first_ended(stop)
        finally:
            await self._drain()
        if crashed is not None:
            error = None if crashed.cancelled() else crashed.exception()
            raise Crashed(f"{crashed.get_name()} ended by itself") from error
        logs.get().info("service.stopped")

    async def _prepared(self, stop: asyncio.Event) -> bool:
        """Runs what comes before serving; False when the signal to stop came meanwhile."""

        async def prepare_all() -> None:
            for prepare in self._service.on_start:
                await prepare()

        preparing, stopped = asyncio.create_task(prepare_all()), asyncio.create_task(stop.wait())
        await asyncio.wait({preparing, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if stopped.done():
            preparing.cancel()
            await asyncio.gather(preparing, return_exceptions=True)
            return False
        stopped.cancel()
        await preparing
        return True

    def _begin(self) -> None:
        if self._relay is not None:
            self._tasks["relay"] = asyncio.create_task(self._relay.run(), name="relay")
        if self._consumer is not None:
            self._tasks["consumer"] = asyncio.create_task(self._consumer.run(), name="consumer")
        for worker in self._service.workers:
            self._tasks[worker.name] = asyncio.create_task(worker.run(), name=worker.name)
        if self._service.timers:
            self._tasks["timers"] = asyncio.create_task(run_timers(self._service.timers), name="timers")

    async def _first_ended(self, stop: asyncio.Event) -> asyncio.Task[None] | None:
        """The background task that ended, or None when the signal to stop came first."""
        stopped = asyncio.create_task(stop.wait(), name="stop")
        await asyncio.wait({stopped, *self._tasks.values()}, return_when=asyncio.FIRST_COMPLETED)
        if stopped.done():
            return None
        stopped.cancel()
        return next(task for task in self._tasks.values() if task.done())

    async def _drain(self) -> None:
        """Health says NOT_SERVING, events in hand and calls in flight finish, and what they published goes out."""
        if self._consumer is not None:
            self._consumer.stop()
        for worker in self._service.workers:
            worker.stop()
        if "timers" in self._tasks:
            self._tasks["timers"].cancel()
        await self._server.drain()
        await self._ended("consumer", "timers", *(worker.name for worker in self._service.workers))
        # Last, so that it carries what the others still wrote.
        if self._relay is not None:
            self._relay.stop()
        await self._ended("relay")

    async def _ended(self, *names: str) -> None:
        tasks = [self._tasks[name] for name in names if name in self._tasks]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=_LAST_WORDS_SECONDS)
        for task in late:
            logs.get().warning("service.task_cut_off", timer=task.get_name())
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
