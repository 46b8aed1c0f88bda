"""What the agent is asked, and what came of it, judged against what is right: one message and one run at a time."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from evaluation.labels import Labelled

ENGLISH: Final = "en"
# One of a pair is right where the other is: the policy speaks of both as one.
_AS_GOOD: Final = {"ANSWER_UNSUPPORTED": "NO_ANSWER_FOUND", "LANGUAGE": "OTHER"}
_MORE: Final = Path(__file__).with_name("more_questions.json")
# The sample tickets carry no language; three of them with an answer are not in English.
_SAMPLES_ELSEWHERE: Final = {"sample-066": "de", "sample-067": "es", "sample-068": "fr"}

Ending = Literal["reply", "close", "escalate", "none"]


@dataclass(frozen=True, slots=True)
class Question:
    """A message as it reaches the agent, and what is right for it.

    `earlier` are authors (`customer`, `agent`) and texts, oldest first. `triggers` are None where only the first rule
    is known, `category` is empty and `sentiment` None where they are not known. The rest is as in `labels.Label`.
    """

    id: str
    stratum: str
    channel: str
    language: str
    subject: str
    earlier: tuple[tuple[str, str], ...]
    text: str
    ending: Literal["reply", "close", "escalate"]
    reason: str | None = None
    triggers: frozenset[str] | None = frozenset()
    articles: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    category: str = ""
    sentiment: float | None = None

    @property
    def is_english(self) -> bool:
        """Whether the local model can be expected to answer it."""
        return self.language == ENGLISH

    @property
    def is_unanswerable(self) -> bool:
        """Whether nothing that the documents say answers it."""
        return self.reason == "NO_ANSWER_FOUND"


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a run.

    `ending` is `close` for a reply that stands on nothing, and `none` for a run that reached nobody. `triggers` are the
    reasons of all rules that were met, in lower case; `sentiment` is None where it was not judged. `found` are the
    articles of all passages that the searches found, the best first; `articles` are those cited. `sentences` are those
    that were sent, `unsupported` those of them that nothing cited supports, `strange` the figures and addresses that
    stand in no cited section. Costs are in millionths of a US dollar.
    """

    ending: Ending
    reason: str | None = None
    triggers: frozenset[str] = frozenset()
    sentiment: float | None = None
    found: tuple[str, ...] = ()
    text: str = ""
    articles: tuple[str, ...] = ()
    sentences: int = 0
    unsupported: tuple[str, ...] = ()
    strange: tuple[str, ...] = ()
    category: str = ""
    model: str = ""
    seconds: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_micros: int = 0


@dataclass(frozen=True, slots=True)
class Trial:
    """A question, what was seen of its run, and how the two compare."""

    question: Question
    seen: Seen = field(default_factory=lambda: Seen("none"))

    @property
    def is_answered(self) -> bool:
        """Whether the customer got an answer, right or wrong."""
        return self.seen.ending == "reply"

    @property
    def is_escalated(self) -> bool:
        """Whether a person has it."""
        return self.seen.ending == "escalate"

    @property
    def is_language_handover(self) -> bool:
        """Whether a person has it because the answer could not be checked in the customer's language."""
        return self.is_escalated and self.seen.reason == "LANGUAGE" and not self.question.is_english

    @property
    def found_article(self) -> bool:
        """Whether the searches found an article that is needed, whatever became of it."""
        return bool(set(self.question.articles) & set(self.seen.found))

    @property
    def found_article_first(self) -> bool:
        """Whether the best passage of all that the searches found is of an article that is needed."""
        return bool(set(self.question.articles) & set(self.seen.found[:1]))

    @property
    def has_right_article(self) -> bool:
        """Whether the reply stands on an article that is needed."""
        return self.is_answered and bool(set(self.question.articles) & set(self.seen.articles))

    @property
    def has_every_article(self) -> bool:
        """Whether the reply stands on every article that is needed."""
        return self.is_answered and set(self.question.articles) <= set(self.seen.articles)

    @property
    def has_facts(self) -> bool:
        """Whether the reply says everything that a right answer says."""
        said = " ".join(self.seen.text.split()).casefold()
        return self.is_answered and all(fact.casefold() in said for fact in self.question.facts)

    @property
    def has_right_reason(self) -> bool:
        """Whether a person has it for the reason that is right."""
        return self.is_escalated and _reason(self.seen.reason) == _reason(self.question.reason)

    @property
    def outcome(self) -> str:
        """How the ending compares with what is right, in a few words."""
        match self.question.ending, self.seen.ending:
            case _, "none":
                return "no ending"
            case "close", "close":
                return "closed kindly"
            case "escalate", "escalate":
                return "right reason" if self.has_right_reason else "other reason"
            case "escalate", _:
                return "false answer" if self.question.is_unanswerable else "missed trigger"
            case _, "escalate":
                return "handed over for its language" if self.is_language_handover else "needless escalation"
            case "reply", "close":
                return "closed unanswered"
            case "close", _:
                return "answered thanks"
        if not self.has_right_article:
            return "wrong article"
        return "right answer" if self.has_facts else "right article without every fact"

    @property
    def is_right(self) -> bool:
        """Whether nothing about the ending needs a second look."""
        return self.outcome in ("right answer", "closed kindly", "right reason", "handed over for its language")


