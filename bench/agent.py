"""Runs of the agent: what one costs with the local model, what the agent adds to any model, and 64 at a slow endpoint.

A run is whole: Agents SDK, tools, guards, grounding. Desk and knowledge base answer at once, so that nothing but the
agent is measured. The slow endpoint is the simulated OpenAI, in a process of its own, 2 seconds for each answer.

    python -m bench agent
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import openai
import psutil
import uvloop
from agents import Model, ModelResponse

from agent.model import (
    Author,
    Conversation,
    Ending,
    Escalation,
    Filed,
    Findings,
    History,
    Message,
    Passage,
    Reason,
    Reply,
    Ticket,
    TicketState,
    Triage,
    Usage,
)
from agent.thinking import local_rules, rules
from agent.thinking.case import Case, Limits
from agent.thinking.instructions import instructions
from agent.thinking.local_rules import LocalRulesModel, Thresholds
from agent.thinking.meaning import Meaning
from agent.thinking.models import Models, Patience, endpoint_model
from agent.thinking.rules import Policy
from agent.thinking.thinker import Budget, Thinker
from agent.thinking.turn import Turn, TurnModel
from bench.arithmetic import percentiles
from local.ports import free_ports
from meshkit.clock import SystemClock
from meshkit.ids import uuid7
from simulators.openai import Config, app
from simulators.serving import Door, serve

RUNS = 400
RUNS_ALONE = 200
AT_ONCE = 8
SLOW_AT_ONCE = 64
SLOW_WAVES = 4
ANSWER_SECONDS = 2.0
START_SECONDS_MAX = 20.0
QUESTION = (
    "Hello,\n\nI forgot my password. How do I set a new one, and how long is the link in the email valid?\n\nThanks"
)
PASSAGES = tuple(
    Passage(
        f"articles/product-docs/versions/1/passages/{number}",
        "Reset a forgotten password",
        "You can reset a forgotten password yourself from the sign-in page in about two minutes.\n\n"
        "1. Open the sign-in page and select Forgot password.\n2. Enter your email address.\n"
        "3. Open the email and set the new password.\n\nA reset link in an email is valid for 60 minutes.\n",
        0.9 - number / 100,
        question_similarity=0.95,
    )
    for number in range(5)
)


@dataclass
class Neighbours:
    """Desk and knowledge base, which answer at once and count the replies."""

    replies: int = 0

    async def history(self, ticket_id: uuid.UUID, /) -> History:
        return History((), withheld=True)

    async def triage(self, ticket_id: uuid.UUID, triage: Triage, /) -> None:
        return None

    async def reply(self, reply: Reply, /) -> uuid.UUID:
        self.replies += 1
        return reply.filed.message_id

    async def escalate(self, escalation: Escalation, /) -> Reason:
        return escalation.reason

    async def search(self, query: str, /) -> Findings:
        return Findings(PASSAGES, documented=0.97, open_question_similarity=0.5)


class ReadyModel(TurnModel):
    """A model that takes no time: the answers that the local one gave to the same run before, by turn."""

    def __init__(self, answers: Sequence[ModelResponse]) -> None:
        self._answers = answers

    async def answer(self, turn: Turn) -> ModelResponse:
        calls = 0 if isinstance(turn.items, str) else sum("call_id" in item and "name" in item for item in turn.items)
        return self._answers[calls]


@dataclass
class Recording(TurnModel):
    """The local model, and what it answers."""

    model: Model
    answers: list[ModelResponse] = field(default_factory=list)

    async def answer(self, turn: Turn) -> ModelResponse:
        self.answers.append(await turn.asked_of(self.model))
        return self.answers[-1]


@dataclass
class Stage:
    """What every run of a bench shares."""

    thinker: Thinker
    neighbours: Neighbours = field(default_factory=Neighbours)
    policy: Policy = field(default_factory=rules.load)
    usage: Usage = field(default_factory=Usage)

    async def run(self) -> float:
        """One run to its reply: its seconds. Raises AssertionError for another ending."""
        filed = Filed(uuid7(), uuid7(), uuid7(), uuid7(), 1)
        ticket = Ticket(filed.ticket_id, "Password", TicketState.NEW)
        message = Message(Author.CUSTOMER, QUESTION, id=filed.message_id)
        conversation = Conversation(filed.conversation_id, "WEB_FORM", 1, 0, ticket, (message,))
        case = Case(filed, conversation, self.neighbours, self.neighbours, self.policy, Limits(), SystemClock())
        model = self.thinker.models.for_run()
        began = time.perf_counter()
        await self.thinker.think(case, model)
        seconds = time.perf_counter() - began
        if case.progress.ending is not Ending.REPLIED:
            raise AssertionError(f"the run ended as {case.progress.ending}: {[step.name for step in case.steps]}")
        self.usage += model.usage
        return seconds


def measure() -> dict[str, Any]:
    """The local model's figures, the overhead, and those of the slow endpoint."""
    local = uvloop.run(_local())
    with _simulator() as url:
        slow = uvloop.run(_slow(url))
    return {"local_model": local["local_model"], "overhead": local["overhead"], "slow_endpoint": slow}


