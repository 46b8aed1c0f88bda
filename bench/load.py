"""The load generator: requests over HTTP/1.1, from a process of its own.

Bare sockets under uvloop, because a full HTTP client would take as much of the two cores as the servers it measures;
what this one takes is counted beside them. Two ways to send: as fast as so many connections get answers (a closed
loop), or at a steady rate whatever becomes of the answers (an open loop). In the open loop a request's time counts
from when it was due, not from when a connection came free for it, so that a stall is felt by all it delays.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe
from typing import Any, cast

import uvloop

from bench.arithmetic import percentiles, schedule
from bench.requests import HOST, Requests

CONNECTIONS_MAX = 1000
ANSWER_SECONDS_MAX = 30.0
_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


@dataclass
class Answers:
    """What came of the requests of one run."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    # By the name that each answer gave, the wall-clock time when its request was due; in an open loop only.
    due: dict[str, float] = field(default_factory=dict)

    @property
    def accepted(self) -> int:
        """How many were answered 200."""
        return self.statuses[200]

    @property
    def per_second(self) -> float:
        """Requests accepted in a second."""
        return self.accepted / self.seconds

    def figures(self) -> dict[str, Any]:
        """The run in a few numbers."""
        refused = {str(status): count for status, count in self.statuses.items() if status != 200}
        return {
            "per_second": round(self.per_second),
            **percentiles(self.latencies),
            **({"refused": refused} if refused else {}),
        }


def closed(port: int, requests: Requests, *, connections: int, seconds: float, run: str) -> Answers:
    """Keep so many requests in flight for so long."""
    return _in_process(_closed, port, requests, run, connections, seconds)


def opened(port: int, requests: Requests, *, rate: float, seconds: float, run: str) -> Answers:
    """Send at a steady rate for so long, and wait for the last answers."""
    return _in_process(_opened, port, requests, run, rate, seconds)


class Wire(asyncio.Protocol):
    """One kept-alive connection with at most one request on it."""

    def __init__(self, on_answer: Callable[[Wire, int, bytes], None], on_lost: Callable[[Wire], None]) -> None:
        self._on_answer, self._on_lost = on_answer, on_lost
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self.sent_at = 0.0
        self.due_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # What uvloop hands over has the methods, but not the type.
        self._transport = cast(asyncio.Transport, transport)

    def send(self, request: bytes) -> None:
        assert self._transport is not None
        self._transport.write(request)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head_length = self._received.find(_HEAD_END)
        if head_length < 0:
            return
        head = self._received[:head_length].lower()
        place = head.find(_LENGTH)
        if place < 0:
            raise ValueError("an answer without content-length, which this generator cannot read")
        length = int(head[place + len(_LENGTH) :].partition(b"\r\n")[0])
        whole = head_length + len(_HEAD_END) + length
        if len(self._received) < whole:
            return
        body, self._received = self._received[whole - length : whole], self._received[whole:]
        self._on_answer(self, int(head[9:12]), body)

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_lost(self)


class _Run:
    """The requests and answers of one run."""

    def __init__(self, port: int, requests: Requests, run: str) -> None:
        self._port, self._requests, self._run = port, requests, run
        self._number = 0
        self.answers = Answers()

    async def connect(self, on_answer: Callable[[Wire, int, bytes], None]) -> Wire:
        loop = asyncio.get_running_loop()
        _, wire = await loop.create_connection(lambda: Wire(on_answer, self.lost), HOST, self._port)
        return wire

    def lost(self, wire: Wire) -> None:
        """A connection that ended under a request counts as an answer with status 0."""
        if wire.sent_at:
            self.answers.statuses[0] += 1

    def next(self) -> bytes:
        number = self._number
        self._number += 1
        return self._requests.request(self._run, number, self._port)


async def _closed(port: int, requests: Requests, run: str, connections: int, seconds: float) -> Answers:
    sent = _Run(port, requests, run)
    answers = sent.answers
    began = 0.0
    over = asyncio.Event()
    busy = connections

    def answered(wire: Wire, status: int, _body: bytes) -> None:
        nonlocal busy
        now = time.perf_counter()
        answers.statuses[status] += 1
        answers.latencies.append(now - wire.sent_at)
        if now - began >= seconds:
            wire.sent_at = 0.0
            busy -= 1
            if not busy:
                over.set()
            return
        wire.sent_at = now
        wire.send(sent.next())

    wires = [await sent.connect(answered) for _ in range(connections)]
    used = time.process_time()
    began = time.perf_counter()
    for wire in wires:
        wire.sent_at = time.perf_counter()
        wire.send(sent.next())
    async with asyncio.timeout(seconds + ANSWER_SECONDS_MAX):
        await over.wait()
    answers.seconds = time.perf_counter() - began
    answers.cpu_seconds = time.process_time() - used
    for wire in wires:
        wire.close()
    return answers


async def _opened(port: int, requests: Requests, run: str, rate: float, seconds: float) -> Answers:
    sent = _Run(port, requests, run)
    answers = sent.answers
    idle: deque[Wire] = deque()
    wires: list[Wire] = []
    waiting = 0
    freed = asyncio.Event()

    def answered(wire: Wire, status: int, body: bytes) -> None:
        nonlocal waiting
        answers.statuses[status] += 1
        answers.latencies.append(time.perf_counter() - wire.due_at)
        if status == 200 and (name := requests.name(body)):
            answers.due[name] = wall + (wire.due_at - began)
        wire.sent_at = 0.0
        waiting -= 1
        idle.append(wire)
        freed.set()

    async def a_wire() -> Wire:
        while not idle:
            if len(wires) < CONNECTIONS_MAX:
                wires.append(await sent.connect(answered))
                return wires[-1]
            freed.clear()
            await freed.wait()
        # The last one that came free: those of a passing crowd grow old and are used no more.
        return idle.pop()

    for _ in range(16):
        wires.append(await sent.connect(answered))
    idle.extend(wires)
    used = time.process_time()
    wall, began = time.time(), time.perf_counter()
    for due in schedule(rate, seconds):
        if (pause := began + due - time.perf_counter()) > 0:
            await asyncio.sleep(pause)
        wire = await a_wire()
        wire.due_at, wire.sent_at = began + due, time.perf_counter()
        waiting += 1
        wire.send(sent.next())
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        while waiting:
            freed.clear()
            await freed.wait()
    answers.seconds = time.perf_counter() - began
    answers.cpu_seconds = time.process_time() - used
    for wire in wires:
        wire.close()
    return answers


def _in_process(work: Callable[..., Any], *arguments: Any) -> Answers:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(theirs, work, arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        answers: Answers = ours.recv()
    except EOFError:
        raise RuntimeError("the load generator ended without a result") from None
    finally:
        process.join(10)
        if process.is_alive():
            process.kill()
    return answers


def _run(pipe: Pipe, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    pipe.send(uvloop.run(work(*arguments)))
