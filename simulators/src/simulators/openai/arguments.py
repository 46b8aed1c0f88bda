"""Arguments for a function, made to its JSON schema from what is known by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from simulators.openai.turn import Function

_DEPTH_MAX: Final = 8
_NOTHING: Final = object()


def arguments_for(function: Function, known: Mapping[str, Any]) -> dict[str, Any]:
    """An object that the function's schema allows: `known` values where a property has that name and takes them.

    A value may be a list of candidates for a property that is no array: the first one allowed is taken. Properties that
    nothing is known of get the emptiest value allowed, and none at all when they are not required.
    """
    made = _made(function.parameters, known, function.parameters, 0)
    return made if isinstance(made, dict) else {}


def takes(function: Function, name: str) -> bool:
    """Whether the function has an argument of that name."""
    return name in function.parameters.get("properties", {})


def _made(schema: Mapping[str, Any], known: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
    schema = _resolved(schema, root)
    properties = schema.get("properties")
    if depth > _DEPTH_MAX or not isinstance(properties, dict):
        return {}
    required = schema.get("required", ())
    made: dict[str, Any] = {}
    for name, inner in properties.items():
        value = _fitting(inner, known.get(name, _NOTHING), known, root, depth)
        if value is not _NOTHING:
            made[name] = value
        elif name in required:
            made[name] = _emptiest(inner, known, root, depth)
    return made


def _fitting(
    schema: Mapping[str, Any], value: Any, known: Mapping[str, Any], root: Mapping[str, Any], depth: int
) -> Any:
    """The value, or the first candidate of it, as the schema allows it."""
    if value is _NOTHING:
        return _NOTHING
    schema = _resolved(schema, root)
    for option in schema.get("anyOf", ()):
        if (fitting := _fitting(option, value, known, root, depth)) is not _NOTHING:
            return fitting
    if schema.get("type") == "array":
        inner = _resolved(schema.get("items", {}), root)
        each = value if isinstance(value, list) else [value]
        if inner.get("type") == "object":
            # What is known of each thing stands in it; what is common to all stands around.
            return [_made(inner, {**known, **one}, root, depth + 1) for one in each if isinstance(one, Mapping)]
        fitting = [_fitting(inner, _plain(one), known, root, depth) for one in each]
        return [one for one in fitting if one is not _NOTHING]
    candidates: Sequence[Any] = value if isinstance(value, list) else (value,)
    return next((one for one in candidates if _allows(schema, one)), _NOTHING)


def _plain(value: Any) -> Any:
    return value["id"] if isinstance(value, Mapping) and "id" in value else value


def _allows(schema: Mapping[str, Any], value: Any) -> bool:
    if "const" in schema:
        return bool(schema["const"] == value)
    if "enum" in schema:
        return value in schema["enum"]
    match schema.get("type"):
        case "string":
            return isinstance(value, str)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
        case "null":
            return value is None
        case None:
            return "anyOf" not in schema
    return False


def _emptiest(schema: Mapping[str, Any], known: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
    schema = _resolved(schema, root)
    if "const" in schema:
        return schema["const"]
    if enum := schema.get("enum"):
        return "" if "" in enum else enum[-1]
    if options := schema.get("anyOf"):
        nullable = any(_resolved(option, root).get("type") == "null" for option in options)
        return None if nullable else _emptiest(options[0], known, root, depth)
    match schema.get("type"):
        case "object":
            return _made(schema, known, root, depth + 1)
        case "array":
            return []
        case "integer" | "number":
            return schema.get("minimum", 0)
        case "boolean":
            return False
        case "null":
            return None
    return ""


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    if not isinstance(reference, str):
        return schema
    found: Any = root
    for step in reference.removeprefix("#/").split("/"):
        found = found.get(step, {}) if isinstance(found, Mapping) else {}
    return found if isinstance(found, Mapping) else {}