async def _local() -> dict[str, Any]:
    model = LocalRulesModel(Thresholds())
    stage = Stage(_thinker(Models([(local_rules.NAME, model)]), AT_ONCE))
    for _ in range(20):
        await stage.run()
    gc.collect()
    gc.freeze()
    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(stage.run() for _ in range(RUNS)))
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    alone = [await stage.run() for _ in range(RUNS_ALONE)]

    recording = Recording(model)
    await Stage(_thinker(Models([("recorded", recording)]), 1)).run()
    ready = Stage(_thinker(Models([("ready", ReadyModel(recording.answers))]), 1))
    overhead, used = [], []
    for _ in range(RUNS_ALONE):
        cpu_began = time.process_time()
        overhead.append(await ready.run())
        used.append(time.process_time() - cpu_began)
    return {
        "local_model": {
            "runs_per_second": round(RUNS / seconds, 1),
            "cpu_ms_a_run": round(1000 * cpu / RUNS, 2),
            **percentiles(alone),
        },
        "overhead": {
            "turns": len(recording.answers),
            **percentiles(overhead),
            # What others on the machine do is not in it.
            **{f"cpu_{name}": value for name, value in percentiles(used).items()},
        },
    }


async def _slow(url: str) -> dict[str, Any]:
    process = psutil.Process()
    async with openai.AsyncOpenAI(api_key="simulated", base_url=f"{url}/v1", max_retries=0, timeout=30.0) as client:
        models = Models(
            [("gpt-4o", endpoint_model("gpt-4o", client, "chat_completions"))],
            patience=Patience(call_seconds=30.0, retries=0),
        )
        stage = Stage(_thinker(models, SLOW_AT_ONCE))
        # The first wave opens connections and fills caches, which is no leak.
        await asyncio.gather(*(stage.run() for _ in range(SLOW_AT_ONCE)))
        stage.usage = Usage()
        gc.collect()
        before, cpu = process.memory_info().rss, time.process_time()
        over: list[float] = []
        memory = []
        for _ in range(SLOW_WAVES):
            asked = stage.usage.requests
            seconds = await asyncio.gather(*(stage.run() for _ in range(SLOW_AT_ONCE)))
            turns = (stage.usage.requests - asked) / SLOW_AT_ONCE
            over += [each - turns * ANSWER_SECONDS for each in seconds]
            memory.append(round(process.memory_info().rss / 2**20, 1))
        cpu = time.process_time() - cpu
    runs = SLOW_AT_ONCE * SLOW_WAVES
    return {
        "runs_at_once": SLOW_AT_ONCE,
        "runs": runs,
        "answers_a_run": round(stage.usage.requests / runs, 2),
        "seconds_an_answer": ANSWER_SECONDS,
        **{f"over_the_models_time_{name}": value for name, value in percentiles(over).items()},
        "cpu_ms_a_run": round(1000 * cpu / runs, 1),
        "memory_mib_before": round(before / 2**20, 1),
        "memory_mib_by_wave": memory,
        "memory_mib_grown": round(memory[-1] - before / 2**20, 1),
        "input_tokens_a_run": round(stage.usage.input_tokens / runs),
        "output_tokens_a_run": round(stage.usage.output_tokens / runs),
    }


def _thinker(models: Models, runs_max: int) -> Thinker:
    text = instructions(categories=Limits().categories, words_max=Limits().reply_words_max)
    return Thinker(models, Budget(turns=10, seconds=60), runs_max=runs_max, instructions=text, meaning=Meaning())


@contextmanager
def _simulator() -> Iterator[str]:
    [port] = free_ports(1)
    serving = multiprocessing.get_context("spawn").Process(target=_serve, args=(port,), daemon=True)
    serving.start()
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(f"{url}/_control/health")
        yield url
    finally:
        serving.terminate()
        serving.join(10)


def _serve(port: int) -> None:
    asyncio.run(serve([Door("openai", app(Config(latency=ANSWER_SECONDS)), port)]))


def _wait_for(url: str) -> None:
    ends = time.monotonic() + START_SECONDS_MAX
    while True:
        try:
            httpx.get(url, timeout=1).raise_for_status()
            return
        except httpx.HTTPError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.05)
