"""Responses: reading a request, and writing an answer whole or as the events of a stream."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from simulators.openai import reading, tokens
from simulators.openai.catalogue import Catalogue
from simulators.openai.errors import invalid, missing
from simulators.openai.turn import Answer, Asked, Call, Finish, Function, Item, Returned, Said, Usage

INPUT: Final = "input"
PIECES_MAX: Final = 400
_STORED_MAX: Final = 500
_TEXT_PARTS: Final = frozenset({"input_text", "output_text", "text", "refusal"})
_ECHOED: Final[Mapping[str, Any]] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}


@dataclass(slots=True)
class Stored:
    """The conversations of the latest answers that were to be kept, for requests that go on from one."""

    _items: OrderedDict[str, tuple[Item, ...]] = field(default_factory=OrderedDict)

    def items(self, response_id: str) -> tuple[Item, ...]:
        """All that was said up to that answer. Raises ApiError 400."""
        if response_id not in self._items:
            message = f"Previous response with id '{response_id[:80]}' not found."
            raise invalid(message, "previous_response_id", "previous_response_not_found")
        return self._items[response_id]

    def keep(self, response_id: str, asked: Asked, answer: Answer) -> None:
        """Keeps a conversation; instructions are of their request alone, as OpenAI's documentation says."""
        said = [Said("assistant", answer.text)] if answer.text else []
        going_on = (item for item in asked.items if not (isinstance(item, Said) and item.role == "system"))
        self._items[response_id] = (*going_on, *said, *answer.calls)
        while len(self._items) > _STORED_MAX:
            self._items.popitem(last=False)


def read(body: Mapping[str, Any], catalogue: Catalogue, stored: Stored) -> Asked:
    """The request as a turn that is asked for. Raises ApiError."""
    if "model" not in body:
        raise missing("model")
    model = catalogue.find(reading.string(body, "model"), "text")
    if body.get(INPUT) is None:
        raise missing(INPUT)
    instructions = body.get("instructions")
    before: list[Item] = []
    if instructions is not None:
        before.append(Said("system", reading.string(body, "instructions")))
    if body.get("previous_response_id") is not None:
        before.extend(stored.items(reading.string(body, "previous_response_id")))
    functions = tuple(_functions(body))
    reading.number(body, "temperature", 0, 2)
    reading.number(body, "top_p", 0, 1)
    choice = body.get("tool_choice")
    text = body.get("text") or {}
    format_ = text.get("format") if isinstance(text, dict) else None
    return Asked(
        model,
        _items(body[INPUT], before),
        functions,
        reading.choice(choice, functions, choice.get("name") if isinstance(choice, dict) else None),
        stream=reading.boolean(body, "stream", False),
        as_json=isinstance(format_, dict) and format_.get("type") in ("json_object", "json_schema"),
        output_tokens_max=reading.positive(body, "max_output_tokens"),
        echo={name: default if body.get(name) is None else body[name] for name, default in _ECHOED.items()},
    )


def _functions(body: Mapping[str, Any]) -> Iterator[Function]:
    tools = reading.objects(body.get("tools") or [], "tools")
    if len(tools) > reading.FUNCTIONS_MAX:
        raise invalid(f"Invalid 'tools': at most {reading.FUNCTIONS_MAX}.", "tools", "array_above_max_length")
    for index, tool in enumerate(tools):
        if tool.get("type") != "function":
            raise invalid("Only functions can be called here.", f"tools[{index}].type", "unsupported_value")
        yield reading.function(tool, f"tools[{index}]")


def _items(value: object, before: list[Item]) -> tuple[Item, ...]:
    if isinstance(value, str):
        return (*before, Said("user", value))
    items = list(before)
    for index, item in enumerate(reading.objects(value, INPUT)):
        param = f"{INPUT}[{index}]"
        match item.get("type", "message"):
            case "message":
                items.append(_message(item, param))
            case "function_call":
                name, arguments = (reading.string(item, each, f"{param}.") for each in ("name", "arguments"))
                items.append(Call(name, arguments, reading.string(item, "call_id", f"{param}.")))
            case "function_call_output":
                output = reading.text_of(item.get("output"), f"{param}.output", types=_TEXT_PARTS)
                items.append(Returned(reading.string(item, "call_id", f"{param}."), output))
            case "reasoning":
                pass
            case _:
                raise invalid(f"Invalid value for '{param}.type'.", f"{param}.type", "invalid_value")
    _require_pairs(items)
    return tuple(items)


