"""Without a script, an agent of the Agents SDK works its tickets to an ending, over either interface."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import openai
import pytest
from agents import (
    Agent,
    Model,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    RunConfig,
    RunContextWrapper,
    Runner,
    ToolsToFinalOutputResult,
    function_tool,
)

from simulators.openai import assistant
from simulators.openai.arguments import arguments_for
from simulators.openai.catalogue import Catalogue
from simulators.openai.turn import Asked, Call, Function, Returned, Said

if TYPE_CHECKING:
    from simulators.tests.test_openai.conftest import Control

PASSWORD = {
    "id": "articles/product-docs/versions/1/passages/2",
    "heading": "Reset a forgotten password",
    "text": "You can reset a forgotten password yourself from the sign-in page in about two minutes.\n\n"
    "1. Open the sign-in page and select Forgot password.\n2. Enter your email address.\n\n"
    "A password reset link is valid for 60 minutes and works once.\n",
    "score": 0.8,
}
ANSWERED = "How long is the password reset link valid?"
UNANSWERED = "Does the tea kettle in the Vienna office whistle in tune?"


@dataclass
class Ticket:
    """What the five tools did, in order."""

    done: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @property
    def order(self) -> list[str]:
        return [name for name, _ in self.done]

    @property
    def over(self) -> bool:
        return bool(self.done) and self.done[-1][0] in ("send_response", "escalate_to_human")


Context = RunContextWrapper[Ticket]


@function_tool
async def create_ticket(
    context: Context, subject: str, category: str, priority: Literal["low", "medium", "high", ""]
) -> str:
    """Sort the ticket."""
    context.context.done.append(("create_ticket", {"category": category, "priority": priority, "subject": subject}))
    return json.dumps({"triaged": True})


@function_tool
async def get_customer_history(context: Context) -> str:
    """What was asked before."""
    context.context.done.append(("get_customer_history", {}))
    return json.dumps({"history": []})


@function_tool
async def search_knowledge_base(context: Context, query: str) -> str:
    """Search."""
    context.context.done.append(("search_knowledge_base", {"query": query}))
    return json.dumps({"passages": [PASSWORD | {"score": 0.8 if "password" in query.lower() else 0.1}]})


@function_tool
async def send_response(context: Context, body: str, citations: list[str]) -> str:
    """Reply."""
    context.context.done.append(("send_response", {"body": body, "citations": citations}))
    return json.dumps({"ended": "replied"})


@function_tool
async def escalate_to_human(
    context: Context, reason: Literal["no_answer_found", "language", "other"], summary: str
) -> str:
    """Call a person."""
    context.context.done.append(("escalate_to_human", {"reason": reason, "summary": summary}))
    return json.dumps({"ended": "escalated"})


def _when_over(context: RunContextWrapper[Any], results: Any) -> ToolsToFinalOutputResult:
    return ToolsToFinalOutputResult(is_final_output=context.context.over, final_output="")


async def work(model: Model, text: str, *, category: str = "", streamed: bool = False) -> Ticket:
    """One run of the SDK, with the conversation as a JSON document."""
    ticket = Ticket()
    agent = Agent[Ticket](
        name="support",
        instructions="Handle the ticket.",
        model=model,
        model_settings=ModelSettings(tool_choice="required", parallel_tool_calls=False, store=False),
        tools=[create_ticket, get_customer_history, search_knowledge_base, send_response, escalate_to_human],
        tool_use_behavior=_when_over,
        reset_tool_choice=False,
    )
    messages = [{"author": "customer", "text": text}]
    document = json.dumps(
        {"channel": "email", "subject": "", "category": category, "priority": "", "messages": messages}
    )
    config = RunConfig(tracing_disabled=True)
    if streamed:
        run = Runner.run_streamed(agent, document, context=ticket, max_turns=8, run_config=config)
        async for _ in run.stream_events():
            pass
    else:
        await Runner.run(agent, document, context=ticket, max_turns=8, run_config=config)
    return ticket


@pytest.mark.parametrize("interface", [OpenAIResponsesModel, OpenAIChatCompletionsModel])
@pytest.mark.parametrize("streamed", [False, True])
async def test_an_agent_of_the_sdk_answers_from_the_passages_with_their_ids(
    client: openai.AsyncOpenAI, control: Control, interface: Any, streamed: bool
) -> None:
    ticket = await work(interface("gpt-4o", client), ANSWERED, streamed=streamed)
    assert ticket.order == ["create_ticket", "get_customer_history", "search_knowledge_base", "send_response"]
    _, reply = ticket.done[-1]
    assert reply["citations"] == [PASSWORD["id"]]
    assert reply["body"] == "A password reset link is valid for 60 minutes and works once."
    asked = control.requests()
    assert [request["status"] for request in asked] == [200] * 4
    assert {request["operation"] for request in asked} == {
        "responses.create" if interface is OpenAIResponsesModel else "chat.completions.create"
    }


async def test_an_agent_of_the_sdk_calls_a_person_when_nothing_was_found(
    client: openai.AsyncOpenAI, control: Control
) -> None:
    ticket = await work(OpenAIResponsesModel("gpt-4o", client), UNANSWERED)
    assert ticket.order[-3:] == ["search_knowledge_base", "search_knowledge_base", "escalate_to_human"]
    assert ticket.done[-1][1]["reason"] == "no_answer_found"


async def test_a_how_to_is_answered_with_its_steps(client: openai.AsyncOpenAI, control: Control) -> None:
    ticket = await work(OpenAIResponsesModel("gpt-4o", client), "How do I reset my forgotten password?")
    assert "1. Open the sign-in page and select Forgot password.\n2. Enter" in ticket.done[-1][1]["body"]


async def test_a_language_that_the_passages_are_not_in_goes_to_a_person(
    client: openai.AsyncOpenAI, control: Control
) -> None:
    ticket = await work(OpenAIResponsesModel("gpt-4o", client), "Wie lange ist der Link für mein Kennwort gültig?")
    assert ticket.done[-1] == (
        "escalate_to_human",
        {"reason": "language", "summary": "The message is not in English."},
    )


async def test_a_ticket_is_sorted_by_its_words_unless_the_customer_has(
    client: openai.AsyncOpenAI, control: Control
) -> None:
    model = OpenAIResponsesModel("gpt-4o", client)
    urgent = await work(model, "I am blocked: the invoice shows the wrong card")
    assert urgent.done[0][1] == {
        "category": "billing",
        "priority": "high",
        "subject": "I am blocked: the invoice shows the wrong card",
    }
    assert (await work(model, ANSWERED, category="technical")).done[0][1]["category"] == ""


def run_of(*items: Any, offered: tuple[str, ...]) -> str:
    """Which function the assistant calls next."""
    functions = tuple(Function(name, {"type": "object", "properties": {}}) for name in offered)
    document = json.dumps({"messages": [{"author": "customer", "text": ANSWERED}]})
    asked = Asked(Catalogue().find("gpt-4o", "text"), (Said("user", document), *items), functions, "required")
    return assistant.answer(asked).calls[0].name


def test_a_reply_that_was_refused_twice_goes_to_a_person() -> None:
    found = (Call("search_knowledge_base", "{}", "1"), Returned("1", json.dumps([PASSWORD])))
    refused = [item for n in ("2", "3") for item in (Call("send_response", "{}", n), Returned(n, "REJECTED: no"))]
    offered = ("send_response", "escalate_to_human")
    assert run_of(*found, offered=offered) == "send_response"
    assert run_of(*found, *refused[:2], offered=offered) == "send_response"
    assert run_of(*found, *refused, offered=offered) == "escalate_to_human"


def test_a_ticket_that_could_not_be_sorted_is_sorted_once_more() -> None:
    failed = [item for n in ("1", "2") for item in (Call("create_ticket", "{}", n), Returned(n, "REJECTED: category"))]
    offered = ("create_ticket", "search_knowledge_base")
    assert run_of(*failed[:2], offered=offered) == "create_ticket"
    assert run_of(*failed, offered=offered) == "search_knowledge_base"
    done = (Call("create_ticket", "{}", "1"), Returned("1", '{"triaged": true}'))
    assert run_of(*done, offered=offered) == "search_knowledge_base"


def test_only_what_is_offered_is_called() -> None:
    assert run_of(offered=("create_ticket",)) == "create_ticket"
    assert run_of(offered=("escalate_to_human", "get_customer_history")) == "get_customer_history"
    assert run_of(offered=("something_else",)) == "something_else"


def test_a_short_question_is_read_with_what_was_said_before() -> None:
    messages = [
        {"author": "customer", "text": "How do I export a report on my phone?"},
        {"author": "agent", "text": "Open Reports."},
        {"author": "customer", "text": "And on Android?"},
    ]
    document = json.dumps({"messages": messages})
    seen = assistant.Seen(Asked(Catalogue().find("gpt-4o", "text"), (Said("user", document),)))
    assert seen.question == "How do I export a report on my phone?\nAnd on Android?"


def test_arguments_follow_the_schema_and_leave_out_what_nobody_knows() -> None:
    schema = {
        "type": "object",
        "$defs": {
            "Citation": {
                "type": "object",
                "properties": {"passage": {"type": "string"}, "quote": {"type": "string"}},
                "required": ["passage", "quote"],
            }
        },
        "properties": {
            "reason": {"enum": ["REFUND", "OTHER"]},
            "citations": {"type": "array", "items": {"$ref": "#/$defs/Citation"}},
            "summary": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "mood": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "count": {"type": "integer", "minimum": 1},
            "optional": {"type": "string"},
        },
        "required": ["reason", "citations", "mood", "count"],
    }
    known = {"reason": ["other", "OTHER"], "citations": [{"passage": "p/1", "quote": "So."}], "summary": "Asked."}
    assert arguments_for(Function("escalate", schema), known) == {
        "reason": "OTHER",
        "citations": [{"passage": "p/1", "quote": "So."}],
        "summary": "Asked.",
        "mood": None,
        "count": 1,
    }
