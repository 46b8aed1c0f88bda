"""How well the local model answers: real runs over the real knowledge service.

Two sets: the sample tickets, and `more_questions.json`, with other articles and more that has no answer.

`python services/agent/bench/answer_quality.py [--answers]` from the top of the repository starts a PostgreSQL of its
own, serves knowledge in this process, and prints the figures (as JSON) and every ticket that did not end as expected;
with `--answers` also what each customer would have read.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import knowledge.app
import knowledge.settings
from agent.clients import Knowledge
from agent.model import (
    Author,
    Conversation,
    Escalation,
    Filed,
    History,
    Message,
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
from fte.access import ACCESS
from local.ports import free_ports
from local.postgres import WITHOUT_DURABILITY, Postgres
from local.provision import create_database, passwords, provision, service_dsn
from meshkit.clock import SystemClock
from meshkit.ids import uuid7
from meshkit.migrations import migrate
from meshkit.testing import serve, settings_for

CONTEXT: Final = Path("context")
MORE_QUESTIONS: Final = Path(__file__).with_name("more_questions.json")


@dataclass
class NotingDesk:
    """Stands where the desk would, and keeps what one run told it."""

    category: str = ""
    ended: Reply | Escalation | None = None

    async def history(self, ticket_id: UUID) -> History:
        return History((), withheld=True)

    async def triage(self, ticket_id: UUID, triage: Triage) -> None:
        self.category = triage.category

    async def reply(self, reply: Reply) -> None:
        self.ended = reply

    async def escalate(self, escalation: Escalation) -> Reason:
        self.ended = escalation
        return escalation.reason


@dataclass
class Result:
    """One sample ticket, what was expected of it, and how its run ended."""

    sample: dict[str, Any]
    desk: NotingDesk
    seconds: float

    @property
    def section(self) -> str | None:
        """The heading that the reply stands on; None when there was none."""
        if not isinstance(self.desk.ended, Reply):
            return None
        return self.desk.ended.citations[0].heading.split(" > ")[-1]

    @property
    def outcome(self) -> str:
        """How the ending compares with what was expected."""
        expected, ended = self.sample["expected"], self.desk.ended
        if isinstance(ended, Reply):
            if expected["ending"] == "escalate":
                return "false answer"
            return "right article" if self.section == expected["section"] else "wrong article"
        if expected["ending"] == "reply":
            return "needless escalation"
        right = isinstance(ended, Escalation) and ended.reason == expected["reason"]
        return "right reason" if right else "other reason"


async def answer(sample: dict[str, Any], thinker: Thinker, policy: rules.Policy, passages: Knowledge) -> Result:
    """One run over a sample ticket."""
    filed = Filed(uuid7(), uuid7(), uuid7(), uuid7(), 1)
    ticket = Ticket(filed.ticket_id, sample["subject"] or "", TicketState.NEW)
    message = Message(Author.CUSTOMER, sample["message"])
    conversation = Conversation(filed.conversation_id, sample["channel"], 1, 0, ticket, (message,))
    desk = NotingDesk()
    began = time.perf_counter()
    await thinker.think(Case(filed, conversation, desk, passages, policy, Limits(), SystemClock()))
    return Result(sample, desk, time.perf_counter() - began)


def figures(results: Sequence[Result]) -> dict[str, Any]:
    """What there is to say about the results, as numbers."""
    counts = Counter(result.outcome for result in results)
    unanswerable = [r for r in results if r.sample["expected"]["reason"] == "NO_ANSWER_FOUND"]
    answerable = [r for r in results if r.sample["expected"]["section"]]
    sorted_right = sum(r.desk.category == r.sample["expected"]["category"] for r in answerable)
    return {
        "tickets": len(results),
        "outcomes": dict(counts.most_common()),
        "answerable": len(answerable),
        "right_article_share": round(sum(r.outcome == "right article" for r in answerable) / len(answerable), 3),
        "unanswerable": len(unanswerable),
        "false_answers_on_unanswerable": sum(r.outcome == "false answer" for r in unanswerable),
        "category_share": round(sorted_right / len(answerable), 3),
        "median_ms": round(sorted(r.seconds for r in results)[len(results) // 2] * 1000, 1),
    }


async def measure(dsn: str, samples: Sequence[dict[str, Any]], thresholds: Thresholds) -> list[Result]:
    """The results of all samples, one after the other."""
    await migrate(dsn, schema="knowledge", package="knowledge")
    settings = settings_for(knowledge.settings.Settings, database_url=dsn, context_dir=CONTEXT)
    service = knowledge.app.build(settings)
    await service.database.open()
    for resource in service.resources:
        await resource.__aenter__()
    for step in service.on_start:
        await step()
    models = Models([(local_rules.NAME, LocalRulesModel(thresholds))], call_seconds=10)
    limits = Limits()
    text = instructions(categories=limits.categories, words_max=limits.reply_words_max)
    thinker = Thinker(models, Budget(turns=10, seconds=30), runs_max=1, instructions=text)
    policy = rules.load()
    async with serve(service.doors, ACCESS, service="knowledge", settings=settings, caller="agent") as server:
        passages = Knowledge(server.channel)
        results = [await answer(sample, thinker, policy, passages) for sample in samples]
    await service.database.close()
    return results


def _as_sample(question: dict[str, Any]) -> dict[str, Any]:
    section = question["section"]
    expected = {"section": section, "category": "", "ending": "reply" if section else "escalate"}
    expected["reason"] = None if section else "NO_ANSWER_FOUND"
    return {
        "id": "more",
        "channel": "web_form",
        "subject": "",
        "message": question["message"],
        "expected": expected,
    }


async def main(server: Postgres, *, show_answers: bool) -> None:
    """Measures and prints."""
    roles = passwords()
    await create_database(server.dsn(), "answers")
    await provision(server.dsn("answers"), roles)
    tickets = json.loads((CONTEXT / "sample-tickets.json").read_text("utf-8"))
    more_questions = [_as_sample(each) for each in json.loads(MORE_QUESTIONS.read_text("utf-8"))]
    dsn = service_dsn(server.dsn("answers"), "knowledge", roles["knowledge"])
    results = await measure(dsn, [*tickets, *more_questions], Thresholds())
    for result in results:
        expected = result.sample["expected"]
        reason = result.desk.ended.reason if isinstance(result.desk.ended, Escalation) else ""
        if result.outcome not in ("right article", "right reason"):
            print(f"{result.sample['id']}: {result.outcome}: {reason}{result.section or ''}, expected {expected}")
        if show_answers and isinstance(result.desk.ended, Reply):
            print(f"--- {result.sample['message']}\n>>> {result.desk.ended.text}\n")
    sets = {"sample_tickets": results[: len(tickets)], "more_questions": results[len(tickets) :]}
    print(json.dumps({name: figures(each) for name, each in sets.items()}, indent=2))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="fte-") as folder:
        Path(folder).chmod(0o755)
        postgres = Postgres(Path(folder) / "postgres", free_ports(1)[0], settings=WITHOUT_DURABILITY)
        postgres.start()
        try:
            asyncio.run(main(postgres, show_answers="--answers" in sys.argv[1:]))
        finally:
            postgres.stop()
