"""How surely a passage answers a question: a logistic of three figures, fitted on labelled messages."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from agent.thinking import extract
from agent.thinking.words import content_stems

# By logistic regression over the tuning half of evaluation/messages.jsonl, the sample tickets and
# evaluation/more_questions.json: the score of the search, its lead over the next passage's, and the share of the
# question's words in the passage. The lead tells most: what is in one article only stands out, what is in none is near
# to several.
_SCORE: Final = 3.74
_LEAD: Final = 14.67
_COVERAGE: Final = 2.52
_CONSTANT: Final = -4.12
# What a search leaves out, so that a single passage has no endless lead.
_SCORE_OF_NOTHING: Final = 0.25


def best_fit(question: str, passages: Iterable[Mapping[str, Any]]) -> tuple[float, Mapping[str, Any] | None]:
    """The passage that fits best and how likely it is to answer, from 0 to 1; 0 and None without any."""
    found: Sequence[Mapping[str, Any]] = sorted(passages, key=lambda passage: -passage["score"])
    stems = content_stems(question)
    fits = [(_fit(stems, passage, found), passage) for passage in found]
    return max(fits, key=lambda each: each[0], default=(0.0, None))


def joint_fit(
    question: str, passages: Iterable[Mapping[str, Any]], count: int
) -> tuple[float, list[Mapping[str, Any]]]:
    """The `count` passages that fit a question of several parts best, and how likely even the last of them answers.

    Their lead is the one over the next passage after them: parts in different articles stand out together.
    """
    found = sorted(passages, key=lambda passage: -float(passage["score"]))
    chosen, rest = found[:count], found[count:]
    stems = content_stems(question)
    fits = [_fit(stems, passage, [passage, *rest]) for passage in chosen]
    return (min(fits) if len(fits) == count else 0.0), chosen


def _fit(stems: Sequence[str], passage: Mapping[str, Any], found: Sequence[Mapping[str, Any]]) -> float:
    score = passage["score"]
    others = [other["score"] for other in found if other is not passage]
    lead = score - max([_SCORE_OF_NOTHING, *others])
    heading = passage["heading"].rsplit(" > ", 1)[-1]
    covered = extract.coverage(stems, f"{heading}\n{passage['text']}")
    return 1 / (1 + math.exp(-(_SCORE * score + _LEAD * lead + _COVERAGE * covered + _CONSTANT)))
