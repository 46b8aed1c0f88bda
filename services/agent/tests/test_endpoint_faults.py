"""Endpoints that are slow, hang, fail, talk nonsense or never end, as OpenAI's simulator does: an ending always."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

import httpx
import openai
import pytest

from agent.app import endpoints, models
from agent.model import Ending, Outcome, Reason, Run
from agent.settings import Settings
from agent.thinking.local_rules import NAME
from agent.thinking.models import Models
from agent.thinking.spending import Spending
from agent.thinking.thinker import Budget
from fte.tickets.v1 import ticket_pb2
from meshkit.clock import SystemClock
from meshkit.testing import settings_for
from simulators.openai import app
from simulators.serving import running

if TYPE_CHECKING:
    from services.agent.tests.conftest import Neighbours

QUESTION = "How do I reset my password?"
PRIMARY, SECONDARY = "gpt-4o", "gpt-4o-mini"
PRICES = {PRIMARY: {"input": 2.5, "cached_input": 1.25, "output": 10.0}, SECONDARY: {"input": 0.15, "output": 0.6}}

MakeModels = Callable[..., Models]


class Control:
    """The simulator, and its control API."""

    def __init__(self, url: str) -> None:
        self.url = f"{url}/v1"
        self.http = httpx.Client(base_url=f"{url}/_control", timeout=10)

    def post(self, path: str, body: Any) -> None:
        answer = self.http.post(path, json=body)
        assert answer.status_code == 200, answer.text

    def behave(self, name: str) -> None:
        self.post("/script", {"then": {"behaviour": name}})

    def asked(self) -> int:
        count: int = self.http.get("/requests").json()["count"]
        return count


@pytest.fixture(scope="module")
def simulator() -> Iterator[str]:
    with running(app()) as url:
        yield url


@pytest.fixture
def openai_simulator(simulator: str) -> Iterator[Control]:
    control = Control(simulator)
    for path in ("/script", "/faults", "/requests"):
        assert control.http.delete(path).status_code == 200
    yield control
    control.http.close()


@pytest.fixture
async def make_models(openai_simulator: Control) -> AsyncIterator[MakeModels]:
    """The models of settings that name the simulator, and whatever else a test says."""
    clients: list[openai.AsyncOpenAI] = []

    def make(*, spending: Spending | None = None, **overrides: Any) -> Models:
        settings = settings_for(
            Settings,
            tickets_address="127.0.0.1:1",
            knowledge_address="127.0.0.1:1",
            **{
                "openai_base_url": openai_simulator.url,
                "openai_api_key": "sk-a-key-of-the-tests",
                "openai_model": PRIMARY,
                # What a busy machine needs; a test of an endpoint that hangs has less patience.
                "openai_seconds": 20.0,
                "model_prices": PRICES,
            }
            | overrides,
        )
        asked = endpoints(settings)
        clients.extend(each.client for each in asked)
        return models(settings, asked, spending)

    yield make
    for client in clients:
        await client.close()


async def answered(neighbours: Neighbours, models: Models, budget: Budget | None = None) -> Run:
    """One run over a question that knowledge answers; it has exactly one ending, and sorted its ticket once."""
    filed = neighbours.desk.file(QUESTION)
    run = await neighbours.answers(models=models, budget=budget).answer(filed)
    assert len(neighbours.desk.endings(filed)) == 1
    assert [told.method for told in neighbours.desk.told].count("TriageTicket") == 1
    return run


@pytest.mark.parametrize("interface", ["chat_completions", "responses"])
async def test_a_run_counts_the_tokens_that_its_endpoint_counts_and_prices_them(
    neighbours: Neighbours, make_models: MakeModels, openai_simulator: Control, interface: str
) -> None:
    run = await answered(neighbours, make_models(openai_api=interface))
    assert (run.ending, run.model) == (Ending.REPLIED, PRIMARY)
    usage = run.usages[PRIMARY]
    assert usage.requests == openai_simulator.asked()
    assert usage.input_tokens > 1000
    assert usage.output_tokens > 20
    whole = usage.input_tokens * 2.5 + usage.output_tokens * 10
    assert 0 < usage.cost_micros <= whole + usage.requests


async def test_tokens_from_a_cache_cost_what_the_cache_costs(
    neighbours: Neighbours, make_models: MakeModels, openai_simulator: Control
) -> None:
    usage = {"input": 1000, "output": 100, "cached": 800}
    openai_simulator.post("/script", {"then": {"behaviour": "assistant", "usage": usage}})
    run = await answered(neighbours, make_models())
    each = 200 * 2.5 + 800 * 1.25 + 100 * 10
    assert run.usages[PRIMARY].cost_micros == run.usages[PRIMARY].requests * each


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 429},
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 503},
        {"kind": "reset_before"},
        {"kind": "status_after", "status": 500},
        {"kind": "reset_after"},
    ],
)
async def test_a_call_that_fails_once_is_made_once_more_and_nothing_takes_effect_twice(
    neighbours: Neighbours, make_models: MakeModels, openai_simulator: Control, fault: dict[str, Any]
) -> None:
    openai_simulator.post("/faults", {"on": "chat.completions.create", "times": 1, **fault})
    run = await answered(neighbours, make_models())
    assert (run.ending, run.model) == (Ending.REPLIED, PRIMARY)
    assert openai_simulator.asked() == run.usages[PRIMARY].requests + 1


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_retries_end_and_the_next_model_of_the_chain_answers(
    neighbours: Neighbours, make_models: MakeModels, openai_simulator: Control, status: int
) -> None:
    openai_simulator.post("/faults", {"on": "chat.completions.create", "kind": "status", "status": status, "times": 2})
    run = await answered(neighbours, make_models(openai_fallback_model=SECONDARY))
    assert (run.ending, run.model) == (Ending.REPLIED, SECONDARY)
    assert PRIMARY not in run.usages


async def test_an_endpoint_that_asks_for_a_long_wait_is_not_waited_for(
    neighbours: Neighbours, make_models: MakeModels, openai_simulator: Control
) -> None:
    openai_simulator.post("/script", {"then": {"status": 429, "retryAfter": 60}})
    began = time.monotonic()
    run = await answered(neighbours, make_models())
    assert (run.ending, run.model) == (Ending.REPLIED, NAME)
    assert time.monotonic() - began < 30
    assert openai_simulator.asked() == 1


async def test_an_endpoint_that_hangs_costs_one_answers_time_and_the_local_model_goes_on(
    neighbours: Neighbours, make_models: MakeModels, openai_simulator: Control
) -> None:
    openai_simulator.post("/faults", {"kind": "latency", "seconds": 30, "times": 0})
    run = await answered(neighbours, make_models(openai_seconds=0.5))
    assert (run.ending, run.model) == (Ending.REPLIED, NAME)
    assert openai_simulator.asked() == 1


async def test_an_endpoint_that_is_slow_at_each_turn_is_ended_by_the_runs_time(
    neighbours: Neighbours, make_models: MakeModels, openai_simulator: Control
) -> None:
    openai_simulator.post("/faults", {"kind": "latency", "seconds": 1.2, "times": 0})
    run = await answered(neighbours, make_models(), Budget(turns=10, seconds=2.0))
    assert (run.ending, run.reason) == (Ending.ESCALATED, Reason.AGENT_FAILED)
    assert run.steps[-1].outcome is Outcome.OK
    assert "OUT_OF_TIME" in {step.facts.get("error") for step in run.steps}
    assert run.usages[PRIMARY].requests == 1


@pytest.mark.parametrize(
    "behaviour",
    [
        "tool_loop",
        "wrong_tool",
        "unknown_tool",
        "parallel_calls",
        "many_calls",
        "text_instead",
        "text_call",
        "empty",
        "null",
        "refusal",
        "content_filter",
        "length",
        "duplicate_call_ids",
        "no_call_ids",
        "malformed_arguments",
        "arguments_no_object",
        "extra_arguments",
        "wrong_types",
        "huge_arguments",
        "invented_citations",
        "promise",
        "leak",
        "fenced_json",
        "truncated",
        "malformed_json",
        "empty_body",
        "html",
        "no_choices",
        "no_usage",
    ],
)
async def test_whatever_a_model_does_there_is_one_ending_and_it_is_sound(
    neighbours: Neighbours, make_models: MakeModels, openai_simulator: Control, behaviour: str
) -> None:
    openai_simulator.behave(behaviour)
    run = await answered(neighbours, make_models())
    assert run.ending in (Ending.REPLIED, Ending.ESCALATED)
    [told] = [told for told in neighbours.desk.told if told.method in ("CreateMessage", "EscalateTicket")]
    said = told.request.text if told.method == "CreateMessage" else told.request.message
    assert said
    assert "refund" not in said
    assert "customer-success employee" not in said


async def test_an_endpoint_that_fails_in_run_after_run_is_left_alone_until_it_is_well(
    neighbours: Neighbours, make_models: MakeModels, openai_simulator: Control
) -> None:
    openai_simulator.post("/faults", {"kind": "status", "status": 503, "times": 0})
    made = make_models(openai_retries=0, model_breaker_failures=2, model_breaker_seconds=0.3)
    answers = neighbours.answers(models=made)
    for _ in range(4):
        assert (await answers.answer(neighbours.desk.file(QUESTION))).model == NAME
    assert openai_simulator.asked() == 2
    openai_simulator.http.delete("/faults")
    deadline = time.monotonic() + 30
    while (await answers.answer(neighbours.desk.file(QUESTION))).model == NAME:
        assert time.monotonic() < deadline


async def test_past_the_days_budget_no_endpoint_is_asked_and_customers_are_answered_all_the_same(
    neighbours: Neighbours, make_models: MakeModels, openai_simulator: Control
) -> None:
    clock = SystemClock()
    spending = Spending(1_000_000, clock)
    spending.seen(clock.now().date(), 1_000_000)
    run = await answered(neighbours, make_models(spending=spending, openai_fallback_model=SECONDARY))
    assert (run.ending, run.model) == (Ending.REPLIED, NAME)
    assert openai_simulator.asked() == 0
    assert not run.usages


async def test_a_budget_that_is_used_up_in_the_middle_of_a_run_lets_the_local_model_end_it(
    neighbours: Neighbours, make_models: MakeModels, openai_simulator: Control
) -> None:
    spending = Spending(1, SystemClock())
    run = await answered(neighbours, make_models(spending=spending))
    assert (run.ending, run.model) == (Ending.REPLIED, NAME)
    assert openai_simulator.asked() == 1
    assert spending.today_micros == run.usage.cost_micros > 1


async def test_a_run_that_has_used_its_tokens_up_asks_no_endpoint_any_more(
    neighbours: Neighbours, make_models: MakeModels, openai_simulator: Control
) -> None:
    openai_simulator.post("/script", {"then": {"behaviour": "assistant", "usage": {"input": 900, "output": 200}}})
    run = await answered(neighbours, make_models(run_tokens_max=1000, openai_fallback_model=SECONDARY))
    assert (run.ending, run.model) == (Ending.REPLIED, NAME)
    assert openai_simulator.asked() == 1


@pytest.mark.parametrize("what", ["newer message", "takeover"])
async def test_a_run_that_is_overtaken_while_its_model_thinks_says_nothing(
    neighbours: Neighbours, make_models: MakeModels, openai_simulator: Control, what: str
) -> None:
    filed = neighbours.desk.file(QUESTION)
    conversation = neighbours.desk.conversation_of(filed)

    def overtake() -> None:
        neighbours.desk.meanwhile = None
        if what == "newer message":
            neighbours.desk.goes_on(filed, "It works now, thank you!")
        else:
            conversation.ticket.assignee = "ada"

    neighbours.desk.meanwhile = overtake
    run = await neighbours.answers(models=make_models()).answer(filed)
    assert run.ending is Ending.SKIPPED
    assert not any(message.author == ticket_pb2.AUTHOR_AGENT for message in conversation.messages)
