"""The arithmetic behind the figures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.arithmetic import outstanding, per_doubling, percentile, percentiles, schedule
from bench.profile import LOOP, shares


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.95, 95), (0.99, 99), (1, 100), (0, 1)])
def test_a_percentile_is_the_nearest_rank(share: float, expected: int) -> None:
    assert percentile(list(range(100, 0, -1)), share) == expected


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_at_least_the_share_is_not_above_the_percentile(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-6


def test_percentiles_are_in_milliseconds() -> None:
    assert percentiles([0.001, 0.002, 0.003]) == {"p50_ms": 2.0, "p95_ms": 3.0, "p99_ms": 3.0}


def test_a_percentile_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 0.5)


def test_a_schedule_is_even_and_waits_for_nobody() -> None:
    assert schedule(4, 1.5) == [0, 0.25, 0.5, 0.75, 1.0, 1.25]


@given(st.integers(1, 500), st.integers(1, 60))
def test_a_schedule_holds_its_rate(rate: int, seconds: int) -> None:
    due = schedule(rate, seconds)
    assert len(due) == rate * seconds
    assert due[-1] < seconds


def test_what_is_due_and_not_done_is_outstanding() -> None:
    assert outstanding(due=[0, 1, 2, 3], done=[1.5, 2.5, 9.0], moment=2.6) == 1


@pytest.mark.parametrize(("power", "times"), [(0, 1), (1, 2), (2, 4)])
def test_growth_is_told_for_twice_the_size(power: int, times: float) -> None:
    sizes = [1, 2, 4, 8, 25]
    assert per_doubling(sizes, [3 * size**power for size in sizes]) == pytest.approx(times)


def test_a_sample_counts_for_the_package_that_was_at_work() -> None:
    stacks = [
        "run (meshkit/run.py:58);submit (channels/api.py:46);fetch (asyncpg/connection.py:775) 3",
        "run (meshkit/run.py:58);submit (channels/api.py:46);loads (json/decoder.py:1) 1",
        "run (meshkit/run.py:58);Runner.run (asyncio/runners.py:118) 4",
    ]
    assert shares(stacks) == {LOOP: 0.5, "asyncpg": 0.375, "channels": 0.125}
