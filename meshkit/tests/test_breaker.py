import pytest

from meshkit.breaker import Breaker, BreakerState
from meshkit.testing import HeldClock


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def breaker(clock: HeldClock) -> Breaker:
    return Breaker(failures_max=3, open_seconds=10, monotonic=clock.monotonic)


def fail(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        breaker.failed()


def test_it_opens_after_failures_in_a_row_and_not_after_as_many_in_all(breaker: Breaker) -> None:
    for _ in range(5):
        fail(breaker, 2)
        breaker.succeeded()
    assert breaker.take()
    fail(breaker, 3)
    assert (breaker.state, breaker.take(), breaker.wait_seconds()) == (BreakerState.OPEN, False, 10)


def test_one_asks_first_when_its_time_is_over(breaker: Breaker, clock: HeldClock) -> None:
    fail(breaker, 3)
    clock.advance(10)
    assert (breaker.take(), breaker.state, breaker.take()) == (True, BreakerState.HALF_OPEN, False)
    breaker.succeeded()
    assert (breaker.take(), breaker.state, breaker.take()) == (True, BreakerState.CLOSED, True)


def test_it_stays_open_twice_as_long_each_time_up_to_eight_times(breaker: Breaker, clock: HeldClock) -> None:
    fail(breaker, 3)
    waited = []
    for _ in range(5):
        waited.append(breaker.wait_seconds())
        clock.advance(breaker.wait_seconds())
        assert breaker.take()
        fail(breaker)
    assert waited == [10, 20, 40, 80, 80]
    clock.advance(80)
    assert breaker.take()
    breaker.succeeded()
    fail(breaker, 3)
    assert breaker.wait_seconds() == 10


def test_late_failures_of_those_that_asked_before_do_not_keep_it_open_longer(
    breaker: Breaker, clock: HeldClock
) -> None:
    fail(breaker, 3)
    clock.advance(9)
    fail(breaker, 5)
    assert breaker.wait_seconds() == 1


def test_one_that_never_says_how_it_ended_does_not_keep_the_others_out(breaker: Breaker, clock: HeldClock) -> None:
    fail(breaker, 3)
    clock.advance(10)
    assert breaker.take()
    clock.advance(10)
    assert breaker.take()
