import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.model import NearQuestion, Question
from knowledge.ranking.documented import documented, nearest
from meshkit.ids import uuid7

COSINES = st.lists(st.floats(-1, 1), max_size=10)


def test_the_nearer_sort_decides() -> None:
    assert documented([0.9, 0.5], [0.4, 0.3]) > 0.99
    assert documented([0.4, 0.3], [0.9, 0.5]) < 0.01


def test_a_neighbour_that_is_nearer_by_a_twentieth_counts_e_times_as_much() -> None:
    assert documented([0.75], [0.7]) == pytest.approx(2.718281828 / 3.718281828)


def test_several_neighbours_weigh_more_than_one_as_near() -> None:
    assert documented([0.7, 0.7, 0.7], [0.7]) == pytest.approx(0.75)


def test_one_sort_alone_decides_and_none_says_nothing() -> None:
    assert documented([0.1], []) == 1
    assert documented([], [0.1]) == 0
    assert documented([], []) == 0.5


@given(COSINES, COSINES)
def test_it_is_a_share_and_the_other_sort_has_the_rest(answered: list[float], left_open: list[float]) -> None:
    assert 0 <= documented(answered, left_open) <= 1
    assert documented(answered, left_open) + documented(left_open, answered) == pytest.approx(1)


def test_the_ten_nearest_of_either_sort_count_each_text_once() -> None:
    neighbours = [
        NearQuestion(uuid7(), Question(f"{sort} {number}", sort), 1 - number / 20)
        for sort, count in ((True, 12), (False, 3))
        for number in range(count)
        for _ in range(2)
    ]
    answered, left_open = nearest(reversed(neighbours))
    assert answered == [1 - number / 20 for number in range(10)]
    assert left_open == [1 - number / 20 for number in range(3)]


def test_a_text_beside_several_passages_is_as_near_as_the_nearest_of_its_vectors() -> None:
    question = Question("a blimp?", True)
    assert nearest([NearQuestion(uuid7(), question, cosine) for cosine in (0.3, 0.7, 0.5)]) == ([0.7], [])
