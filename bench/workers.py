"""Processes that work until told to stop, and say meanwhile how far they are."""

from __future__ import annotations

import asyncio
import contextlib
import cProfile
import gc
import multiprocessing
import os
import time
from collections.abc import Callable, Coroutine
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any, TypeAlias

import uvloop

from meshkit import logs

ROUND_SECONDS_MAX = 60.0

Work: TypeAlias = Callable[..., Coroutine[Any, Any, None]]


class Worker:
    """A process that works until told to stop, and says how far it is when asked."""

    def __init__(self, work: Work, *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=run_work, args=(work, theirs, *arguments), daemon=True)
        self._process.start()

    async def ask(self) -> dict[str, Any]:
        answer: dict[str, Any] = await asyncio.to_thread(self._answer_to, "how far")
        return answer

    async def counted(self, count: int) -> dict[str, Any]:
        """How far it is once it has counted so many."""
        async with asyncio.timeout(ROUND_SECONDS_MAX):
            while True:
                answer = await self.ask()
                if answer["count"] >= count:
                    return answer
                await asyncio.sleep(0.01)

    async def latencies(self) -> list[float]:
        answer: list[float] = await asyncio.to_thread(self._answer_to, "latencies")
        return answer

    def _answer_to(self, question: str) -> Any:
        self._pipe.send(question)
        if not self._pipe.poll(ROUND_SECONDS_MAX):
            raise TimeoutError(f"the worker did not say {question!r} within {ROUND_SECONDS_MAX:g} s")
        return self._pipe.recv()

    def go(self) -> None:
        self._pipe.send("go")

    def end(self) -> None:
        with contextlib.suppress(OSError):
            self._pipe.send("over")
        self._process.join(15)
        if self._process.is_alive():
            self._process.kill()


class Progress:
    """What a working process was told, and what it has done so far."""

    def __init__(self) -> None:
        self.count = 0
        self.latencies: list[float] = []
        self.begun = asyncio.Event()
        self.over = asyncio.Event()

    def hear(self, pipe: Pipe) -> None:
        # The event loop has made it non-blocking, and then an answer that is longer than the buffer would be cut short.
        os.set_blocking(pipe.fileno(), True)
        try:
            word = pipe.recv()
        except EOFError:
            word = "over"
        if word == "how far":
            pipe.send({"count": self.count, "cpu": time.process_time()})
        elif word == "latencies":
            pipe.send(self.latencies)
        elif word == "go":
            self.begun.set()
        else:
            self.begun.set()
            self.over.set()


def run_work(work: Work, pipe: Pipe, *arguments: Any) -> None:
    """What a worker's process runs; BENCH_PROFILE names a file for its profile."""

    async def main() -> None:
        progress = Progress()
        asyncio.get_running_loop().add_reader(pipe.fileno(), progress.hear, pipe)
        await work(progress, *arguments)

    with Path(os.devnull).open("w", encoding="utf-8") as sink:
        # Every event writes its line, as in a service.
        logs.configure("bench", stream=sink)
        gc.collect()
        gc.freeze()
        if profile := os.environ.get("BENCH_PROFILE"):
            with cProfile.Profile() as measured:
                uvloop.run(main())
            measured.dump_stats(f"{profile}.{work.__name__}")
        else:
            uvloop.run(main())
