"""Articles, their versions and passages, and what a search finds. Pure: no wire, no store."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Vector: TypeAlias = npt.NDArray[np.float32]
"""A vector of a model, or several, one a row. Of length 1: the dot product of two is their cosine."""


def innermost(heading: str) -> str:
    """The last heading of a path of headings."""
    return heading.rsplit(" > ", 1)[-1]


@dataclass(frozen=True)
class Section:
    """A stretch of a document under one heading; `heading` is the path to it, outermost first, joined by ` > `."""

    heading: str
    text: str

    @property
    def name(self) -> str:
        """The innermost heading."""
        return innermost(self.heading)

    def embedded_text(self, left_out: Sequence[str]) -> str:
        """What its vector is made of: heading and text, without the names that tell no section from another."""
        text = f"{self.heading}\n{self.text}"
        if not left_out:
            return text
        names = "|".join(re.escape(name) for name in left_out)
        return re.sub(rf"\b(?:{names})\b", "", text, flags=re.IGNORECASE)


@dataclass(frozen=True)
class Document:
    """What an article is made from: a file of the context, cut into sections."""

    slug: str
    title: str
    sections: tuple[Section, ...]


@dataclass(frozen=True)
class Question:
    """What customers ask near a section: the section answers it, or it is known that no document does."""

    text: str
    answered: bool


@dataclass(frozen=True)
class PassageName:
    """Which passage: it stays the same for ever. `number` counts from 1 within the version."""

    article: str
    version: int
    number: int


@dataclass(frozen=True)
class Passage:
    """A section as it was published."""

    id: uuid.UUID
    name: PassageName
    section: Section


@dataclass(frozen=True)
class Article:
    """One version of an article. `passages` are in the order of the document, and empty where nobody asked for them."""

    slug: str
    title: str
    version: int
    sha256: str
    passage_count: int
    create_time: datetime
    publish_time: datetime
    passages: tuple[Passage, ...] = ()


@dataclass(frozen=True)
class Match:
    """A passage that was found, and how well it fits, from 0 to 1.

    `question_similarity` is the cosine to the nearest question that the passage is known to answer, 0 without any.
    """

    passage: Passage
    score: float
    question_similarity: float


@dataclass(frozen=True)
class Findings:
    """What a search found, best first, and the question as it was searched for.

    `documented` is how likely the documents answer it at all, from 0 to 1, by the known questions nearest to it;
    `open_question_similarity` the cosine to the nearest that is open, 0 where none is known.
    """

    searched_query: str
    matches: tuple[Match, ...]
    documented: float
    open_question_similarity: float


@dataclass(frozen=True)
class NearQuestion:
    """A known question near the one that is asked: how near (a cosine), and the passage it stands beside."""

    passage_id: uuid.UUID
    question: Question
    cosine: float


@dataclass(frozen=True)
class Candidate:
    """A passage that may answer: the cosine of its vector to the question's, and the question's lexemes it has.

    `asked_cosine` is the one to the nearest of the questions that it is known to answer, None where it has none;
    their lexemes count as its own.
    """

    passage_id: uuid.UUID
    cosine: float
    asked_cosine: float | None
    shared: frozenset[str]

    @property
    def nearness(self) -> float:
        """How near in meaning: to what it says, and to what it is asked for, by halves."""
        return self.cosine if self.asked_cosine is None else (self.cosine + self.asked_cosine) / 2


@dataclass(frozen=True)
class Candidates:
    """What the store found for a question: its own lexemes, the candidates, and the revision they are of."""

    asked: frozenset[str]
    found: tuple[Candidate, ...]
    revision: int
