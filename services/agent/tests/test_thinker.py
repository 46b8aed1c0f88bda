"""The guards around a model, one by one: turns, time, how many think at once, and calls in parallel."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import agents
import pytest
from agents import Model, ModelResponse, Usage
from agents.items import TResponseStreamEvent
from agents.tracing.traces import NoOpTrace
from openai.types.responses import ResponseFunctionToolCall

from agent.model import Ending, Filed, Outcome, Progress, Reason, Run, Tool
from agent.thinking.case import Limits
from agent.thinking.thinker import Budget
from meshkit.testing import eventually

if TYPE_CHECKING:
    from services.agent.tests.conftest import Neighbours

QUESTION = "How do I reset my password?"
PASSAGE = "articles/product-docs/versions/1/passages/2"
Call: TypeAlias = tuple[str, dict[str, Any]]

TRIAGE: Call = ("create_ticket", {"subject": "", "category": "technical", "priority": "low"})
HISTORY: Call = ("get_customer_history", {})
SEARCH: Call = ("search_knowledge_base", {"query": "reset password"})
REPLY: Call = (
    "send_response",
    {"body": "A password reset link is valid for 60 minutes and works once.", "citations": [PASSAGE]},
)
ESCALATE: Call = ("escalate_to_human", {"reason": "other", "summary": "I give up."})


class Scripted(Model):
    """Makes the calls of a script, turn by turn; after its end it hangs."""

    def __init__(self, *turns: Sequence[Call]) -> None:
        self._turns = list(turns)
        self.thinking = 0
        self.most_at_once = 0

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        self.thinking += 1
        self.most_at_once = max(self.most_at_once, self.thinking)
        try:
            if not self._turns:
                await asyncio.Event().wait()
            calls = [
                ResponseFunctionToolCall(type="function_call", name=name, call_id="c", arguments=json.dumps(arguments))
                for name, arguments in self._turns.pop(0)
            ]
        finally:
            self.thinking -= 1
        return ModelResponse(output=list(calls), usage=Usage(), response_id=None)

    def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[TResponseStreamEvent]:
        raise NotImplementedError


async def run(neighbours: Neighbours, *turns: Sequence[Call], seconds: float = 5.0) -> tuple[Run, Filed]:
    filed = neighbours.desk.file(QUESTION, verified=True)
    budget = Budget(turns=10, seconds=seconds)
    return await neighbours.answers(Scripted(*turns), budget=budget).answer(filed), filed


def outcomes(run: Run, tool: str) -> list[Outcome]:
    return [step.outcome for step in run.steps if step.name == tool]


async def test_a_model_that_hangs_is_ended_by_the_time_budget(neighbours: Neighbours) -> None:
    finished, filed = await run(neighbours, [TRIAGE], seconds=0.3)
    assert (finished.ending, finished.reason) == (Ending.ESCALATED, Reason.AGENT_FAILED)
    [ending] = neighbours.desk.endings(filed)
    assert "time was up" in ending.request.summary


async def test_a_run_that_is_cut_off_while_its_reply_is_on_the_way_says_nothing_twice(neighbours: Neighbours) -> None:
    neighbours.desk.slow_seconds = 1.0
    finished, filed = await run(neighbours, [TRIAGE], [HISTORY], [SEARCH], [REPLY], seconds=0.7)
    assert sum(told.accepted for told in neighbours.desk.endings(filed)) == 1
    assert len(neighbours.desk.conversation_of(filed).messages) == 2
    said = neighbours.desk.conversation_of(filed).messages[-1]
    assert finished.ending is (Ending.REPLIED if said.citations else Ending.ESCALATED)


async def test_a_model_that_hangs_before_triage_still_leaves_a_sorted_and_escalated_ticket(
    neighbours: Neighbours,
) -> None:
    finished, _ = await run(neighbours, seconds=0.3)
    assert finished.ending is Ending.ESCALATED
    assert [told.method for told in neighbours.desk.told] == ["GetConversation", "TriageTicket", "EscalateTicket"]


async def test_the_same_tool_twice_at_once_has_one_effect(neighbours: Neighbours) -> None:
    finished, _ = await run(neighbours, [TRIAGE, TRIAGE, TRIAGE], [HISTORY, HISTORY], [SEARCH] * 4, [REPLY, REPLY])
    assert finished.ending is Ending.REPLIED
    methods = [told.method for told in neighbours.desk.told]
    assert methods == ["GetConversation", "TriageTicket", "ListCustomerHistory", "CreateMessage"]
    assert len(neighbours.knowledge.queries) == 2
    assert outcomes(finished, "create_ticket").count(Outcome.OK) == 1
    assert outcomes(finished, "create_ticket").count(Outcome.REFUSED) == 2


async def test_both_endings_at_once_end_the_run_once(neighbours: Neighbours) -> None:
    _, filed = await run(neighbours, [TRIAGE], [HISTORY], [SEARCH], [ESCALATE, REPLY, ESCALATE])
    assert len(neighbours.desk.endings(filed)) == 1


async def test_a_reply_before_a_search_is_refused(neighbours: Neighbours) -> None:
    finished, _ = await run(neighbours, [TRIAGE, REPLY], [REPLY], [HISTORY, REPLY], [SEARCH], [REPLY])
    assert finished.ending is Ending.REPLIED
    assert [told.method for told in neighbours.desk.told].count("CreateMessage") == 1


async def test_a_made_up_citation_is_rejected_and_may_be_mended(neighbours: Neighbours) -> None:
    made_up = ("send_response", {**REPLY[1], "citations": ["articles/made-up/versions/1/passages/1"]})
    finished, _ = await run(neighbours, [TRIAGE], [HISTORY], [SEARCH], [made_up], [REPLY])
    assert finished.ending is Ending.REPLIED
    assert outcomes(finished, "send_response") == [Outcome.REJECTED, Outcome.OK]


async def test_a_category_that_is_not_configured_is_rejected_and_may_be_mended(neighbours: Neighbours) -> None:
    unknown = ("create_ticket", {"subject": "", "category": "gossip", "priority": ""})
    finished, _ = await run(neighbours, [unknown], [TRIAGE], [ESCALATE])
    assert outcomes(finished, "create_ticket") == [Outcome.REJECTED, Outcome.OK]


async def test_a_reply_of_too_many_words_is_rejected(neighbours: Neighbours) -> None:
    long_winded = ("send_response", {**REPLY[1], "body": REPLY[1]["body"] + " It works once." * 200})
    finished, filed = await run(neighbours, [TRIAGE], [HISTORY], [SEARCH], [long_winded], [ESCALATE])
    assert outcomes(finished, "send_response") == [Outcome.REJECTED]
    assert finished.ending is Ending.ESCALATED
    assert [told.method for told in neighbours.desk.endings(filed)] == ["EscalateTicket"]


async def test_what_rules_have_decided_weighs_more_than_the_models_reason(neighbours: Neighbours) -> None:
    unsupported = ("send_response", {"body": "The link lives for 24 hours.", "citations": [PASSAGE]})
    finished, _ = await run(neighbours, [TRIAGE], [HISTORY], [SEARCH], [unsupported, REPLY], [ESCALATE])
    assert finished.reason is Reason.ANSWER_UNSUPPORTED


async def test_no_more_runs_than_set_ask_the_model_at_once(neighbours: Neighbours) -> None:
    model = Scripted(*([TRIAGE] for _ in range(40)))
    answers = neighbours.answers(model, budget=Budget(turns=4, seconds=0.2), runs_max=3)
    filed = [neighbours.desk.file(QUESTION) for _ in range(9)]
    runs = await asyncio.gather(*(answers.answer(each) for each in filed))
    assert {each.ending for each in runs} == {Ending.ESCALATED}
    assert model.most_at_once <= 3


async def test_a_cancelled_run_says_nothing_and_is_made_good_when_it_is_repeated(neighbours: Neighbours) -> None:
    filed = neighbours.desk.file(QUESTION)
    task = asyncio.create_task(neighbours.answers(Scripted([TRIAGE])).answer(filed))
    await eventually(lambda: any(told.method == "TriageTicket" for told in neighbours.desk.told))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert neighbours.desk.endings(filed) == []
    assert (await neighbours.answers().answer(filed)).ending is Ending.REPLIED


def test_nothing_is_traced_to_the_vendor() -> None:
    with agents.trace("probe") as trace:
        assert isinstance(trace, NoOpTrace)


def test_history_comes_before_search_and_search_before_a_reply() -> None:
    progress = Progress()
    assert progress.allowed() == {Tool.CREATE_TICKET}
    progress.triaged = True
    assert progress.allowed() == {Tool.GET_CUSTOMER_HISTORY, Tool.ESCALATE_TO_HUMAN}
    progress.history_read = True
    assert progress.allowed() == {Tool.SEARCH_KNOWLEDGE_BASE, Tool.ESCALATE_TO_HUMAN}
    progress.searches = 2
    progress.found(())
    assert progress.must_escalate is Reason.NO_ANSWER_FOUND
    assert progress.allowed() == {Tool.ESCALATE_TO_HUMAN}
    progress.ending = Ending.ESCALATED
    assert progress.allowed() == frozenset()


def test_limits_are_those_of_the_web_by_default() -> None:
    assert Limits().reply_words_max == 300
