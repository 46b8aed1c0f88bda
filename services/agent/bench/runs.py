"""What a run costs the agent itself: whole runs with the local model, over ports that answer at once.

`python services/agent/bench/runs.py [--profile]` prints runs a second, CPU time and percentiles for each run as JSON;
one run is four turns of the SDK, six acts and a checked reply. With `--profile` it prints where the time goes instead.
"""

from __future__ import annotations

import asyncio
import cProfile
import gc
import json
import pstats
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import uvloop

from agent.model import (
    Author,
    Conversation,
    Escalation,
    Filed,
    History,
    Message,
    Passage,
    Reason,
    Reply,
    Ticket,
    TicketState,
    Triage,
)
from agent.thinking import local_rules, rules
from agent.thinking.case import Case, Limits
from agent.thinking.instructions import instructions
from agent.thinking.local_rules import LocalRulesModel, Thresholds
from agent.thinking.models import Models
from agent.thinking.thinker import Budget, Thinker
from meshkit.clock import SystemClock
from meshkit.ids import uuid7

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
    )
    for number in range(5)
)


@dataclass
class Port:
    """Answers for both neighbours, without any wait."""

    replies: int = 0

    async def history(self, ticket_id: UUID) -> History:
        return History((), withheld=True)

    async def triage(self, ticket_id: UUID, triage: Triage) -> None:
        return None

    async def reply(self, reply: Reply) -> None:
        self.replies += 1

    async def escalate(self, escalation: Escalation) -> Reason:
        return escalation.reason

    async def search(self, query: str) -> Sequence[Passage]:
        return PASSAGES


def case(port: Port, policy: rules.Policy) -> Case:
    """A new ticket with a question that the passages answer."""
    filed = Filed(uuid7(), uuid7(), uuid7(), uuid7(), 1)
    ticket = Ticket(filed.ticket_id, "Password", TicketState.NEW)
    message = Message(Author.CUSTOMER, QUESTION)
    conversation = Conversation(filed.conversation_id, "WEB_FORM", 1, 0, ticket, (message,))
    return Case(filed, conversation, port, port, policy, Limits(), SystemClock())


async def measure(runs: int = 500, at_once: int = 8) -> dict[str, Any]:
    """Runs a second, CPU milliseconds for each, and how long a run takes alone."""
    port, policy, limits = Port(), rules.load(), Limits()
    models = Models([(local_rules.NAME, LocalRulesModel(Thresholds()))], call_seconds=10)
    text = instructions(categories=limits.categories, words_max=limits.reply_words_max)
    thinker = Thinker(models, Budget(turns=10, seconds=30), runs_max=at_once, instructions=text)
    for _ in range(20):
        await thinker.think(case(port, policy))
    gc.collect()
    gc.freeze()
    alone = []
    for _ in range(100):
        began = time.perf_counter()
        await thinker.think(case(port, policy))
        alone.append((time.perf_counter() - began) * 1000)
    port.replies = 0
    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(thinker.think(case(port, policy)) for _ in range(runs)))
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    if port.replies != runs:
        raise AssertionError(f"{runs - port.replies} of {runs} runs did not reply")
    alone.sort()
    return {
        "runs_a_second": round(runs / seconds, 1),
        "cpu_ms_a_run": round(cpu / runs * 1000, 2),
        "alone_p50_ms": round(alone[50], 2),
        "alone_p95_ms": round(alone[95], 2),
    }


if __name__ == "__main__":
    if "--profile" in sys.argv[1:]:
        profile = cProfile.Profile()
        profile.enable()
        asyncio.run(measure(200))
        profile.disable()
        pstats.Stats(profile).sort_stats("tottime").print_stats(45)
    else:
        print(json.dumps(uvloop.run(measure()), indent=2))
