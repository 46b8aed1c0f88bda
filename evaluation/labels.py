"""The labelled messages and sentences, read and checked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

HERE: Final = Path(__file__).parent
MESSAGES: Final = HERE / "messages.jsonl"
GROUNDING: Final = HERE / "grounding.jsonl"
SOURCES: Final = ("product-docs.md", "company-profile.md")
"""The files of `context/` that an answer may stand on."""

Split = Literal["tune", "test"]
Trigger = Literal[
    "legal",
    "refund_request",
    "pricing_negotiation",
    "human_requested",
    "profanity",
    "angry",
    "negative_sentiment",
    "other",
]
"""What sends a message to a person before any model is asked, by rank: the first of a message gives the reason."""

NEGATIVE_BELOW: Final = 0.3
"""A message whose sentiment is lower has the trigger `negative_sentiment`, whatever else it has."""

_Text = Annotated[str, Field(min_length=1, max_length=2000)]


class LabelsError(ValueError):
    """A line of a file does not fit. The message names the file, the line, the field, and the rule it breaks."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Said(_Strict):
    """An earlier message of the conversation."""

    author: Literal["customer", "agent"]
    text: _Text


class Label(_Strict):
    """What is right for a message.

    `articles` are headings of `SOURCES`: all that the answer needs. `facts` are strings that a right answer contains,
    without regard to case; each stands in one of the articles. `sentiment` runs from 0 (worst) to 1.
    """

    ending: Literal["reply", "escalate", "close"]
    reason: (
        Literal[
            "LEGAL",
            "REFUND_REQUEST",
            "PRICING_NEGOTIATION",
            "HUMAN_REQUESTED",
            "PROFANITY",
            "ANGRY",
            "NEGATIVE_SENTIMENT",
            "NO_ANSWER_FOUND",
            "LANGUAGE",
            "OTHER",
        ]
        | None
    )
    triggers: list[Trigger]
    articles: list[str]
    facts: list[str]
    sentiment: Annotated[float, Field(ge=0, le=1)]


class Labelled(_Strict):
    """A message, what came before it, and what is right for it. `about` is the rule that it meets or only resembles."""

    id: str
    split: Split
    stratum: Literal["answerable", "follow_up", "several_questions", "near_miss", "unanswerable", "thanks", "trigger"]
    about: Trigger | Literal["language"] | None
    channel: Literal["email", "whatsapp", "web_form"]
    language: Literal["en", "es", "de", "fr", "pt", "it", "nl", "pl", "sv"]
    subject: str
    earlier: list[Said]
    text: _Text
    label: Label


class Grounded(_Strict):
    """A sentence of a reply, the headings of the passages it was written from, and whether they support it.

    `quotes` are the passage's own words that a sentence in another language claims to stand on.
    """

    id: str
    split: Split
    kind: str
    language: Literal["en", "es", "de", "fr", "pt"]
    sentence: _Text
    passages: list[str]
    quotes: list[str]
    supported: bool


_Row = TypeVar("_Row", Labelled, Grounded)


def messages(split: Split | None = None) -> list[Labelled]:
    """The labelled messages, of one split or of both. Raises LabelsError."""
    return [row for row in _read(MESSAGES, Labelled) if split in (None, row.split)]


def sentences(split: Split | None = None) -> list[Grounded]:
    """The labelled sentences, of one split or of both. Raises LabelsError."""
    return [row for row in _read(GROUNDING, Grounded) if split in (None, row.split)]


def passages(context: Path) -> dict[str, str]:
    """The sections of the sources in the folder `context`, by heading."""
    found: dict[str, str] = {}
    for source in SOURCES:
        for section in (context / source).read_text("utf-8").split("\n## ")[1:]:
            heading, _, text = section.partition("\n")
            found[heading.strip()] = text.strip()
    return found


def _read(path: Path, kind: type[_Row]) -> Sequence[_Row]:
    rows: list[_Row] = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        try:
            rows.append(kind.model_validate_json(line))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise LabelsError(f"{path.name}, line {number}: {place}: {first['msg']}; mend it there") from error
    return rows
