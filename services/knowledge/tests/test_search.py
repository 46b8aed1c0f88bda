import dataclasses
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.model import Candidate, Candidates
from knowledge.ranking.search import SCORE_MIN, Frequencies, rank

FREQUENCIES = Frequencies(100, {"board": 60, "jira": 2})
LEXEMES = st.frozensets(st.sampled_from(["board", "jira", "unheard"]))


def of(asked: set[str], *found: tuple[float, set[str]]) -> tuple[Candidates, list[uuid.UUID]]:
    ids = [uuid.UUID(int=number) for number in range(len(found))]
    candidates = tuple(
        Candidate(passage_id, cosine, None, frozenset(shared))
        for passage_id, (cosine, shared) in zip(ids, found, strict=True)
    )
    return Candidates(frozenset(asked), candidates, 1), ids


def test_a_rare_word_of_the_question_outweighs_a_little_nearness() -> None:
    candidates, (_, with_rare, _) = of({"jira", "board"}, (0.5, set()), (0.45, {"jira"}), (0.45, {"board"}))
    assert rank(candidates, FREQUENCIES, 5)[0][0] == with_rare


def test_a_word_nobody_wrote_about_holds_the_score_down() -> None:
    plain, _ = of({"board"}, (0.5, {"board"}))
    with_unheard, _ = of({"board", "unheard"}, (0.5, {"board"}))
    assert rank(plain, FREQUENCIES, 1)[0][1] == pytest.approx(0.8)
    assert rank(with_unheard, FREQUENCIES, 1)[0][1] < 0.55


def test_known_questions_count_for_half_of_the_nearness() -> None:
    candidate = Candidate(uuid.UUID(int=0), 0.4, None, frozenset())
    assert candidate.nearness == 0.4
    assert dataclasses.replace(candidate, asked_cosine=0.8).nearness == pytest.approx(0.6)


def test_what_is_off_the_subject_is_left_out() -> None:
    candidates, _ = of({"jira"}, (SCORE_MIN - 0.01, set()), (-0.2, set()))
    assert rank(candidates, FREQUENCIES, 5) == []


def test_a_question_of_stop_words_alone_finds_nothing() -> None:
    candidates, _ = of(set(), (0.9, set()))
    assert rank(candidates, FREQUENCIES, 5) == []


@given(st.lists(st.tuples(st.floats(-1, 1), LEXEMES), max_size=30), LEXEMES, st.integers(1, 20))
def test_scores_fall_from_one_to_the_least_and_never_outnumber_the_limit(
    found: list[tuple[float, frozenset[str]]], asked: frozenset[str], limit: int
) -> None:
    candidates, _ = of(set(asked), *((cosine, set(shared & asked)) for cosine, shared in found))
    ranked = rank(candidates, FREQUENCIES, limit)
    scores = [score for _, score in ranked]
    assert len(ranked) <= limit
    assert scores == sorted(scores, reverse=True)
    assert all(SCORE_MIN <= score <= 1 for score in scores)
    assert len({passage for passage, _ in ranked}) == len(ranked)
