"""Messages whose meaning is known: what the model of meaning is trained on, and what it has never seen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from agent.model import Reason
from agent.thinking.meaning import READ
from agent.thinking.own_words import own_words
from evaluation import labels
from evaluation.questions import more_questions

HERE: Final = Path(__file__).parent
_CONTEXT: Final = HERE.parents[1] / "context"
_ENGLISH: Final = "en"
# Of the questions that search knows, so many are enough to show what means nothing special.
_ONE_IN: Final = 3


@dataclass(frozen=True, slots=True)
class Example:
    """What a customer wrote, subject and text, and the reasons that it means."""

    texts: tuple[str, ...]
    means: frozenset[Reason]

    @property
    def said(self) -> str:
        """The whole of it, as the agent reads it."""
        return "\n".join(own for text in self.texts if (own := own_words(text).strip()))


def trained_on() -> list[Example]:
    """All that may be looked at: the messages here, `tune`, and what was looked at for the patterns."""
    found = [_example(row) for row in _rows(HERE / "messages.jsonl")]
    found += [_example(row) for row in _triggers() if not row["held_out"]]
    for row in labels.messages("tune"):
        if row.language == _ENGLISH:
            found.append(_of(row.subject, row.text, row.label.triggers))
    found += [_example(row) for row in _rows(HERE.parent / "thanks.jsonl") if row["language"] == _ENGLISH]
    found += [_of("", question.text) for question in more_questions()]
    for name in ("customer-questions.md", "open-questions.md"):
        lines = (_CONTEXT / name).read_text("utf-8").splitlines()
        found += [_of("", line.removeprefix("- ")) for line in lines if line.startswith("- ")][::_ONE_IN]
    return found


def held_out() -> list[Example]:
    """English messages that neither the patterns nor the model were made with."""
    return [_example(row) for row in _triggers() if row["held_out"] and row["language"] == _ENGLISH]


def _triggers() -> Iterator[dict[str, Any]]:
    return (row for row in _rows(HERE.parent / "more_triggers.jsonl") if row["language"] == _ENGLISH)


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in file.read_text("utf-8").splitlines())


def _example(row: dict[str, Any]) -> Example:
    return _of(row["subject"], row["text"], row.get("triggers", ()))


def _of(subject: str, text: str, triggers: Any = ()) -> Example:
    reasons = frozenset(reason for reason in READ if reason.lower() in triggers)
    return Example(tuple(each for each in (subject, text) if each), reasons)
