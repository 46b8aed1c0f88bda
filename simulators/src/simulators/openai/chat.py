"""Chat Completions: reading a request, and writing an answer whole or as the chunks of a stream."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from simulators.openai import reading, tokens
from simulators.openai.catalogue import Catalogue
from simulators.openai.errors import invalid, missing, wrong_type
from simulators.openai.turn import Answer, Asked, Call, Finish, Function, Item, Returned, Said, Usage

INPUT: Final = "messages"
PIECES_MAX: Final = 400
_TEXT_PARTS: Final = frozenset({"text", "refusal"})


def read(body: Mapping[str, Any], catalogue: Catalogue) -> Asked:
    """The request as a turn that is asked for. Raises ApiError."""
    if "model" not in body:
        raise invalid("You must provide a model parameter.", "model")
    model = catalogue.find(reading.string(body, "model"), "text")
    if INPUT not in body:
        raise missing(INPUT)
    messages = reading.objects(body[INPUT], INPUT)
    if not messages:
        raise invalid("Invalid 'messages': empty array. Expected at least 1 message.", INPUT, "empty_array")
    functions = tuple(_functions(body))
    reading.number(body, "temperature", 0, 2)
    reading.number(body, "top_p", 0, 1)
    choice = body.get("tool_choice")
    named = choice.get("function", {}).get("name") if isinstance(choice, dict) else None
    options = body.get("stream_options") or {}
    return Asked(
        model,
        _items(messages),
        functions,
        reading.choice(choice, functions, named),
        stream=reading.boolean(body, "stream", False),
        stream_usage=isinstance(options, dict) and bool(options.get("include_usage")),
        as_json=(body.get("response_format") or {}).get("type") in ("json_object", "json_schema"),
        output_tokens_max=reading.positive(body, "max_completion_tokens") or reading.positive(body, "max_tokens"),
    )


def _functions(body: Mapping[str, Any]) -> Iterator[Function]:
    tools = reading.objects(body.get("tools") or [], "tools")
    if len(tools) > reading.FUNCTIONS_MAX:
        raise invalid(f"Invalid 'tools': at most {reading.FUNCTIONS_MAX}.", "tools", "array_above_max_length")
    for index, tool in enumerate(tools):
        param = f"tools[{index}]"
        if tool.get("type") != "function" or not isinstance(tool.get("function"), dict):
            raise missing(f"{param}.function")
        yield reading.function(tool["function"], f"{param}.function")


def _items(messages: Sequence[Mapping[str, Any]]) -> tuple[Item, ...]:
    items: list[Item] = []
    open_calls: list[str] = []
    for index, message in enumerate(messages):
        param = f"{INPUT}[{index}]"
        role = reading.string(message, "role", f"{param}.")
        if role == "tool":
            call_id = reading.string(message, "tool_call_id", f"{param}.")
            if call_id not in open_calls:
                what = "A message with role 'tool' has to answer a preceding message's 'tool_calls'; this one does not"
                raise reading.unanswered([call_id], f"{param}.role", what)
            open_calls.remove(call_id)
            output = reading.text_of(message.get("content"), f"{param}.content", types=_TEXT_PARTS)
            items.append(Returned(call_id, output))
            continue
        _require_answered(open_calls)
        content = message.get("content")
        text = "" if content is None else reading.text_of(content, f"{param}.content", types=_TEXT_PARTS)
        match role:
            case "system" | "developer":
                items.append(Said("system", text))
            case "user":
                if content is None:
                    raise wrong_type(f"{param}.content", "a string or an array of parts")
                items.append(Said("user", text))
            case "assistant":
                calls = [_call(each, f"{param}.tool_calls") for each in message.get("tool_calls") or []]
                if text or not calls:
                    items.append(Said("assistant", text))
                items.extend(calls)
                open_calls = [call.call_id for call in calls]
            case _:
                raise invalid(f"Invalid value for '{param}.role'.", f"{param}.role", "invalid_value")
    _require_answered(open_calls)
    return tuple(items)


def _require_answered(open_calls: Sequence[str]) -> None:
    if open_calls:
        what = "Each of an assistant message's 'tool_calls' has to be answered by a tool message; these are not"
        raise reading.unanswered(open_calls, INPUT, what)


def _call(value: object, param: str) -> Call:
    if not isinstance(value, dict) or not isinstance(value.get("function"), dict):
        raise missing(f"{param}.function")
    function = value["function"]
    name = reading.string(function, "name", f"{param}.function.")
    return Call(name, reading.string(function, "arguments", f"{param}.function."), reading.string(value, "id", param))


def completion(asked: Asked, answer: Answer, *, with_usage: bool = True, with_output: bool = True) -> dict[str, Any]:
    """The answer whole."""
    message: dict[str, Any] = {
        "role": "assistant",
        "content": answer.text,
        "refusal": answer.refusal,
        "annotations": [],
    }
    if answer.calls:
        message["tool_calls"] = [_shown(call) for call in answer.calls]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish_reason(answer)}
    body = _head(asked, "chat.completion") | {"choices": [choice] if with_output else []}
    return body | {"usage": _usage(answer.costs(asked))} if with_usage else body


def chunks(asked: Asked, answer: Answer, *, with_usage: bool = True, with_output: bool = True) -> Iterator[Any]:
    """The answer as the events of a stream, in order; the last is the text `[DONE]`."""
    head = _head(asked, "chat.completion.chunk")
    counts = {"usage": None} if asked.stream_usage and with_usage else {}

    def chunk(delta: Mapping[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return head | {"choices": [choice]} | counts

    if with_output:
        yield chunk({"role": "assistant", "content": None if answer.calls else "", "refusal": None})
        for piece in tokens.split(answer.text or "", pieces_max=PIECES_MAX):
            yield chunk({"content": piece})
        for piece in tokens.split(answer.refusal or "", pieces_max=PIECES_MAX):
            yield chunk({"refusal": piece})
        for index, call in enumerate(answer.calls):
            named = _shown(call) | {"function": {"name": call.name, "arguments": ""}}
            yield chunk({"tool_calls": [{"index": index} | named]})
            for piece in tokens.split(call.arguments, pieces_max=PIECES_MAX):
                yield chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
        yield chunk({}, _finish_reason(answer))
    if counts:
        yield head | {"choices": [], "usage": _usage(answer.costs(asked))}
    yield "[DONE]"


def _head(asked: Asked, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{secrets.token_hex(14)}",
        "object": kind,
        "created": int(time.time()),
        "model": asked.model.snapshot,
        "service_tier": "default",
        "system_fingerprint": "fp_simulated",
    }


def _shown(call: Call) -> dict[str, Any]:
    return {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _finish_reason(answer: Answer) -> str:
    return "tool_calls" if answer.calls and answer.finish is Finish.STOP else str(answer.finish)


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