def from_label(row: Labelled) -> Question:
    """A labelled message as a question."""
    return Question(
        id=row.id,
        stratum=row.stratum,
        channel=row.channel,
        language=row.language,
        subject=row.subject,
        earlier=tuple((said.author, said.text) for said in row.earlier),
        text=row.text,
        ending=row.label.ending,
        reason=row.label.reason,
        triggers=frozenset(row.label.triggers),
        articles=tuple(row.label.articles),
        facts=tuple(row.label.facts),
        sentiment=row.label.sentiment,
    )


def samples(context: Path) -> list[Question]:
    """The sample tickets in the folder `context` as questions. Of the rules they meet only the first is known."""
    return [
        Question(
            id=each["id"],
            stratum=_stratum(each["expected"]),
            channel=each["channel"],
            language=_SAMPLES_ELSEWHERE.get(each["id"], ENGLISH),
            subject=each["subject"] or "",
            earlier=(),
            text=each["message"],
            ending=_ending(each["expected"]),
            reason=each["expected"]["reason"],
            triggers=None,
            articles=(each["expected"]["section"],) if each["expected"]["section"] else (),
            category=each["expected"]["category"],
        )
        for each in json.loads((context / "sample-tickets.json").read_text("utf-8"))
    ]


def more_questions() -> list[Question]:
    """Questions for tuning, which only name the sections that answer them, or none; by form where no channel stands."""
    return [
        Question(
            id=f"more-{number:03}",
            stratum=_stratum_of(each),
            channel=each.get("channel", "web_form"),
            language=ENGLISH,
            subject=each.get("subject", ""),
            earlier=tuple((author, text) for author, text in each.get("earlier", ())),
            text=each["message"],
            ending="reply" if each["sections"] else "escalate",
            reason=None if each["sections"] else "NO_ANSWER_FOUND",
            triggers=None,
            articles=tuple(each["sections"]),
            facts=tuple(each.get("facts", ())),
        )
        for number, each in enumerate(json.loads(_MORE.read_text("utf-8")), 1)
    ]


def _stratum_of(question: dict[str, Any]) -> str:
    match len(question["sections"]):
        case 0:
            return "unanswerable"
        case 1:
            return "follow_up" if "earlier" in question else "answerable"
        case _:
            return "several_questions"


def _ending(expected: dict[str, str | None]) -> Literal["reply", "close", "escalate"]:
    if expected["ending"] == "escalate":
        return "escalate"
    return "reply" if expected["section"] else "close"


def _stratum(expected: dict[str, str | None]) -> str:
    match _ending(expected):
        case "reply":
            return "answerable"
        case "close":
            return "thanks"
        case _:
            return "unanswerable" if expected["reason"] == "NO_ANSWER_FOUND" else "trigger"


def _reason(name: str | None) -> str | None:
    return None if name is None else _AS_GOOD.get(name, name)