def _message(item: Mapping[str, Any], param: str) -> Said:
    role = reading.string(item, "role", f"{param}.")
    text = reading.text_of(item.get("content"), f"{param}.content", types=_TEXT_PARTS)
    match role:
        case "system" | "developer":
            return Said("system", text)
        case "user":
            return Said("user", text)
        case "assistant":
            return Said("assistant", text)
    raise invalid(f"Invalid value for '{param}.role'.", f"{param}.role", "invalid_value")


def _require_pairs(items: list[Item]) -> None:
    called = {item.call_id for item in items if isinstance(item, Call)}
    returned = {item.call_id for item in items if isinstance(item, Returned)}
    if returned - called:
        raise reading.unanswered(sorted(returned - called), INPUT, "No tool call found for function call output")
    if called - returned:
        raise reading.unanswered(sorted(called - returned), INPUT, "No tool output found for function call")


def response(
    asked: Asked, answer: Answer, response_id: str, *, with_usage: bool = True, with_output: bool = True
) -> dict[str, Any]:
    """The answer whole."""
    whole = answer.finish is Finish.STOP
    reason = {Finish.LENGTH: "max_output_tokens", Finish.CONTENT_FILTER: "content_filter"}.get(answer.finish)
    return _head(asked, response_id) | {
        "status": "completed" if whole else "incomplete",
        "completed_at": int(time.time()) if whole else None,
        "incomplete_details": None if whole else {"reason": reason},
        "output": _output(answer) if with_output else [],
        "usage": _usage(answer.costs(asked)) if with_usage else None,
    }


def events(
    asked: Asked, answer: Answer, response_id: str, *, with_usage: bool = True, with_output: bool = True
) -> Iterator[dict[str, Any]]:
    """The answer as the events of a stream, in order."""
    final = response(asked, answer, response_id, with_usage=with_usage, with_output=with_output)
    begun = _head(asked, response_id) | {"status": "in_progress", "output": [], "usage": None}
    end = "response.completed" if final["status"] == "completed" else "response.incomplete"
    ordered = (
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        *(event for index, item in enumerate(final["output"]) for event in _item_events(index, item)),
        {"type": end, "response": final},
    )
    for sequence_number, event in enumerate(ordered):
        yield event | {"sequence_number": sequence_number}


def _item_events(index: int, item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    place = {"output_index": index, "item_id": item["id"]}
    empty: dict[str, Any] = {"content": []} if item["type"] == "message" else {"arguments": ""}
    started = item | {"status": "in_progress"} | empty
    yield {"type": "response.output_item.added", "output_index": index, "item": started}
    if item["type"] == "function_call":
        kind = "response.function_call_arguments"
        for piece in tokens.split(item["arguments"], pieces_max=PIECES_MAX):
            yield {"type": f"{kind}.delta", "delta": piece} | place
        yield {"type": f"{kind}.done", "arguments": item["arguments"], "name": item["name"]} | place
    for number, part in enumerate(item.get("content", ())):
        name = "refusal" if part["type"] == "refusal" else "text"
        kind = "response.refusal" if name == "refusal" else "response.output_text"
        logprobs: dict[str, Any] = {} if name == "refusal" else {"logprobs": []}
        inside = place | {"content_index": number}
        yield {"type": "response.content_part.added", "part": part | {name: ""}} | inside
        for piece in tokens.split(part[name], pieces_max=PIECES_MAX):
            yield {"type": f"{kind}.delta", "delta": piece} | inside | logprobs
        yield {"type": f"{kind}.done", name: part[name]} | inside | logprobs
        yield {"type": "response.content_part.done", "part": part} | inside
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _head(asked: Asked, response_id: str) -> dict[str, Any]:
    return {
        "id": response_id,
        "object": "response",
        "created_at": int(time.time()),
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": asked.model.snapshot,
        "service_tier": "default",
    } | dict(asked.echo)


def _output(answer: Answer) -> list[dict[str, Any]]:
    status = "completed" if answer.finish is Finish.STOP else "incomplete"
    output: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    if answer.text is not None:
        parts.append({"type": "output_text", "text": answer.text, "annotations": [], "logprobs": []})
    if answer.refusal is not None:
        parts.append({"type": "refusal", "refusal": answer.refusal})
    if parts:
        item_id = f"msg_{secrets.token_hex(16)}"
        output.append({"id": item_id, "type": "message", "role": "assistant", "status": status, "content": parts})
    output.extend(
        {
            "id": f"fc_{secrets.token_hex(16)}",
            "type": "function_call",
            "status": status,
            "call_id": call.call_id,
            "name": call.name,
            "arguments": call.arguments,
        }
        for call in answer.calls
    )
    return output


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": 0},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.input + usage.output,
    }
