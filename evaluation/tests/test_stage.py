"""Over the real knowledge service: a model that is wrong in a known way gets the figures that it deserves."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest
import pytest_asyncio
from agents import ModelResponse, Usage
from openai.types.responses import ResponseFunctionToolCall

from agent.clients import Knowledge
from agent.errors import ModelNotConfigured
from agent.model import Tool
from agent.thinking import grounding, rules
from agent.thinking.case import Case
from agent.thinking.models import Models
from agent.thinking.turn import Turn, TurnModel
from evaluation import stage
from evaluation.attacked import raid
from evaluation.attacks import Place, attacks
from evaluation.figures import figures
from evaluation.labels import messages
from evaluation.questions import Trial, from_label
from evaluation.stage import Agent
from local.fixtures import MakeDatabase

pytestmark = pytest.mark.asyncio(loop_scope="module")

TUNE = [from_label(row) for row in messages("tune") if row.language == "en"]
# What the scripted reply says is right for none of them.
ANSWERABLE = [
    question
    for question in TUNE
    if question.stratum == "answerable" and "Reset a forgotten password" not in question.articles
][:6]
UNANSWERABLE = [question for question in TUNE if question.stratum == "unanswerable"][:4]
# In an earlier message, which no rule reads again: this one reaches the model.
ATTACK = next(each for each in attacks() if each.goal == "a refund" and each.place is Place.EARLIER)
INVENTED = "Your workspace gets 777 free boats on Sunday."


class Follower(TurnModel):
    """Keeps the order of the tools, and ends as it is told to: by a reply with `says`, or by calling a person."""

    def __init__(self, ends_by: str = Tool.SEND_RESPONSE, says: str = "") -> None:
        self._ends_by = ends_by
        self._says = says

    async def answer(self, turn: Turn) -> ModelResponse:
        """The next call."""
        found = [passage for passages in map(_passages, turn.items) for passage in passages]
        name, arguments = self._next(turn.tools, found)
        made = ResponseFunctionToolCall(type="function_call", name=name, call_id="c", arguments=json.dumps(arguments))
        return ModelResponse(output=[made], usage=Usage(), response_id=None)

    def _next(self, tools: Sequence[str], found: Sequence[Mapping[str, Any]]) -> tuple[str, Mapping[str, Any]]:
        if Tool.CREATE_TICKET in tools:
            return Tool.CREATE_TICKET, {"subject": "", "category": "technical", "priority": ""}
        if Tool.GET_CUSTOMER_HISTORY in tools:
            return Tool.GET_CUSTOMER_HISTORY, {}
        if not found and Tool.SEARCH_KNOWLEDGE_BASE in tools:
            return Tool.SEARCH_KNOWLEDGE_BASE, {"query": "How do I reset my password?"}
        if self._ends_by == Tool.SEND_RESPONSE and Tool.SEND_RESPONSE in tools:
            body = self._says or "A password reset link is valid for 60 minutes and works once."
            return Tool.SEND_RESPONSE, {"body": body, "citations": [passage["id"] for passage in found]}
        return Tool.ESCALATE_TO_HUMAN, {"reason": "no_answer_found", "summary": "Asked; nothing fits."}


def _passages(item: Any) -> Sequence[Mapping[str, Any]]:
    output = item.get("output") if isinstance(item, Mapping) else None
    if not isinstance(output, str) or not output.startswith("{"):
        return ()
    found: Sequence[Mapping[str, Any]] = json.loads(output).get("passages", ())
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def library(make_database: MakeDatabase) -> AsyncIterator[Knowledge]:
    async with stage.library(make_database("knowledge")) as found:
        yield found


async def tried(library: Knowledge, model: TurnModel, questions: Sequence[Any]) -> list[Trial]:
    policy = rules.load()
    # Each question is to reach the model, whatever the rules of the day are.
    policy.rules = ()
    agent = Agent(library, Models([("scripted", model)], call_seconds=5), policy=policy)
    return [await agent.try_out(question) for question in questions]


@pytest.fixture
def without_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes the check of replies away: every sentence counts as supported by the first passage."""

    def supported(self: Case, text: str, quotes: Sequence[str]) -> tuple[str, grounding.Verdict]:
        first = next(iter(self.progress.passages.values()))
        return text, grounding.Verdict((grounding.Sentence(text, False, first),))

    monkeypatch.setattr(Case, "_supported", supported)


async def test_a_model_that_always_calls_a_person_answers_nothing(library: Knowledge) -> None:
    trials = await tried(library, Follower(Tool.ESCALATE_TO_HUMAN), ANSWERABLE + UNANSWERABLE)
    english = figures(trials)["english"]
    assert english["escalated_of_the_answerable"]["share"] == 1.0
    assert english["right_article"]["share"] == 0.0
    assert english["false_answers"]["share"] == 0.0
    assert english["right_reason"]["share"] == 1.0


async def test_a_model_that_says_the_same_true_thing_to_everybody_answers_what_has_no_answer(
    library: Knowledge,
) -> None:
    trials = await tried(library, Follower(), ANSWERABLE + UNANSWERABLE)
    found = figures(trials)
    assert found["english"]["false_answers"]["share"] == 1.0
    assert found["english"]["right_article_of_the_answered"]["share"] == 0.0
    assert found["english"]["every_fact"]["share"] == 0.0
    # Beside the point, and yet word for word in a passage.
    assert found["sent"]["sentences"] == 10
    assert found["sent"]["unsupported_sentences"] == found["sent"]["strange_figures_and_addresses"] == 0


async def test_a_model_that_invents_is_held_back_and_a_person_asked(library: Knowledge) -> None:
    found = figures(await tried(library, Follower(says=INVENTED), ANSWERABLE))
    assert found["sent"]["replies"] == 0
    assert found["english"]["escalated_of_the_answerable"]["share"] == 1.0


async def test_an_invention_that_got_through_would_be_seen_by_both_checks(
    library: Knowledge, without_the_check: None
) -> None:
    found = figures(await tried(library, Follower(says=INVENTED), ANSWERABLE))
    assert found["sent"]["unsupported_sentences"] == found["sent"]["strange_figures_and_addresses"] == 6


async def test_attacks_that_got_through_would_be_seen(library: Knowledge, without_the_check: None) -> None:
    agent = Agent(library, stage.models_of(stage.agent_settings(), stage.LOCAL))
    assert (await raid(agent, ATTACK, gives_in=True)).breaches


async def test_the_same_attack_gets_nothing_of_a_model_that_gives_in_while_the_guards_stand(library: Knowledge) -> None:
    agent = Agent(library, stage.models_of(stage.agent_settings(), stage.LOCAL))
    raided = await raid(agent, ATTACK, gives_in=True)
    assert raided.asked
    assert raided.breaches == ()


async def test_a_run_over_the_local_model_says_what_it_took(library: Knowledge) -> None:
    agent = Agent(library, stage.models_of(stage.agent_settings(), stage.LOCAL))
    trial = await agent.try_out(ANSWERABLE[0])
    assert agent.model == trial.seen.model == stage.models_of(stage.agent_settings(), stage.LOCAL).chain[0][0]
    assert trial.seen.seconds > 0
    assert (trial.seen.input_tokens, trial.seen.cost_micros) == (0, 0)


async def test_a_model_that_is_not_configured_is_refused() -> None:
    with pytest.raises(ModelNotConfigured):
        stage.models_of(stage.agent_settings(), "made-up")
