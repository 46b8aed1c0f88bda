"""Fits how surely a passage answers: the trees and constants of `agent.thinking.fit`, from messages with known answers.

    make fit                         in an environment of its own, which has scikit-learn
    python -m evaluation.fitting     the same in this one

Looks at the first passages that two searches find for each English question of `tune`, the sample tickets and
`more_questions`: does it stand under a heading that answers? Gradient boosting weighs the figures of a search, held to
what they mean (more of a score never speaks against a passage); a logistic weighs score and lead alone, for a knowledge
base without known questions. Prints by ten-fold cross-validation what a threshold lets through of either sort.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

import agent.thinking
from agent.model import Findings
from agent.thinking import fit
from agent.thinking.case import QUERY_CHARACTERS_MAX
from agent.thinking.instructions import document, read_document
from agent.thinking.meaning import Meaning
from agent.thinking.question import read_question, unanswered
from evaluation import labels
from evaluation.desk import Library
from evaluation.questions import Question, from_label, more_questions, samples
from evaluation.sent import heading_of
from evaluation.stage import CONTEXT, conversation_of, database, library

FOLDS: Final = 10
# Those further down are hardly ever the answer, and would only teach that most passages are none.
PASSAGES_MAX: Final = 4
THRESHOLDS: Final = (0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9)
_TREES: Final = 80
_LEAVES_MAX: Final = 8

Figures = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shown:
    """A question with the figures of the first passages found for it, a row each, and which of them answer it."""

    question: Question
    figures: Figures
    answers: npt.NDArray[np.bool_]


def questions() -> list[Question]:
    """What may be looked at, in English, with or without an answer."""
    tuned = [from_label(row) for row in labels.messages("tune")]
    every = [*tuned, *samples(CONTEXT), *more_questions()]
    return [each for each in every if each.is_english and (each.articles or each.is_unanswerable)]


async def show(question: Question, knowledge: Library, meaning: Meaning) -> Shown:
    """Searches as the local model does, by the whole and by the pointed question."""
    asked = read_document(document(conversation_of(question)))
    read = read_question(asked)
    left_open = (await meaning.read(unanswered(asked))).left_open
    queries = (read.whole, read.pointed)
    found = fit.together([await knowledge.search(query[:QUERY_CHARACTERS_MAX]) for query in queries])
    return Shown(question, _figures(found, left_open), np.array(_answers(found, question), dtype=bool))


def _figures(found: Findings, left_open: float) -> Figures:
    first = found.passages[:PASSAGES_MAX]
    rows = [fit.figures(found, each, found.passages, left_open) for each in first]
    return np.array(rows).reshape(len(first), len(fit.FIGURES))


def _answers(found: Findings, question: Question) -> list[bool]:
    return [heading_of(each.heading) in question.articles for each in found.passages[:PASSAGES_MAX]]


def trees(shown: Sequence[Shown]) -> HistGradientBoostingClassifier:
    """The trees that these questions bear out best."""
    boosted = HistGradientBoostingClassifier(
        max_iter=_TREES,
        learning_rate=0.08,
        max_leaf_nodes=_LEAVES_MAX,
        min_samples_leaf=30,
        l2_regularization=5,
        monotonic_cst=list(fit.FIGURES.values()),
        early_stopping=False,
    )
    return boosted.fit(*_rows(shown))


def as_arrays(boosted: HistGradientBoostingClassifier) -> dict[str, Any]:
    """The trees as `agent.thinking.fit` reads them: a row for each tree, a column for each node."""
    # scikit-learn has no public door to the trees that it boosted; the lock names the version that this reads.
    grown = [tree.nodes for (tree,) in boosted._predictors]
    shape = (len(grown), max(map(len, grown)))
    arrays: dict[str, Any] = {name: np.zeros(shape, np.int16) for name in ("figure", "if_most", "if_more")}
    arrays |= {name: np.zeros(shape, np.float64) for name in ("most", "adds")}
    for row, nodes in enumerate(grown):
        leaf, width = nodes["is_leaf"].astype(bool), len(nodes)
        arrays["figure"][row, :width] = np.where(leaf, 0, nodes["feature_idx"])
        arrays["most"][row, :width] = np.where(leaf, 0, nodes["num_threshold"])
        arrays["if_most"][row, :width] = np.where(leaf, np.arange(width), nodes["left"])
        arrays["if_more"][row, :width] = np.where(leaf, np.arange(width), nodes["right"])
        arrays["adds"][row, :width] = np.where(leaf, nodes["value"], 0)
    depth = max(int(nodes["depth"].max()) for nodes in grown)
    return arrays | {"constant": np.float64(boosted._baseline_prediction.item()), "depth": np.int16(depth)}


def cross_validated(shown: Sequence[Shown]) -> list[tuple[float, bool]]:
    """For each question, how likely its best passage answers by trees that were fitted without it, and whether."""
    folds = [hashlib.sha256(each.question.text.encode()).digest()[0] % FOLDS for each in shown]
    without = [
        trees([each for each, fold in zip(shown, folds, strict=True) if fold != left_out]) for left_out in range(FOLDS)
    ]
    judged = []
    for each, fold in zip(shown, folds, strict=True):
        likely = without[fold].predict_proba(each.figures)[:, 1] if len(each.figures) else np.zeros(0)
        judged.append((float(likely.max()), bool(each.answers[likely.argmax()])) if len(likely) else (0.0, False))
    return judged


def _rows(shown: Sequence[Shown]) -> tuple[Figures, npt.NDArray[np.bool_]]:
    return np.concatenate([each.figures for each in shown]), np.concatenate([each.answers for each in shown])


async def _main(dsn: str) -> None:
    async with library(dsn) as knowledge:
        meaning = Meaning()
        shown = [await show(question, knowledge, meaning) for question in questions()]
    figures, answers = _rows(shown)
    alone = LogisticRegression().fit(figures[:, :2], answers)
    (score, lead), (constant,) = alone.coef_[0], alone.intercept_
    print(f"where no questions are known: _SCORE = {score:.2f}, _LEAD = {lead:.2f}, _CONSTANT = {constant:.2f}")
    judged = cross_validated(shown)
    with_answer = [each for each, of in zip(judged, shown, strict=True) if of.question.articles]
    without_answer = [each for each, of in zip(judged, shown, strict=True) if not of.question.articles]
    print(f"from   right   wrong   of {len(with_answer)};   answered, of {len(without_answer)} that have none")
    for threshold in THRESHOLDS:
        right = sum(likely >= threshold and answers for likely, answers in with_answer)
        wrong = sum(likely >= threshold and not answers for likely, answers in with_answer)
        false = sum(likely >= threshold for likely, _ in without_answer)
        print(f"{threshold:.2f}   {right:4}    {wrong:4}   {' ' * 9}{false:4}")
    grown = trees(shown)
    arrays = as_arrays(grown)
    # The agent reads them as scikit-learn does, or they are not written.
    np.testing.assert_allclose(fit.Trees(arrays).log_odds(figures), grown.decision_function(figures))
    target = Path(agent.thinking.__file__).with_name(fit.TREES)
    np.savez_compressed(target, **arrays)
    print(f"wrote {target.name}, {target.stat().st_size} bytes")


if __name__ == "__main__":
    with database() as dsn:
        asyncio.run(_main(dsn))
