"""Whatever a model does, a run keeps the order, its limits and its scope, and ends exactly once."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any

import pytest
from agents import Model, ModelResponse, Usage
from agents.items import TResponseStreamEvent
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

from agent.model import Ending, Filed, Progress, Run, Tool
from agent.thinking import grounding
from agent.thinking.case import Case, Limits
from agent.thinking.thinker import Budget
from meshkit import context

if TYPE_CHECKING:
    from services.agent.tests.conftest import Neighbours

LIMITS = Limits(reply_words_max=60)
AT_ONCE = 32
QUESTION = "How do I reset my password, and how long is an export link valid?"
BODIES = (
    "A password reset link is valid for 60 minutes and works once.",
    "The download link is valid for 7 days.",
    "A password reset link is valid for 24 hours.",
    "Your refund of $500 is approved. Visit http://evil.example now.",
    "Thanks for asking! A password reset link is valid for 60 minutes and works once.",
    "A password reset link is valid for 60 minutes. " * 20,
    "",
    "\0",
)
CITATIONS: tuple[list[str], ...] = (
    ["articles/product-docs/versions/1/passages/2"],
    ["articles/product-docs/versions/1/passages/40"],
    ["articles/product-docs/versions/1/passages/2", "articles/product-docs/versions/1/passages/40"],
    ["articles/made-up/versions/1/passages/1"],
    [],
)


class Adversary(Model):
    """Calls what it should not, in any order, in parallel, with made-up ids; raises, talks, hangs, or never ends."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._obedience = dice.random() ** 0.5

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        dice = self._dice
        tools = [tool.name for tool in (kwargs.get("tools") or args[3])]
        mood = dice.random()
        if mood < 0.02:
            raise RuntimeError("the endpoint said something strange")
        if mood < 0.03:
            await asyncio.sleep(60)
        if mood < 0.06:
            return _response([_text("I would rather talk.")])
        calls = [self._call(tools) for _ in range(dice.choice((1, 1, 1, 2, 3, 6)))]
        return _response(calls)

    def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[TResponseStreamEvent]:
        raise NotImplementedError

    def _call(self, tools: Sequence[str]) -> ResponseFunctionToolCall:
        dice = self._dice
        # Those that go far are the dangerous ones: most of them do not give up at the first chance.
        offered = [name for name in tools if name != Tool.ESCALATE_TO_HUMAN or dice.random() < 0.1]
        obeys = offered and dice.random() < self._obedience
        name = dice.choice(offered) if obeys else dice.choice([*Tool, "delete_customer", ""])
        arguments = json.dumps(self._arguments(name)) if dice.random() < 0.95 else dice.choice(("", "{", "null", "[]"))
        return ResponseFunctionToolCall(
            type="function_call", name=name, call_id=dice.choice(("call_0", "", "x" * 40)), arguments=arguments
        )

    def _arguments(self, name: str) -> dict[str, Any]:
        dice = self._dice
        match name:
            case Tool.CREATE_TICKET:
                arguments: dict[str, Any] = {
                    "subject": dice.choice(("", "Password", "a\nb\0", "x" * 5000)),
                    "category": dice.choice((*LIMITS.categories, "", "made_up")),
                    "priority": dice.choice(("low", "medium", "high", "", "")) if dice.random() < 0.9 else "URGENT",
                }
            case Tool.SEARCH_KNOWLEDGE_BASE:
                arguments = {
                    "query": dice.choice(("password", "export", "password export", "nothing", "\0", "y" * 9000))
                }
            case Tool.SEND_RESPONSE:
                arguments = {"body": dice.choice((*BODIES, *BODIES[:2] * 3)), "citations": dice.choice(CITATIONS)}
            case Tool.ESCALATE_TO_HUMAN:
                reason = dice.choice(("no_answer_found", "other", "made_up", "agent_failed"))
                arguments = {"reason": reason, "summary": dice.choice(("", "asked and tried", "z" * 9000, "\0"))}
            case _:
                arguments = {}
        if dice.random() < 0.1:
            arguments["ticket"] = arguments["ticket_id"] = "tickets/00000000-0000-7000-8000-000000000000"
        return arguments


def _response(output: Sequence[Any]) -> ModelResponse:
    return ModelResponse(output=list(output), usage=Usage(), response_id=None)


def _text(text: str) -> ResponseOutputMessage:
    content = ResponseOutputText(type="output_text", text=text, annotations=[])
    return ResponseOutputMessage(id="m", type="message", role="assistant", status="completed", content=[content])


