"""How surely a passage answers a question: a logistic of two figures, fitted on labelled messages."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

# By `python -m evaluation.fitting`, over questions whose answer is known: the score of the search, and its lead over
# the next passage's. The lead tells most: what is in one article only stands out, what is in none is near to several.
# The share of the question's words that the passage has is in the score already, and told nothing more.
_SCORE: Final = 6.60
_LEAD: Final = 9.38
_CONSTANT: Final = -5.37
# What a search leaves out, so that a single passage has no endless lead.
_SCORE_OF_NOTHING: Final = 0.25


def best_fit(passages: Iterable[Mapping[str, Any]]) -> tuple[float, Mapping[str, Any] | None]:
    """The passage that fits best and how likely it is to answer, from 0 to 1; 0 and None without any."""
    found = list(passages)
    fits = [(_fit(passage, found), passage) for passage in found]
    return max(fits, key=lambda each: each[0], default=(0.0, None))


def joint_fit(passages: Iterable[Mapping[str, Any]], count: int) -> tuple[float, list[Mapping[str, Any]]]:
    """The `count` passages that fit a question of several parts best, and how likely even the last of them answers.

    Their lead is the one over the next passage after them: parts in different articles stand out together.
    """
    found = sorted(passages, key=lambda passage: -float(passage["score"]))
    chosen, rest = found[:count], found[count:]
    fits = [_fit(passage, [passage, *rest]) for passage in chosen]
    return (min(fits) if len(fits) == count else 0.0), chosen


def figures(passage: Mapping[str, Any], found: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """The score of a passage, and its lead over the best other one of those that were found."""
    score = float(passage["score"])
    return score, score - max([_SCORE_OF_NOTHING, *(other["score"] for other in found if other is not passage)])


def _fit(passage: Mapping[str, Any], found: Sequence[Mapping[str, Any]]) -> float:
    score, lead = figures(passage, found)
    return 1 / (1 + math.exp(-(_SCORE * score + _LEAD * lead + _CONSTANT)))
