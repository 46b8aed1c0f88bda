from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.timestamps import moment, timestamp

EARLIEST = datetime(1970, 1, 2)  # noqa: DTZ001 - hypothesis wants naive bounds and adds the zone itself
ZONES = st.integers(-12, 14).map(lambda hours: timezone(timedelta(hours=hours)))


@given(st.datetimes(min_value=EARLIEST, timezones=ZONES))
def test_a_time_comes_back_as_the_same_moment(time: datetime) -> None:
    assert moment(timestamp(time)) == time


def test_what_comes_back_is_in_utc() -> None:
    assert moment(timestamp(datetime(2026, 1, 1, tzinfo=UTC))).tzinfo == UTC


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        timestamp(datetime(2026, 1, 1))  # noqa: DTZ001 - the very thing that is refused
