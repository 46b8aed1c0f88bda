"""Requests are held to the limits that stand in their contract (protovalidate)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf.message import Message
from protovalidate import Validator

from meshkit.comments import FieldComments
from meshkit.errors import InvalidArgument, Violation

_validator = Validator()
_collect = _validator.collect_violations


def warm(message_types: Iterable[type[Message]]) -> None:
    """Compiles the rules of these types now: the first message of a type would wait some ten milliseconds for it.

    Raises protovalidate's CompilationError for a rule that cannot work, so that a server with one does not start.
    """
    for message_type in message_types:
        _collect(message_type())


def check(message: Message, comments: FieldComments) -> None:
    """Raises InvalidArgument with every violation of the contract's rules.

    Each names the field's path and the rule, in words for people; what the contract says of the field, if `comments`
    know it, is the mend.
    """
    found = _collect(message)
    if found:
        violations = [Violation(_path(each.proto.field), _description(message, each, comments)) for each in found]
        first = violations[0]
        message_text = f"{first.field}: {first.description}" if first.field else first.description
        if len(violations) > 1:
            message_text += f" (and {len(violations) - 1} more)"
        raise InvalidArgument(message_text, violations=violations)


def _description(message: Message, violation: Any, comments: FieldComments) -> str:
    field = _field(message, violation.proto.field)
    comment = comments.of(field.full_name) if field is not None else ""
    text = _rule(violation, field, explained=bool(comment))
    if violation.proto.for_key:
        text += " (the key)"
    return f"{text} ({comment})" if comment else text


def _rule(violation: Any, field: Any, *, explained: bool) -> str:
    """The rule as a person would say it, without the value; protovalidate's own words where they are as good."""
    rule = str(violation.proto.rule_id)
    if rule == "required" or (rule.startswith("string.") and violation.field_value == ""):
        return "must not be empty"
    if rule == "string.email":
        return "must be an e-mail address, such as name@example.com"
    # An expression is for programs. Where the contract says in words what is wanted, these take its place.
    if rule == "string.pattern" and explained:
        return "does not have the right form"
    if rule in {"enum.defined_only", "enum.not_in"} and field is not None and field.enum_type is not None:
        # Zero says nothing: it is the default where the field may be left out, and refused where it may not.
        return "must be one of: " + ", ".join(each.name for each in field.enum_type.values if each.number)
    return str(violation.proto.message) or f"breaks the rule {rule}"


def _field(message: Message, path: Any) -> Any:
    """The descriptor of the field at the end of a path; None where the path leads nowhere that has one."""
    descriptor: Any = message.DESCRIPTOR
    field: Any = None
    for element in path.elements if path is not None else ():
        field = descriptor.fields_by_name.get(element.field_name) if descriptor is not None else None
        descriptor = field.message_type if field is not None else None
    return field


def _path(field: Any) -> str:
    """A field's path as a caller would write it: `messages[2].text`, `labels["a"]`; empty for the whole message."""
    if field is None:
        return ""
    path = ""
    for element in field.elements:
        path += ("." if path else "") + element.field_name
        subscript = element.subscript
        if subscript is not None:
            key = subscript.value
            path += f'["{key}"]' if isinstance(key, str) else f"[{str(key).lower()}]"
    return path
