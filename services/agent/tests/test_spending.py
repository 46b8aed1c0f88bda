"""What a call costs, what a day may cost, and settings that could not hold a budget."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import agents
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses.response_usage import InputTokensDetails
from pydantic import ValidationError

from agent.app import endpoints
from agent.settings import Price, Settings
from agent.thinking.spending import Spending, usage_of
from meshkit.testing import settings_for

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
PRICE = Price(input=2.5, cached_input=1.25, output=10)


class Held:
    """A clock that stands where a test puts it."""

    def __init__(self, now: datetime) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return 0.0


def counted(read: int, cached: int, written: int) -> agents.Usage:
    details = InputTokensDetails.model_validate({"cached_tokens": cached, "cache_write_tokens": 0})
    return agents.Usage(1, read, details, written)


def settings(**overrides: Any) -> Settings:
    return settings_for(Settings, tickets_address="127.0.0.1:1", knowledge_address="127.0.0.1:1", **overrides)


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 10**6))
def test_a_call_costs_its_price_rounded_up_by_less_than_a_millionth_of_a_dollar(
    read: int, cached: int, written: int
) -> None:
    cached_at_most = min(read, cached)
    exact = (read - cached_at_most) * 2.5 + cached_at_most * 1.25 + written * 10
    cost = usage_of(counted(read, cached, written), PRICE).cost_micros
    assert exact <= cost < exact + 1


def test_a_thousandfold_call_costs_a_thousand_times_as_much() -> None:
    # 0.1 has no exact form in binary: a millionth too much for each of many calls would show here.
    price = Price(input=0.1, output=0.4)
    assert usage_of(counted(1000, 0, 0), price).cost_micros == 100
    assert usage_of(counted(1_000_000, 0, 0), price).cost_micros == 100_000


def test_a_model_without_a_price_costs_nothing() -> None:
    usage = usage_of(counted(1000, 0, 100), None)
    assert (usage.input_tokens, usage.output_tokens, usage.cost_micros) == (1000, 100, 0)


def test_a_budget_is_over_when_all_that_was_spent_reaches_it() -> None:
    spending = Spending(100, Held(NOON))
    spending.spent(60)
    assert not spending.is_over
    spending.seen(NOON.date(), 40)
    assert spending.is_over


def test_what_is_recorded_is_not_counted_twice() -> None:
    spending = Spending(100, Held(NOON))
    spending.spent(60)
    spending.recorded(60)
    assert spending.today_micros == 60
    spending.seen(NOON.date(), 60)
    assert spending.today_micros == 60


def test_a_new_day_has_its_whole_budget() -> None:
    clock = Held(NOON)
    spending = Spending(100, clock)
    spending.spent(100)
    clock.time = NOON + timedelta(hours=12)
    assert not spending.is_over
    # An answer of the database that was asked for yesterday's sum says nothing of today.
    spending.seen(NOON.date(), 100)
    assert spending.today_micros == 0
    # Nor does a run of yesterday that ends today give anything back.
    spending.spent(30)
    spending.recorded(50)
    assert spending.today_micros >= 50


def test_without_a_budget_nothing_is_ever_over() -> None:
    spending = Spending(0, Held(NOON))
    spending.spent(10**12)
    assert not spending.is_over


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"openai_base_url": "http://127.0.0.1:1/v1", "openai_model": "m", "daily_budget_dollars": 3}, "MODEL_PRICES"),
        ({"openai_fallback_model": "m"}, "OPENAI_FALLBACK_MODEL"),
        ({"openai_api_key": "k", "openai_model": "m", "openai_fallback_model": "m"}, "OPENAI_FALLBACK_MODEL"),
        ({"model_prices": {"m": {"input": -1, "output": 1}}}, "model_prices"),
    ],
)
def test_settings_that_cannot_be_held_fail_at_start_by_name(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError) as raised:
        settings(**wrong)
    assert named in str(raised.value)


def test_the_first_endpoints_key_is_shown_to_no_other_endpoint() -> None:
    both = settings(openai_api_key="first", openai_fallback_model="m", openai_fallback_base_url="http://127.0.0.1:1/v1")
    assert [each.client.api_key for each in endpoints(both)] == ["first", "none"]
    same = settings(openai_api_key="first", openai_fallback_model="m")
    assert [each.client.api_key for each in endpoints(same)] == ["first", "first"]
    own = settings(
        openai_api_key="first",
        openai_fallback_model="m",
        openai_fallback_base_url="http://127.0.0.1:1/v1",
        openai_fallback_api_key="second",
    )
    assert [each.client.api_key for each in endpoints(own)] == ["first", "second"]


def test_without_a_key_or_a_url_no_endpoint_is_asked() -> None:
    assert endpoints(settings()) == []
