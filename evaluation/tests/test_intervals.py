"""The interval around a share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.intervals import Share


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    # Worked by hand from Wilson's formula with z = 1.959964.
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (81, 263, 0.2553, 0.3662)],
)
def test_the_interval_is_wilsons(hits: int, total: int, low: float, high: float) -> None:
    assert Share(hits, total).interval == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 500).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_a_share_lies_in_its_interval_within_0_and_1(counted: tuple[int, int]) -> None:
    share = Share(*counted)
    low, high = share.interval
    assert 0 <= low <= share.value <= high <= 1


def test_nothing_counted_says_nothing() -> None:
    assert Share(0, 0).interval == (0.0, 1.0)


@pytest.mark.parametrize(("hits", "total"), [(2, 1), (-1, 3)])
def test_more_hits_than_there_are_is_refused(hits: int, total: int) -> None:
    with pytest.raises(ValueError, match="hits must lie between 0 and total"):
        Share(hits, total)