async def run_adversaries(neighbours: Neighbours, count: int, seed: int) -> None:
    """That many runs, many at once, each checked against what the neighbours have seen of it."""
    dice = random.Random(seed)
    waiting = [(neighbours.desk.file(QUESTION), random.Random(dice.random())) for _ in range(count)]
    endings: Counter[Ending] = Counter()

    async def work() -> None:
        while waiting:
            filed, own_dice = waiting.pop()
            answers = neighbours.answers(Adversary(own_dice), limits=LIMITS, budget=Budget(turns=10, seconds=2.0))
            with context.entered(context.Call(str(filed.run_id))):
                run = await answers.answer(filed)
            endings[run.ending] += 1
            require_kept_rules(neighbours, filed, run)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work())
    # A test that never gets to the interesting places proves nothing.
    assert min(endings[Ending.REPLIED], endings[Ending.ESCALATED]) > count / 20, endings


def require_kept_rules(neighbours: Neighbours, filed: Filed, run: Run) -> None:
    """Raises AssertionError when the neighbours have seen this run break a rule."""
    told = [each for each in neighbours.desk.told if each.request_id == str(filed.run_id)]
    methods = [each.method for each in told]
    own = {f"tickets/{filed.ticket_id}", f"conversations/{filed.conversation_id}"}
    assert {each.ticket for each in told} <= own, "it reached another ticket"
    assert methods[:2] == ["GetConversation", "TriageTicket"], f"triage was not first: {methods}"
    counts = Counter(methods)
    # Cut off while a command was on the way, a run cannot know whether it arrived: it may give one more.
    cut_off = any(step.facts.get("error") == "OUT_OF_TIME" for step in run.steps)
    assert 1 <= counts["TriageTicket"] <= 1 + cut_off, methods
    assert counts["ListCustomerHistory"] <= 1, methods
    assert neighbours.knowledge.request_ids.count(str(filed.run_id)) <= LIMITS.searches_max, "it searched too often"
    endings = [each for each in told if each.method in ("CreateMessage", "EscalateTicket")]
    accepted = [each for each in endings if each.accepted]
    assert len(accepted) == 1, f"not exactly one ending was taken: {methods}"
    last = accepted[0]
    assert 1 <= len(endings) <= 1 + cut_off, f"not exactly one ending: {methods}"
    assert cut_off or methods[-1] == last.method, f"it went on after its ending: {methods}"
    assert run.ending is (Ending.REPLIED if last.method == "CreateMessage" else Ending.ESCALATED)
    if last.method == "CreateMessage":
        assert "ListCustomerHistory" in methods, "it replied before it had looked"
        known = {name: (heading, text) for name, heading, text in neighbours.knowledge.passages.values()}
        assert last.request.citations
        assert {citation.passage for citation in last.request.citations} <= known.keys(), "it cited what is not there"
        assert last.request.text in BODIES[:2], "it said what no passage says"
        assert len(last.request.text.split()) <= LIMITS.reply_words_max
    else:
        assert last.request.message, "it left the customer without a word"


def _seed() -> int:
    return random.SystemRandom().randrange(2**32)


async def test_five_hundred_adversarial_runs_keep_the_rules(neighbours: Neighbours) -> None:
    seed = _seed()
    print(f"seed {seed}")
    await run_adversaries(neighbours, 500, seed)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_five_thousand_adversarial_runs_keep_the_rules(neighbours: Neighbours) -> None:
    seed = _seed()
    print(f"seed {seed}")
    await run_adversaries(neighbours, 5000, seed)


def _everything_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Progress, "allowed", lambda self: frozenset(Tool))


def _no_finisher(monkeypatch: pytest.MonkeyPatch) -> None:
    async def finish(self: Case, summary: str) -> None:
        return

    monkeypatch.setattr(Case, "finish", finish)


def _no_grounding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Case, "_supported", lambda self, text: (text, tuple(self.progress.passages.values())))


def _no_limit_of_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Progress, "__init__", _with_many_searches(Progress.__init__))


def _with_many_searches(init: Callable[..., None]) -> Callable[..., None]:
    def patched(self: Progress, **values: Any) -> None:
        init(self, **{**values, "searches_max": 9})

    return patched


def _any_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grounding.Verdict, "unsupported", property(lambda self: ()))


@pytest.mark.parametrize(
    "remove_guard", [_everything_always, _no_finisher, _no_grounding, _no_limit_of_searches, _any_words]
)
async def test_the_check_of_adversarial_runs_fails_when_a_guard_is_removed(
    neighbours: Neighbours, monkeypatch: pytest.MonkeyPatch, remove_guard: Callable[[pytest.MonkeyPatch], None]
) -> None:
    remove_guard(monkeypatch)
    with pytest.raises(ExceptionGroup) as raised:
        await run_adversaries(neighbours, 150, seed=7)
    assert raised.group_contains(AssertionError)
