"""Messages whose meaning is known: what the model of meaning is trained on, and what it has never seen."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from agent.model import Reason
from agent.thinking.meaning import READ
from agent.thinking.own_words import own_text
from evaluation import labels
from evaluation.questions import more_questions

HERE: Final = Path(__file__).parent
_CONTEXT: Final = HERE.parents[1] / "context"
_ENGLISH: Final = "en"


@dataclass(frozen=True, slots=True)
class Example:
    """What a customer wrote, subject and text, and the reasons that it means.

    Whether it `closes` the conversation, and whether what it asks is `left_open` by the documents, where that is known.
    """

    texts: tuple[str, ...]
    means: frozenset[Reason] = frozenset()
    closes: bool | None = None
    left_open: bool | None = None

    @property
    def said(self) -> str:
        """The whole of it, as the agent reads it."""
        return own_text(self.texts)


def trained_on() -> list[Example]:
    """All that may be looked at: the messages here, `tune`, what was looked at for the patterns, the known questions.

    Whether more_questions are answered is left to `evaluation.fitting`, which weighs what is read here.
    """
    found = [_of(row, closes=False) for row in _rows(HERE / "messages.jsonl")]
    found += [_of(row, closes=row["closes"]) for row in _rows(HERE / "thanks.jsonl")]
    found += [_of(row, closes=False) for row in _triggers() if not row["held_out"]]
    for row in labels.messages("tune"):
        if row.language == _ENGLISH:
            means = _reasons(row.label.triggers)
            found.append(Example(_texts(row.subject, row.text), means, closes=row.label.ending == "close"))
    found += [Example(_texts(question.subject, question.text), closes=False) for question in more_questions()]
    for name, left_open in (("customer-questions.md", False), ("open-questions.md", True)):
        lines = (_CONTEXT / name).read_text("utf-8").splitlines()
        asked = [line.removeprefix("- ") for line in lines if line.startswith("- ")]
        found += [Example((question,), closes=False, left_open=left_open) for question in asked]
    return found


def held_out() -> list[Example]:
    """English messages that neither the patterns nor the model were made with."""
    return [_of(row) for row in _triggers() if row["held_out"]]


def thanks() -> list[Example]:
    """English messages at the end of a conversation, of which it is known whether they close it; not trained on."""
    rows = _rows(HERE.parent / "thanks.jsonl")
    return [_of(row, closes=row["closes"]) for row in rows if row["language"] == _ENGLISH]


def _triggers() -> Iterator[dict[str, Any]]:
    return (row for row in _rows(HERE.parent / "more_triggers.jsonl") if row["language"] == _ENGLISH)


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in file.read_text("utf-8").splitlines())


def _of(row: dict[str, Any], closes: bool | None = None) -> Example:
    return Example(_texts(row.get("subject", ""), row["text"]), _reasons(row.get("triggers", ())), closes)


def _texts(subject: str, text: str) -> tuple[str, ...]:
    return tuple(each for each in (subject, text) if each)


def _reasons(triggers: Iterable[str]) -> frozenset[Reason]:
    known = set(triggers)
    return frozenset(reason for reason in READ if reason.lower() in known)
