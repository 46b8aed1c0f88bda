"""The five tools that a model is given. Each is a thin door to the run's case, which decides.

Three guards ask the same authority: a tool whose turn it is not is hidden from the model, turned away before its
arguments are read, and refused under the case's lock.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal

from agents import (
    FunctionTool,
    RunContextWrapper,
    ToolGuardrailFunctionOutput,
    ToolInputGuardrailData,
    function_tool,
    tool_input_guardrail,
)
from agents.agent import AgentBase
from agents.tool import Tool as SdkTool
from agents.tool_context import ToolContext

from agent.errors import NothingOwed
from agent.model import Outcome, Priority, Reason, Tool, Triage
from agent.thinking.case import Case, Rejected
from meshkit.errors import Failure

REJECTED: Final = "REJECTED: "
"""What the result of a call begins with that had no effect."""


def _is_its_turn(name: Tool) -> Callable[[RunContextWrapper[Any], AgentBase[Any]], bool]:
    def is_enabled(context: RunContextWrapper[Case], _agent: AgentBase[Any]) -> bool:
        return name in context.context.progress.allowed()

    return is_enabled


@tool_input_guardrail
def in_turn(data: ToolInputGuardrailData) -> ToolGuardrailFunctionOutput:
    """Turns a call away whose turn it is not, before its arguments are read."""
    case: Case = data.context.context
    name = data.context.tool_name
    if name in case.progress.allowed():
        return ToolGuardrailFunctionOutput.allow()
    case.note(name, Outcome.REFUSED, {})
    return ToolGuardrailFunctionOutput.reject_content(REJECTED + case.refusal(name))


def _said_to_the_model(context: RunContextWrapper[Any], error: Exception) -> str:
    """What the model hears of a call that raised: its own mistakes in full, everything else by kind alone."""
    if isinstance(error, Rejected):
        return REJECTED + str(error)
    if not isinstance(error, Failure | NothingOwed):
        # Arguments that are no JSON or break the schema, or a fault of ours.
        name = context.tool_name if isinstance(context, ToolContext) else "tool"
        case: Case = context.context
        case.note(name, Outcome.FAILED, {"error": type(error).__name__})
    return REJECTED + "the call failed; check its arguments against the schema"


def _tool(name: Tool) -> Callable[[Callable[..., Awaitable[str]]], FunctionTool]:
    return function_tool(
        name_override=name,
        is_enabled=_is_its_turn(name),
        tool_input_guardrails=[in_turn],
        failure_error_function=_said_to_the_model,
    )


@_tool(Tool.CREATE_TICKET)
async def create_ticket(
    context: ToolContext[Case], subject: str, category: str, priority: Literal["low", "medium", "high", ""]
) -> str:
    """Sort this ticket. Must be the first call.

    Args:
        subject: What it is about, in one line; empty to keep the customer's own subject.
        category: One of the categories; empty to keep the one the customer chose.
        priority: high when work is blocked; empty to keep the one the customer chose.
    """
    await context.context.create_ticket(Triage(subject, category, Priority(priority.upper()) if priority else None))
    return json.dumps({"triaged": True})


@_tool(Tool.GET_CUSTOMER_HISTORY)
async def get_customer_history(context: ToolContext[Case]) -> str:
    """What this customer asked before, newest first. Withheld when the sender's address is not verified."""
    history = await context.context.customer_history()
    if history.withheld:
        return json.dumps({"history": "withheld"})
    return json.dumps(
        {
            "history": [
                {
                    "subject": ticket.subject,
                    "state": ticket.state.lower(),
                    "category": ticket.category,
                    "date": ticket.create_time.date().isoformat(),
                }
                for ticket in history.tickets
            ]
        },
        ensure_ascii=False,
    )


@_tool(Tool.SEARCH_KNOWLEDGE_BASE)
async def search_knowledge_base(context: ToolContext[Case], query: str) -> str:
    """Search what we know. At most two searches.

    Args:
        query: The question in plain English.
    """
    findings = await context.context.search(query)
    return json.dumps(
        {
            "documented": round(findings.documented, 3),
            "open_question_similarity": round(findings.open_question_similarity, 3),
            "passages": [
                {
                    "id": passage.name,
                    "heading": passage.heading,
                    "text": passage.text,
                    "score": round(passage.score, 3),
                    "question_similarity": round(passage.question_similarity, 3),
                }
                for passage in findings.passages
            ],
        },
        ensure_ascii=False,
    )


@_tool(Tool.SEND_RESPONSE)
async def send_response(
    context: ToolContext[Case],
    body: str,
    citations: list[str],
    quotes: list[str] | None = None,
    leaves_open: bool = False,
) -> str:
    """Send the reply to the customer. Ends the run.

    Args:
        body: The answer, plain text, only what the passages say.
        citations: Ids of the passages it stands on.
        quotes: For a body that is not in English: for each of its sentences, in order, the words of the passage
            that it translates, copied exactly. Otherwise null.
        leaves_open: true when the customer asked more than the passages answer; the customer is told so.
    """
    await context.context.reply(body, citations, quotes or (), leaves_open=leaves_open)
    return json.dumps({"ended": "replied"})


@_tool(Tool.ESCALATE_TO_HUMAN)
async def escalate_to_human(
    context: ToolContext[Case],
    reason: Literal[
        "no_answer_found",
        "language",
        "human_requested",
        "pricing_negotiation",
        "refund_request",
        "legal",
        "profanity",
        "angry",
        "negative_sentiment",
        "other",
    ],
    summary: str,
    suggested_reply: str = "",
) -> str:
    """Hand the case to a person. Ends the run.

    Args:
        reason: Why a person is needed.
        summary: What was asked and tried, for that person.
        suggested_reply: A draft that person may send, only what the passages say; empty without one.
    """
    await context.context.escalate(Reason(reason.upper()), summary, suggested_reply)
    return json.dumps({"ended": "escalated"})


TOOLS: Final[tuple[FunctionTool, ...]] = (
    create_ticket,
    get_customer_history,
    search_knowledge_base,
    send_response,
    escalate_to_human,
)
"""The five tools. Their schemas are made once, at import."""


def sdk_tools() -> list[SdkTool]:
    """A list of the tools for one agent of the SDK, which may change its list."""
    return list(TOOLS)
