"""What the kit's pipeline costs a unary call: bare grpc.aio against everything, in the same run.

Both sides run on uvloop, server and client each in a process (and, where there are two, on a core) of their own, 32
calls in flight. The full side has all of it: token, access, deadline, validation, request id, trace context, metrics,
a written log line for each call, and the kit's channel. Rounds alternate, so that a busy machine slows both alike; the
CPU time of a call, beside the throughput, hardly depends on what else runs.

    python -m bench.unary
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import grpc
import uvloop

from meshkit import logs
from meshkit.channel import connect
from meshkit.server import Server
from meshkit.settings import ServiceSettings
from meshkit.testing import echo, settings_for, tokens_for

ROUNDS = 7
ROUND_SECONDS = 1.5
IN_FLIGHT = 32
ANSWER_SECONDS = 30
CALLER = "bench"


def pin(core: int) -> None:
    """Keeps this process on one core, where the machine has that many."""
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, {core})


async def serve_bare(pipe: Connection) -> None:
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    echo.echo_pb2_grpc.add_EchoServiceServicer_to_server(echo.Echo(), server)
    pipe.send(server.add_insecure_port("127.0.0.1:0"))
    await server.start()
    await until_told(pipe)
    await server.stop(None)


async def serve_full(pipe: Connection, settings: ServiceSettings) -> None:
    with Path(os.devnull).open("w", encoding="utf-8") as sink:  # noqa: ASYNC230 - before anything is served
        logs.configure("bench", stream=sink)
        access = dict.fromkeys(echo.METHODS, frozenset({CALLER}))
        server = Server(settings, "bench", [echo.door()], access)
        await server.start()
        await server.ready()
        pipe.send(server.port)
        await until_told(pipe)
        await server.drain()


async def until_told(pipe: Connection) -> None:
    """Answers each question of the other process with this one's CPU time, until it says goodbye."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()

    def answer() -> None:
        if pipe.recv():
            pipe.send(time.process_time())
        else:
            over.set()

    loop.add_reader(pipe.fileno(), answer)
    await over.wait()


def server_process(serve: Callable[..., Any], *arguments: Any) -> None:
    pin(0)
    # As `meshkit.run` does at the end of a start; on both sides, so that only the kit's own cost is compared.
    gc.collect()
    gc.freeze()
    uvloop.run(serve(*arguments))


async def round_of(stub: Any, request: Any, seconds: float) -> tuple[int, float]:
    """How many calls were answered, in how many seconds."""
    count = 0
    began = time.perf_counter()
    ends = began + seconds

    async def caller() -> None:
        nonlocal count
        while time.perf_counter() < ends:
            await stub.Say(request)
            count += 1

    await asyncio.gather(*(caller() for _ in range(IN_FLIGHT)))
    return count, time.perf_counter() - began


class Arm:
    """One side of the comparison: its server's process, its channel, and what was measured."""

    def __init__(self, name: str, serve: Callable[..., Any], *arguments: Any) -> None:
        self.name = name
        self.rates: list[float] = []
        self.server_us: list[float] = []
        self.client_us: list[float] = []
        self.pipe, theirs = multiprocessing.get_context("spawn").Pipe()
        self.process = multiprocessing.get_context("spawn").Process(
            target=server_process, args=(serve, theirs, *arguments)
        )
        self.process.start()
        # Ours alone from here on, so that a server that dies is seen as the end of the pipe.
        theirs.close()
        self.port = int(self.heard())

    def heard(self) -> float:
        """What the server says next. Raises RuntimeError when it has died or is silent for half a minute."""
        with contextlib.suppress(EOFError):
            if self.pipe.poll(ANSWER_SECONDS):
                answer: float = self.pipe.recv()
                return answer
        self.process.kill()
        raise RuntimeError(f"the server {self.name!r} died or went silent; its own output says why")

    def server_seconds(self) -> float:
        self.pipe.send(True)
        return self.heard()

    async def measure(self, stub: Any, request: Any, seconds: float) -> None:
        served, used = self.server_seconds(), time.process_time()
        count, took = await round_of(stub, request, seconds)
        self.client_us.append((time.process_time() - used) / count * 1e6)
        self.server_us.append((self.server_seconds() - served) / count * 1e6)
        self.rates.append(count / took)

    def forget(self) -> None:
        self.rates, self.server_us, self.client_us = [], [], []

    def figures(self) -> dict[str, float]:
        return {
            "calls_per_second": round(statistics.median(self.rates)),
            "server_cpu_us": round(statistics.median(self.server_us), 1),
            "client_cpu_us": round(statistics.median(self.client_us), 1),
        }

    def stop(self) -> None:
        self.pipe.send(False)
        self.process.join(10)
        if self.process.is_alive():
            self.process.kill()


async def compare(settings: ServiceSettings, bare: Arm, full: Arm) -> None:
    request = echo.say("a sentence of an ordinary length", times=1)
    plain = grpc.aio.insecure_channel(f"127.0.0.1:{bare.port}")
    ours = connect(f"127.0.0.1:{full.port}", settings=settings, service=CALLER, tokens=tokens_for(CALLER))
    async with plain, ours:
        sides = ((bare, echo.stub(plain)), (full, echo.stub(ours)))
        for arm, stub in sides:
            await arm.measure(stub, request, ROUND_SECONDS / 3)
            arm.forget()
        for turn in range(ROUNDS):
            for arm, stub in sides if turn % 2 else reversed(sides):
                await arm.measure(stub, request, ROUND_SECONDS)


def measure() -> dict[str, Any]:
    """The figures of both sides, and the full side's throughput as a part of the bare one's (goal: at least 0.85)."""
    settings = settings_for(ServiceSettings)
    bare = Arm("bare grpc.aio", serve_bare)
    full = Arm("with the kit", serve_full, settings)
    everywhere = os.sched_getaffinity(0)
    try:
        pin(1)
        uvloop.run(compare(settings, bare, full))
    finally:
        # What this process starts afterwards would stay on that core too.
        os.sched_setaffinity(0, everywhere)
        bare.stop()
        full.stop()
    pairs = [ours / plain for plain, ours in zip(bare.rates, full.rates, strict=True)]
    return {
        "bare": bare.figures(),
        "full": full.figures(),
        # Of neighbouring rounds, so that a slow second counts on both sides.
        "throughput_ratio": round(statistics.median(pairs), 3),
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
