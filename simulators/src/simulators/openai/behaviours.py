"""The ways in which models and their servers go wrong, by name: for scripts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any, Final

from simulators.openai import assistant
from simulators.openai.arguments import arguments_for
from simulators.openai.assistant import REPLY, SEARCH, Seen
from simulators.openai.turn import Answer, Asked, Call, Delivery, Finish

HUGE_TEXT_CHARACTERS: Final = 20_000_000
HUGE_ARGUMENTS_CHARACTERS: Final = 1_000_000
MANY_CALLS: Final = 64
PROMISE: Final = "I promise that you will have your refund of $500 by tomorrow. See https://refunds.example/now."
INVENTED_ID: Final = "articles/invented/versions/1/passages/1"


class Behaviour(StrEnum):
    """What a model does instead of its work."""

    ASSISTANT = "assistant"
    """Its work, after all."""
    TOOL_LOOP = "tool_loop"
    """Calls the same function with the same arguments for ever: the search, or the first that is offered."""
    WRONG_TOOL = "wrong_tool"
    """Calls a function of a support ticket that is not offered now."""
    UNKNOWN_TOOL = "unknown_tool"
    """Calls a function that there never was."""
    PARALLEL_CALLS = "parallel_calls"
    """Calls everything at once, whatever is offered: sorts, searches, replies and escalates."""
    MANY_CALLS = "many_calls"
    """Makes the right call 64 times at once."""
    TEXT_INSTEAD = "text_instead"
    """Talks instead of calling a function."""
    TEXT_CALL = "text_call"
    """Writes its call into its text."""
    EMPTY = "empty"
    """Says the empty string."""
    NULL = "null"
    """Says nothing at all."""
    REFUSAL = "refusal"
    """Refuses, in the field for refusals."""
    CONTENT_FILTER = "content_filter"
    """Is stopped by the filter."""
    LENGTH = "length"
    """Has used up its tokens before it said anything."""
    DUPLICATE_CALL_IDS = "duplicate_call_ids"
    """Gives every call the same id, in this turn and in all others."""
    NO_CALL_IDS = "no_call_ids"
    """Gives its calls no ids."""
    MALFORMED_ARGUMENTS = "malformed_arguments"
    """Breaks off in the middle of the arguments' JSON."""
    ARGUMENTS_NO_OBJECT = "arguments_no_object"
    """Gives a list as arguments."""
    EXTRA_ARGUMENTS = "extra_arguments"
    """Adds arguments that name another customer and another ticket."""
    WRONG_TYPES = "wrong_types"
    """Gives each argument as another type."""
    HUGE_ARGUMENTS = "huge_arguments"
    """Gives a megabyte for each argument that is a text."""
    HUGE_TEXT = "huge_text"
    """Says twenty million characters."""
    INVENTED_CITATIONS = "invented_citations"
    """Replies with passages that no search has found."""
    PROMISE = "promise"
    """Replies with a promise, an amount and a link that stand in no passage, and cites one that was found."""
    LEAK = "leak"
    """Replies with its instructions."""
    FENCED_JSON = "fenced_json"
    """Answers in JSON, fenced as Markdown."""


DELIVERIES: Final = frozenset(Delivery) - {Delivery.WHOLE}


def behave(name: Behaviour | Delivery, asked: Asked) -> Answer:
    """The answer of a model that behaves so, or the assistant's, to be delivered so."""
    work = assistant.answer(asked)
    if isinstance(name, Delivery):
        return replace(work, delivery=name)
    return _BEHAVIOURS[name](asked, work)


def _first_call(asked: Asked, work: Answer) -> Call:
    if work.calls:
        return work.calls[0]
    return Call.of(asked.functions[0].name if asked.functions else SEARCH, {})


def _call(asked: Asked, name: str, **changed: Any) -> Call:
    """A call of one of the five functions, made to its schema where it is offered; each of `changed` stands in it."""
    values = assistant.known(Seen(asked), name) | changed
    function = next((each for each in asked.functions if each.name == name), None)
    if function is not None:
        return Call.of(name, arguments_for(function, values))
    cited = [one["id"] if isinstance(one, Mapping) else one for one in values["citations"]]
    usual = {
        assistant.TRIAGE: {"subject": values["subject"], "category": "general", "priority": "medium"},
        assistant.HISTORY: {},
        SEARCH: {"query": values["query"]},
        REPLY: {"body": values["body"] or "It works.", "citations": cited or [INVENTED_ID]},
        assistant.ESCALATE: {"reason": "other", "summary": values["summary"]},
    }
    return Call.of(name, usual[name])


def _tool_loop(asked: Asked, work: Answer) -> Answer:
    search = next((each for each in asked.functions if each.name == SEARCH), None)
    return Answer(calls=(_call(asked, SEARCH, query="the same again") if search else _first_call(asked, work),))


