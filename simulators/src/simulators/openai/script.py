"""Answers by script: which ones come, for whose requests, in which order."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from simulators.openai import assistant, behaviours
from simulators.openai.assistant import Seen
from simulators.openai.behaviours import Behaviour
from simulators.openai.errors import spoken
from simulators.openai.turn import Answer, Asked, Call, Delivery, Finish, Usage

SCRIPTS_MAX: Final = 2000
ANSWERS_MAX: Final = 1000
_DEPTH_MAX: Final = 20


class ScriptedCall(BaseModel):
    """A call. `arguments` is a JSON value, or a string that is sent as it is, JSON or not.

    In a JSON value, the string `$passage` stands for the id of the passage that a search of this run found best, and
    `$quote` for that passage's sentences that fit the question.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(max_length=200)
    arguments: JsonValue = {}
    id: str | None = Field(default=None, max_length=200)


class ScriptedUsage(BaseModel):
    """Tokens that an answer claims."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: int = Field(ge=0)
    output: int = Field(ge=0)
    cached: int = Field(default=0, ge=0)


class ScriptedAnswer(BaseModel):
    """One answer: words or calls or both, a refusal, a named behaviour, or an error by its HTTP status."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str | None = None
    calls: tuple[ScriptedCall, ...] = Field(default=(), max_length=200)
    refusal: str | None = None
    behaviour: Behaviour | Delivery | None = None
    status: int | None = Field(default=None, ge=400, le=599)
    code: str | None = Field(default=None, max_length=100)
    retry_after: float | None = Field(default=None, ge=0, le=3600, alias="retryAfter")
    finish: Finish = Finish.STOP
    delivery: Delivery = Delivery.WHOLE
    seconds: float = Field(default=0, ge=0, le=600)
    usage: ScriptedUsage | None = None

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        said = self.text is not None or bool(self.calls)
        if said + (self.refusal is not None) + (self.behaviour is not None) + (self.status is not None) != 1:
            raise ValueError("an answer has text and calls, or a refusal, or a behaviour, or a status: one of the four")
        return self

    def answer(self, asked: Asked) -> Answer:
        """The answer to this request. Raises ApiError for a status."""
        if self.status is not None:
            raise spoken(self.status, self.code, self.retry_after)
        if self.behaviour is not None:
            made = behaviours.behave(self.behaviour, asked)
        else:
            calls = tuple(_call(each, asked) for each in self.calls)
            made = Answer(self.text, calls, self.refusal, self.finish)
        usage = None if self.usage is None else Usage(self.usage.input, self.usage.output, self.usage.cached)
        delivery = made.delivery if self.delivery is Delivery.WHOLE else self.delivery
        return replace(made, seconds=self.seconds, usage=usage, delivery=delivery)


class Per(StrEnum):
    """Whose turns count an answer up."""

    SCRIPT = "script"
    """Each answer is given once, to whichever request comes next."""
    RUN = "run"
    """Each run gets all of them: its nth request, counted by the model's turns in its own items, gets the nth."""


class Script(BaseModel):
    """Answers, for the requests in whose users' texts `when` occurs; for all others when it is left out.

    When they are used up, every further request gets `then`; without it the next script answers, and in the end the
    assistant.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    answers: tuple[ScriptedAnswer, ...] = Field(default=(), max_length=ANSWERS_MAX)
    when: str | None = Field(default=None, min_length=1, max_length=1000)
    per: Per = Per.SCRIPT
    then: ScriptedAnswer | None = None

    @model_validator(mode="before")
    @classmethod
    def _words_are_answers(cls, value: Any) -> Any:
        """A list is a script of answers for everyone; a string in it is an answer's text."""
        if isinstance(value, list):
            value = {"answers": value}
        if isinstance(value, dict) and isinstance(value.get("answers"), list):
            value = value | {"answers": [{"text": one} if isinstance(one, str) else one for one in value["answers"]]}
        return value

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.answers and self.then is None:
            raise ValueError("answers: give at least one, or a 'then'")
        return self


@dataclass(slots=True)
class _Set:
    number: int
    script: Script
    given: int = 0

    def next(self, asked: Asked, strings: str) -> ScriptedAnswer | None:
        script = self.script
        if script.when is not None and script.when not in asked.user_text and script.when not in strings:
            return None
        place = asked.turns if script.per is Per.RUN else self.given
        if place < len(script.answers):
            self.given += 1
            return script.answers[place]
        if script.then is not None:
            self.given += 1
        return script.then

    def shown(self) -> dict[str, Any]:
        left = len(self.script.answers) - self.given
        counted = {} if self.script.per is Per.RUN else {"left": max(0, left)}
        return {"number": self.number, "when": self.script.when, "per": self.script.per, "given": self.given} | counted


@dataclass(slots=True)
class Scripts:
    """The scripts that are set. Those with a `when` come before those without; older ones before newer."""

    _set: list[_Set] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def add(self, script: Script) -> int:
        """Sets a script; its number. Raises ValueError when there are too many."""
        self._set = [each for each in self._set if not _is_over(each)]
        if len(self._set) >= SCRIPTS_MAX:
            raise ValueError(f"at most {SCRIPTS_MAX} scripts: clear them with DELETE first")
        number = next(self._numbers)
        self._set.append(_Set(number, script))
        self._set.sort(key=lambda each: each.script.when is None)
        return number

    def clear(self) -> None:
        """Forgets them all: from now on the assistant answers."""
        self._set = []

    def shown(self) -> list[dict[str, Any]]:
        """Each script with how often it has answered."""
        return [each.shown() for each in self._set]

    def answer(self, asked: Asked) -> tuple[Answer, str]:
        """The answer to a request, and whose it is: a script's number, or the assistant's. Raises ApiError."""
        # A conversation in a JSON document has its quotes and line breaks escaped; a test knows the words themselves.
        strings = "\n".join(_strings(Seen(asked).document, 0)) if self._set else ""
        for each in self._set:
            scripted = each.next(asked, strings)
            if scripted is not None:
                return scripted.answer(asked), f"script {each.number}"
        return assistant.answer(asked), "assistant"


def _is_over(each: _Set) -> bool:
    script = each.script
    return script.per is Per.SCRIPT and script.then is None and each.given >= len(script.answers)


def _call(scripted: ScriptedCall, asked: Asked) -> Call:
    if isinstance(scripted.arguments, str):
        arguments = scripted.arguments
    else:
        known = assistant.known(Seen(asked), scripted.name)
        best = known["citations"][0]["id"] if known["citations"] else ""
        filled = _filled(scripted.arguments, {"$passage": best, "$quote": known["body"]}, 0)
        arguments = json.dumps(filled, ensure_ascii=False)
    return Call(scripted.name, arguments) if scripted.id is None else Call(scripted.name, arguments, scripted.id)


def _filled(value: JsonValue, names: Mapping[str, str], depth: int) -> JsonValue:
    if isinstance(value, str):
        return names.get(value, value)
    if depth < _DEPTH_MAX and isinstance(value, list):
        return [_filled(each, names, depth + 1) for each in value]
    if depth < _DEPTH_MAX and isinstance(value, dict):
        return {name: _filled(each, names, depth + 1) for name, each in value.items()}
    return value


def _strings(value: Any, depth: int) -> list[str]:
    if isinstance(value, str):
        return [value]
    if depth >= _DEPTH_MAX or not isinstance(value, list | Mapping):
        return []
    inner = value.values() if isinstance(value, Mapping) else value
    return [text for each in inner for text in _strings(each, depth + 1)]
