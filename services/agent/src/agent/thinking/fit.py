"""How surely a passage answers a question: what a search tells of both, weighed as labelled messages bear out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from agent.model import Findings, Passage

Figures = npt.NDArray[np.float64]

TREES: Final = "fit.npz"
"""The trees that weigh the figures where questions are known that customers ask; by `make fit`."""

FIGURES: Final[Mapping[str, int]] = MappingProxyType(
    {
        "score": 1,
        "lead": 1,
        "question similarity": 1,
        "documented": 1,
        "open question similarity": -1,
        "left open": -1,
    }
)
"""What is weighed: more of it speaks for a passage, or against it (-1)."""

# Where none are known, score and lead alone are weighed, by a logistic that the same command fits. The lead tells most:
# what is in one article only stands out, what is in none is near to several.
_SCORE: Final = 7.30
_LEAD: Final = 8.08
_CONSTANT: Final = -6.83
# What a search leaves out, so that a single passage has no endless lead.
_SCORE_OF_NOTHING: Final = 0.25
# A search is never surer than this of either.
_DOCUMENTED_MIN: Final = 1e-4


def together(searches: Sequence[Findings]) -> Findings:
    """What several searches for one question found: each passage once, as near as it came."""
    found: dict[str, Passage] = {}
    for passage in (each for search in searches for each in search.passages):
        known = found.setdefault(passage.name, passage)
        found[passage.name] = replace(
            known,
            score=max(known.score, passage.score),
            question_similarity=max(known.question_similarity, passage.question_similarity),
        )
    odds = [_log_odds(search.documented) for search in searches]
    return Findings(
        tuple(sorted(found.values(), key=lambda passage: -passage.score)),
        1 / (1 + math.exp(-math.fsum(odds) / len(odds))) if odds else 0.5,
        max((search.open_question_similarity for search in searches), default=0.0),
    )


def best_fit(found: Findings, left_open: float = 0.5) -> tuple[float, Passage | None]:
    """The passage that fits best and how likely it is to answer, from 0 to 1; 0 and None without any.

    `left_open` is how likely no document answers the message, as `Meaning.read` has it.
    """
    if not found.passages:
        return 0.0, None
    fits = likelihoods(found, [figures(found, passage, found.passages, left_open) for passage in found.passages])
    best = int(fits.argmax())
    return float(fits[best]), found.passages[best]


def joint_fit(found: Findings, count: int, left_open: float = 0.5) -> tuple[float, Sequence[Passage]]:
    """The `count` passages that fit a question of several parts best, and how likely even the last of them answers.

    Their lead is the one over the next passage after them: parts in different articles stand out together.
    """
    chosen, rest = found.passages[:count], found.passages[count:]
    if len(chosen) < count:
        return 0.0, chosen
    fits = likelihoods(found, [figures(found, passage, (passage, *rest), left_open) for passage in chosen])
    return float(fits.min()), chosen


def figures(found: Findings, passage: Passage, among: Iterable[Passage], left_open: float) -> tuple[float, ...]:
    """What speaks for a passage: its score, its lead over the best other one among these, what questions are near.

    In the order of `FIGURES`.
    """
    others = (other.score for other in among if other is not passage)
    return (
        passage.score,
        passage.score - max((_SCORE_OF_NOTHING, *others)),
        passage.question_similarity,
        _log_odds(found.documented),
        found.open_question_similarity,
        _log_odds(left_open),
    )


def likelihoods(found: Findings, rows: Sequence[tuple[float, ...]]) -> Figures:
    """How likely the passages with these figures answer, from 0 to 1."""
    known = found.open_question_similarity or any(passage.question_similarity for passage in found.passages)
    inputs = np.array(rows)
    odds = _trees().log_odds(inputs) if known else inputs[:, :2] @ np.array((_SCORE, _LEAD)) + _CONSTANT
    answers: Figures = 1 / (1 + np.exp(-odds))
    return answers


def _log_odds(share: float) -> float:
    bounded = min(max(share, _DOCUMENTED_MIN), 1 - _DOCUMENTED_MIN)
    return math.log(bounded / (1 - bounded))


class Trees:
    """Boosted trees as arrays, a row for each tree: what a node asks, where it leads, and what a leaf adds."""

    def __init__(self, arrays: dict[str, Any]) -> None:
        self._constant = arrays["constant"]
        self._figure, self._most = arrays["figure"], arrays["most"]
        # A leaf leads to itself.
        self._if_most, self._if_more = arrays["if_most"], arrays["if_more"]
        self._adds, self._depth = arrays["adds"], int(arrays["depth"])

    def log_odds(self, rows: Figures) -> Figures:
        """The log odds for each row of figures."""
        trees = np.arange(len(self._figure))
        nodes = np.zeros((len(rows), len(trees)), dtype=np.intp)
        for _ in range(self._depth):
            asks = np.take_along_axis(rows, self._figure[trees, nodes], 1) <= self._most[trees, nodes]
            nodes = np.where(asks, self._if_most[trees, nodes], self._if_more[trees, nodes])
        return np.asarray(self._adds[trees, nodes].sum(1) + self._constant, dtype=np.float64)


@cache
def _trees() -> Trees:
    with resources.files("agent.thinking").joinpath(TREES).open("rb") as file, np.load(file) as arrays:
        return Trees({name: arrays[name] for name in arrays.files})