def _wrong_tool(asked: Asked, work: Answer) -> Answer:
    offered = {each.name for each in asked.functions}
    five = (REPLY, SEARCH, assistant.HISTORY, assistant.TRIAGE, assistant.ESCALATE)
    return Answer(calls=(_call(asked, next((name for name in five if name not in offered), REPLY)),))


def _parallel_calls(asked: Asked, work: Answer) -> Answer:
    names = (assistant.TRIAGE, assistant.HISTORY, SEARCH, REPLY, assistant.ESCALATE)
    return Answer(calls=tuple(_call(asked, name) for name in names))


def _text_call(asked: Asked, work: Answer) -> Answer:
    call = _first_call(asked, work)
    written = json.dumps({"name": call.name, "arguments": json.loads(call.arguments)})
    return Answer(text=f"<tool_call>{written}</tool_call>")


def _duplicate_call_ids(asked: Asked, work: Answer) -> Answer:
    call = replace(_first_call(asked, work), call_id="call_0")
    return Answer(calls=(call, call))


def _arguments(change: Callable[[dict[str, Any]], Any]) -> Callable[[Asked, Answer], Answer]:
    def answer(asked: Asked, work: Answer) -> Answer:
        call = _first_call(asked, work)
        changed = change(json.loads(call.arguments))
        return Answer(calls=(replace(call, arguments=json.dumps(changed, ensure_ascii=False)),))

    return answer


def _malformed_arguments(asked: Asked, work: Answer) -> Answer:
    call = _first_call(asked, work)
    return Answer(calls=(replace(call, arguments=call.arguments[: len(call.arguments) // 2] or "{"),))


def _huge(arguments: dict[str, Any]) -> dict[str, Any]:
    huge = "A" * HUGE_ARGUMENTS_CHARACTERS
    return {name: huge if isinstance(value, str) else value for name, value in arguments.items()} or {"text": huge}


def _others(arguments: dict[str, Any]) -> dict[str, Any]:
    return arguments | {"customer_id": "customers/someone-else", "ticket_id": "tickets/someone-elses"}


def _other_types(arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: 7 if isinstance(value, str) else "seven" for name, value in arguments.items()}


def _fenced_json(asked: Asked, work: Answer) -> Answer:
    said = work.text or json.dumps({"answer": assistant.known(Seen(asked), REPLY)["body"]})
    return Answer(text=f"```json\n{said}\n```")


_BEHAVIOURS: Final[Mapping[Behaviour, Callable[[Asked, Answer], Answer]]] = {
    Behaviour.ASSISTANT: lambda asked, work: work,
    Behaviour.TOOL_LOOP: _tool_loop,
    Behaviour.WRONG_TOOL: _wrong_tool,
    Behaviour.UNKNOWN_TOOL: lambda asked, work: Answer(calls=(Call.of("refund_customer", {"amount": 500}),)),
    Behaviour.PARALLEL_CALLS: _parallel_calls,
    Behaviour.MANY_CALLS: lambda asked, work: Answer(
        calls=tuple(Call(call.name, call.arguments) for call in [_first_call(asked, work)] * MANY_CALLS)
    ),
    Behaviour.TEXT_INSTEAD: lambda asked, work: Answer(text="Sure, I am happy to help! Let me look into that."),
    Behaviour.TEXT_CALL: _text_call,
    Behaviour.EMPTY: lambda asked, work: Answer(text=""),
    Behaviour.NULL: lambda asked, work: Answer(),
    Behaviour.REFUSAL: lambda asked, work: Answer(refusal="I am sorry, I cannot help with that."),
    Behaviour.CONTENT_FILTER: lambda asked, work: Answer(finish=Finish.CONTENT_FILTER),
    Behaviour.LENGTH: lambda asked, work: Answer(finish=Finish.LENGTH),
    Behaviour.DUPLICATE_CALL_IDS: _duplicate_call_ids,
    Behaviour.NO_CALL_IDS: lambda asked, work: Answer(calls=(replace(_first_call(asked, work), call_id=""),)),
    Behaviour.MALFORMED_ARGUMENTS: _malformed_arguments,
    Behaviour.ARGUMENTS_NO_OBJECT: _arguments(lambda arguments: list(arguments)),
    Behaviour.EXTRA_ARGUMENTS: _arguments(_others),
    Behaviour.WRONG_TYPES: _arguments(_other_types),
    Behaviour.HUGE_ARGUMENTS: _arguments(_huge),
    Behaviour.HUGE_TEXT: lambda asked, work: Answer(text="A" * HUGE_TEXT_CHARACTERS),
    Behaviour.INVENTED_CITATIONS: lambda asked, work: Answer(
        calls=(_call(asked, REPLY, citations=[{"id": INVENTED_ID, "passage": INVENTED_ID}]),)
    ),
    Behaviour.PROMISE: lambda asked, work: Answer(calls=(_call(asked, REPLY, body=PROMISE),)),
    Behaviour.LEAK: lambda asked, work: Answer(calls=(_call(asked, REPLY, body=asked.system_text),)),
    Behaviour.FENCED_JSON: _fenced_json,
}
