"""Reading a request's JSON with OpenAI's own errors: which parameter, and what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from simulators.openai.errors import ApiError, invalid, missing, wrong_type
from simulators.openai.turn import Function

FUNCTIONS_MAX: Final = 128
_NAME_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
_NAME_LENGTH_MAX: Final = 64


def json_object(body: bytes) -> dict[str, Any]:
    """The body's JSON object. Raises ApiError."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise invalid("We could not parse the JSON body of your request.") from None
    if not isinstance(value, dict):
        raise invalid("We could not parse the JSON body of your request: expected an object.")
    return value


def text_of(value: object, param: str, *, types: frozenset[str]) -> str:
    """A content's text: a string, or a list of parts of these types. Raises ApiError; pictures are not read."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise wrong_type(param, "a string or an array of parts")
    texts: list[str] = []
    for index, part in enumerate(value):
        if not isinstance(part, dict):
            raise wrong_type(f"{param}[{index}]", "an object")
        kind = part.get("type")
        if kind in types:
            texts.append(string(part, "refusal" if kind == "refusal" else "text", f"{param}[{index}]."))
        elif kind not in ("image_url", "input_image", "input_file", "file", "input_audio"):
            raise invalid(f"Invalid value for '{param}[{index}].type'.", f"{param}[{index}].type", "invalid_value")
    return "\n".join(texts)


def string(values: Mapping[str, Any], name: str, prefix: str = "") -> str:
    """A string that has to be there. Raises ApiError."""
    value = values.get(name)
    if value is None:
        raise missing(prefix + name)
    if not isinstance(value, str):
        raise wrong_type(prefix + name, "a string")
    return value


def boolean(values: Mapping[str, Any], name: str, default: bool) -> bool:
    """A boolean that may be left out. Raises ApiError."""
    value = values.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise wrong_type(name, "a boolean")
    return value


def positive(values: Mapping[str, Any], name: str) -> int | None:
    """A whole number above 0, None where it is left out. Raises ApiError."""
    value = values.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise wrong_type(name, "an integer")
    if value < 1:
        raise invalid(f"Invalid '{name}': integer below minimum value 1.", name, "integer_below_min_value")
    return value


def number(values: Mapping[str, Any], name: str, low: float, high: float) -> float | None:
    """A number within its bounds, None where it is left out. Raises ApiError."""
    value = values.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise wrong_type(name, "a number")
    if not low <= value <= high:
        raise invalid(f"Invalid '{name}': expected a value from {low} to {high}.", name, "invalid_value")
    return float(value)


def objects(value: object, param: str) -> list[dict[str, Any]]:
    """A list of objects. Raises ApiError."""
    if not isinstance(value, list):
        raise wrong_type(param, "an array")
    for index, each in enumerate(value):
        if not isinstance(each, dict):
            raise wrong_type(f"{param}[{index}]", "an object")
    return value


def function(values: Mapping[str, Any], param: str) -> Function:
    """A function that may be called. Raises ApiError; a strict one has to say of every field that it is required."""
    name = string(values, "name", f"{param}.")
    if not 0 < len(name) <= _NAME_LENGTH_MAX or not _NAME_CHARACTERS.issuperset(name):
        raise invalid(f"Invalid '{param}.name': letters, digits, _ and - only, at most 64.", f"{param}.name")
    parameters = values.get("parameters") or {"type": "object", "properties": {}}
    if not isinstance(parameters, dict):
        raise wrong_type(f"{param}.parameters", "an object")
    if values.get("strict"):
        fault = _loose(parameters, ())
        if fault:
            message = f"Invalid schema for function '{name}': {fault}"
            raise invalid(message, f"{param}.parameters", "invalid_function_parameters")
    return Function(name, parameters, str(values.get("description") or ""))


def choice(value: object, functions: Sequence[Function], named: str | None) -> str:
    """What `tool_choice` asks for. Raises ApiError when it asks for a function that is not there."""
    if value is None:
        return "auto"
    if value in ("auto", "none", "required"):
        if value == "required" and not functions:
            raise invalid("'tool_choice' is only allowed when 'tools' are specified.", "tool_choice")
        return str(value)
    if named is None or named not in {each.name for each in functions}:
        raise invalid("Tool choice names no function of 'tools'.", "tool_choice")
    return named


def unanswered(call_ids: Sequence[str], param: str, what: str) -> ApiError:
    """400: calls that the items leave without their results, or results without their calls."""
    return invalid(f"{what}: {', '.join(call_id[:64] for call_id in call_ids[:5])}.", param)


def _loose(schema: object, path: tuple[str, ...]) -> str | None:
    """Where a strict schema leaves something open, in words; None where it does nowhere."""
    if not isinstance(schema, dict):
        return None
    properties = schema.get("properties")
    if isinstance(properties, dict):
        where = f"in context={path}"
        if schema.get("additionalProperties") is not False:
            return f"{where}, 'additionalProperties' is required to be supplied and to be false."
        if set(schema.get("required", ())) != properties.keys():
            return f"{where}, 'required' has to name every key in properties."
        for name, each in properties.items():
            if fault := _loose(each, (*path, "properties", name)):
                return fault
    for key in ("items", "$defs", "anyOf"):
        inner = schema.get(key)
        for each in inner.values() if key == "$defs" and isinstance(inner, dict) else _listed(inner):
            if fault := _loose(each, (*path, key)):
                return fault
    return None


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]
