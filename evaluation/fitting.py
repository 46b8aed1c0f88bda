"""Fits how surely a passage answers: the constants of `agent.thinking.fit`, from messages whose answer is known.

    python -m evaluation.fitting

A logistic regression (Newton's method, an L2 penalty on standardised figures) over the first passages that two searches
find for each English question of `tune`, the sample tickets and `more_questions`: does it stand under a heading that
answers? Prints the constants, and by ten-fold cross-validation what a threshold lets through of either sort.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from agent.model import Passage
from agent.thinking import fit
from agent.thinking.case import QUERY_CHARACTERS_MAX
from agent.thinking.instructions import document, read_document
from agent.thinking.question import read_question
from evaluation import labels
from evaluation.desk import Library
from evaluation.questions import Question, from_label, more_questions, samples
from evaluation.sent import heading_of
from evaluation.stage import CONTEXT, conversation_of, database, library

FOLDS: Final = 10
PENALTY: Final = 1.0
# Those further down are hardly ever the answer, and would only teach that most passages are none.
PASSAGES_MAX: Final = 4
THRESHOLDS: Final = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)

Figures = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shown:
    """A question with the figures of the first passages found for it, a row each, and which of them answer it."""

    question: Question
    figures: Figures
    answers: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Fitted:
    """The constants: a weight for each figure, and what is added."""

    weights: Figures
    constant: float

    def likelihood(self, figures: Figures) -> Figures:
        """How likely each row of figures is of a passage that answers."""
        odds: Figures = 1 / (1 + np.exp(-(figures @ self.weights + self.constant)))
        return odds


def questions() -> list[Question]:
    """What may be looked at, in English, with or without an answer."""
    tuned = [from_label(row) for row in labels.messages("tune")]
    every = [*tuned, *samples(CONTEXT), *more_questions()]
    return [each for each in every if each.is_english and (each.articles or each.is_unanswerable)]


async def show(question: Question, knowledge: Library) -> Shown:
    """Searches as the local model does, by the whole and by the pointed question."""
    read = read_question(read_document(document(conversation_of(question))))
    found: dict[str, Passage] = {}
    for query in (read.whole, read.pointed):
        for passage in await knowledge.search(query[:QUERY_CHARACTERS_MAX]):
            if passage.name not in found or passage.score > found[passage.name].score:
                found[passage.name] = passage
    best = sorted(found.values(), key=lambda passage: -passage.score)
    scores = [{"score": each.score} for each in best]
    return Shown(
        question,
        np.array([fit.figures(each, scores) for each in scores[:PASSAGES_MAX]]).reshape(-1, 2),
        np.array([heading_of(each.heading) in question.articles for each in best[:PASSAGES_MAX]], dtype=bool),
    )


def fitted(shown: Sequence[Shown]) -> Fitted:
    """The constants that these questions bear out best."""
    rows, answers = np.concatenate([each.figures for each in shown]), np.concatenate([each.answers for each in shown])
    middle, spread = rows.mean(axis=0), rows.std(axis=0)
    inputs = np.column_stack([(rows - middle) / spread, np.ones(len(rows))])
    penalty = np.diag([PENALTY] * rows.shape[1] + [0.0])
    weights = np.zeros(inputs.shape[1])
    for _ in range(50):
        likely = 1 / (1 + np.exp(-inputs @ weights))
        slope = inputs.T @ (likely - answers) + penalty @ weights
        weights = weights - np.linalg.solve((inputs.T * (likely * (1 - likely))) @ inputs + penalty, slope)
    scaled = weights[:-1] / spread
    return Fitted(scaled, float(weights[-1] - middle @ scaled))


def cross_validated(shown: Sequence[Shown]) -> list[tuple[float, bool]]:
    """For each question, how likely its best passage answers by constants that were fitted without it, and whether."""
    folds = [hashlib.sha256(each.question.text.encode()).digest()[0] % FOLDS for each in shown]
    without = [
        fitted([each for each, fold in zip(shown, folds, strict=True) if fold != left_out]) for left_out in range(FOLDS)
    ]
    judged = []
    for each, fold in zip(shown, folds, strict=True):
        likely = without[fold].likelihood(each.figures)
        judged.append((float(likely.max()), bool(each.answers[likely.argmax()])) if len(likely) else (0.0, False))
    return judged


async def _main(dsn: str) -> None:
    async with library(dsn) as knowledge:
        shown = [await show(question, knowledge) for question in questions()]
    whole = fitted(shown)
    score, lead = whole.weights
    print(f"_SCORE = {score:.2f}, _LEAD = {lead:.2f}, _CONSTANT = {whole.constant:.2f}")
    judged = cross_validated(shown)
    with_answer = [each for each, of in zip(judged, shown, strict=True) if of.question.articles]
    without_answer = [each for each, of in zip(judged, shown, strict=True) if not of.question.articles]
    print(f"from   right   wrong   of {len(with_answer)};   answered, of {len(without_answer)} that have none")
    for threshold in THRESHOLDS:
        right = sum(likely >= threshold and answers for likely, answers in with_answer)
        wrong = sum(likely >= threshold and not answers for likely, answers in with_answer)
        false = sum(likely >= threshold for likely, _ in without_answer)
        print(f"{threshold:.1f}    {right:4}    {wrong:4}   {' ' * 9}{false:4}")


if __name__ == "__main__":
    with database() as dsn:
        asyncio.run(_main(dsn))
