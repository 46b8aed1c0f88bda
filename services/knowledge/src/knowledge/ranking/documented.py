"""How likely the documents answer a question at all: by its neighbours among the questions that are known."""

import math
from collections.abc import Iterable

from knowledge.model import NearQuestion

# How much nearer a neighbour has to be to count e times as much, and how many of either sort count: chosen together,
# see docs/decisions/0015.
_COSINE_STEP = 0.05
_NEAREST = 10


def nearest(near: Iterable[NearQuestion]) -> tuple[list[float], list[float]]:
    """Returns the cosines of the ten nearest answered questions and of the ten nearest open ones, nearest first.

    A question that stands beside several passages counts once.
    """
    by_sort: dict[bool, dict[str, float]] = {True: {}, False: {}}
    for each in sorted(near, key=lambda question: -question.cosine):
        by_sort[each.question.answered].setdefault(each.question.text, each.cosine)
    answered, left_open = (list(by_sort[sort].values())[:_NEAREST] for sort in (True, False))
    return answered, left_open


def documented(answered: Iterable[float], left_open: Iterable[float]) -> float:
    """Returns a share from 0 to 1: near 1 where the nearest known questions are documented, near 0 where they are open.

    Given are cosines of the question to those of either sort that are nearest to it. Each counts the more the nearer
    it is; 0.5 where there are none at all.
    """
    yes, no = (math.fsum(math.exp(cosine / _COSINE_STEP) for cosine in cosines) for cosines in (answered, left_open))
    return yes / (yes + no) if yes or no else 0.5
