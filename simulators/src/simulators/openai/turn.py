"""What a model is asked and what it answers, whichever of the two interfaces is spoken."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal, TypeAlias

from simulators.openai import tokens
from simulators.openai.catalogue import ServedModel


@dataclass(frozen=True, slots=True)
class Said:
    """Words of one of the roles: `system` (also developer), `user` or `assistant`."""

    role: Literal["system", "user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a function; the arguments are JSON, unless a model got them wrong."""

    name: str
    arguments: str
    call_id: str = field(default_factory=lambda: f"call_{secrets.token_hex(12)}")

    @classmethod
    def of(cls, name: str, arguments: Mapping[str, Any]) -> Call:
        """A call with an id of its own."""
        return cls(name, json.dumps(arguments, ensure_ascii=False))


@dataclass(frozen=True, slots=True)
class Returned:
    """What a function answered."""

    call_id: str
    output: str


Item: TypeAlias = Said | Call | Returned


@dataclass(frozen=True, slots=True)
class Function:
    """A function that may be called, with the JSON schema of its arguments."""

    name: str
    parameters: Mapping[str, Any]
    description: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for the next turn: everything said so far, oldest first, and what may be called.

    `choice` is auto, none, required, or the name of the function that must be called. `echo` is what the answer
    repeats of the request.
    """

    model: ServedModel
    items: tuple[Item, ...]
    functions: tuple[Function, ...] = ()
    choice: str = "auto"
    stream: bool = False
    stream_usage: bool = False
    as_json: bool = False
    output_tokens_max: int | None = None
    echo: Mapping[str, Any] = field(default_factory=dict)

    @property
    def user_text(self) -> str:
        """All that users said, as it was sent."""
        return "\n".join(item.text for item in self.items if isinstance(item, Said) and item.role == "user")

    @property
    def system_text(self) -> str:
        """All that the caller told the model to be."""
        return "\n".join(item.text for item in self.items if isinstance(item, Said) and item.role == "system")

    @property
    def turns(self) -> int:
        """How many answers of a model the items hold: its calls in a row, with or without words, are one."""
        count, in_answer = 0, False
        for item in self.items:
            of_model = isinstance(item, Call) or (isinstance(item, Said) and item.role == "assistant")
            count += of_model and not in_answer
            in_answer = of_model
        return count

    def input_tokens(self) -> int:
        """What reading this costs, with the few tokens that frame each message and each function."""
        total = 3
        for item in self.items:
            match item:
                case Said(text=text):
                    total += 4 + tokens.count(text)
                case Call(name=name, arguments=arguments):
                    total += 6 + tokens.count(name) + tokens.count(arguments)
                case Returned(output=output):
                    total += 4 + tokens.count(output)
        for function in self.functions:
            schema = json.dumps(function.parameters)
            total += 7 + tokens.count(function.name) + tokens.count(function.description) + tokens.count(schema)
        return total


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of a turn; `cached` of the input were read before."""

    input: int
    output: int
    cached: int = 0


class Finish(StrEnum):
    """Why an answer ends."""

    STOP = "stop"
    LENGTH = "length"
    CONTENT_FILTER = "content_filter"


class Delivery(StrEnum):
    """What becomes of an answer on its way to the caller."""

    WHOLE = "whole"
    HANG = "hang"
    """Nothing comes until the caller gives up."""
    STALLED = "stalled"
    """The first half comes, and then nothing until the caller gives up."""
    TRUNCATED = "truncated"
    """The first half comes, and then the connection is cut."""
    MALFORMED = "malformed_json"
    """A status of 200, and half of the JSON as if it were all; of a stream, one event like that."""
    HTML = "html"
    """A status of 200, and a proxy's page."""
    EMPTY_BODY = "empty_body"
    """A status of 200, and no body."""
    NO_CHOICES = "no_choices"
    """An answer without any output."""
    NO_USAGE = "no_usage"
    """An answer that counts no tokens."""
    STREAM_ERROR = "stream_error"
    """The first half of a stream, and then its event for errors; without a stream, a 500."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A model's turn. `usage` is counted where it is None; `seconds` is how long the answer takes."""

    text: str | None = None
    calls: tuple[Call, ...] = ()
    refusal: str | None = None
    finish: Finish = Finish.STOP
    usage: Usage | None = None
    seconds: float = 0.0
    delivery: Delivery = Delivery.WHOLE

    def output_tokens(self) -> int:
        """What writing this costs."""
        total = sum(5 + tokens.count(call.name) + tokens.count(call.arguments) for call in self.calls)
        return total + tokens.count(self.text or "") + tokens.count(self.refusal or "") + 1

    def within(self, tokens_max: int | None) -> Answer:
        """The answer as far as it goes with so many tokens: what is cut off is no JSON any more."""
        if tokens_max is None or self.output_tokens() <= tokens_max:
            return self
        text = None if self.text is None else tokens.cut(self.text, tokens_max)
        room = tokens_max - tokens.count(text or "")
        calls: list[Call] = []
        for call in self.calls:
            room -= 5 + tokens.count(call.name)
            if room <= 0:
                break
            arguments = tokens.cut(call.arguments, room)
            room -= tokens.count(arguments)
            calls.append(replace(call, arguments=arguments))
        return replace(self, text=text, calls=tuple(calls), finish=Finish.LENGTH)

    def costs(self, asked: Asked) -> Usage:
        """The tokens that reading the request and writing this answer took."""
        return self.usage or Usage(asked.input_tokens(), self.output_tokens())
