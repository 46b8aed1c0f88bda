"""How surely a passage answers, by what searches tell of it and of the question."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.model import Findings, Passage
from agent.thinking.fit import FIGURES, best_fit, figures, joint_fit, likelihoods, together

SHARES = st.floats(0, 1)


def passage(name: str, score: float, similarity: float = 0.0) -> Passage:
    return Passage(name, f"Docs > {name}", "Some text.", score, similarity)


def test_several_searches_are_one_each_passage_as_near_as_it_came() -> None:
    first = Findings((passage("a", 0.7, 0.6), passage("b", 0.5, 0.3)), documented=0.9, open_question_similarity=0.4)
    second = Findings((passage("b", 0.8, 0.2), passage("c", 0.4)), documented=0.1, open_question_similarity=0.6)
    found = together([first, second])
    assert found.passages == (passage("b", 0.8, 0.3), passage("a", 0.7, 0.6), passage("c", 0.4))
    assert found.documented == pytest.approx(0.5)
    assert found.open_question_similarity == 0.6


def test_no_search_tells_nothing() -> None:
    assert together([]) == Findings(())
    assert best_fit(Findings(())) == (0.0, None)
    assert joint_fit(Findings((passage("a", 0.9),)), 2)[0] == 0


def test_without_known_questions_score_and_lead_decide() -> None:
    clear = Findings((passage("a", 0.9), passage("b", 0.3)))
    close = Findings((passage("a", 0.6), passage("b", 0.55)))
    assert best_fit(clear)[0] > 0.9
    assert best_fit(close)[0] < 0.4
    assert best_fit(clear, left_open=0.99) == best_fit(clear, left_open=0.01)


def test_with_known_questions_a_near_open_one_makes_it_doubtful() -> None:
    found = Findings((passage("a", 0.8, 0.7), passage("b", 0.4, 0.4)), documented=0.9, open_question_similarity=0.5)
    assert best_fit(found)[0] > 0.6
    assert best_fit(replace(found, documented=0.1, open_question_similarity=0.9))[0] < 0.3
    assert best_fit(found, left_open=0.95)[0] < best_fit(found, left_open=0.05)[0]


def test_parts_in_two_articles_stand_out_together() -> None:
    found = Findings((passage("a", 0.8), passage("b", 0.78), passage("c", 0.3)))
    assert best_fit(found)[0] < joint_fit(found, 2)[0]
    assert [each.name for each in joint_fit(found, 2)[1]] == ["a", "b"]


def test_every_figure_has_its_place() -> None:
    found = Findings((passage("a", 0.8, 0.7),), documented=0.5, open_question_similarity=0.6)
    row = figures(found, found.passages[0], found.passages, 0.5)
    assert dict(zip(FIGURES, row, strict=True)) == pytest.approx(
        {
            "score": 0.8,
            "lead": 0.55,
            "question similarity": 0.7,
            "documented": 0.0,
            "open question similarity": 0.6,
            "left open": 0.0,
        }
    )


@given(
    row=st.tuples(SHARES, SHARES, SHARES, st.floats(-9, 9), SHARES, st.floats(-9, 9)),
    place=st.integers(0, len(FIGURES) - 1),
    more=st.floats(0, 5),
)
def test_more_of_a_figure_speaks_for_a_passage_or_against_it_and_never_otherwise(
    row: tuple[float, ...], place: int, more: float
) -> None:
    found = Findings((passage("a", 0.5, 0.5),), open_question_similarity=0.5)
    raised = tuple(value + more * (number == place) for number, value in enumerate(row))
    before, after = likelihoods(found, [row, raised])
    assert (after - before) * list(FIGURES.values())[place] >= -1e-12
