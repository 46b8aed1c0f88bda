"""What models cost: the price of a call, and what a day may cost at most."""

from __future__ import annotations

import math
from datetime import date
from typing import Final

import agents
from prometheus_client import Gauge

from agent.model import Usage
from agent.settings import Price
from meshkit.clock import Clock

MICROS: Final = 1_000_000
"""Millionths in a dollar, and tokens in the unit of a price: dollars a million tokens are micros a token."""

SPENT_TODAY: Final = Gauge("agent_spent_today_micros", "What models cost today (UTC), in millionths of a US dollar.")
BUDGET: Final = Gauge(
    "agent_daily_budget_micros", "What models may cost in a day, in millionths of a US dollar; 0 means no limit."
)


def usage_of(counted: agents.Usage, price: Price | None) -> Usage:
    """One call as its model counted it, with its cost, rounded up; without a price it costs nothing."""
    cached = min(counted.input_tokens_details.cached_tokens or 0, counted.input_tokens)
    cost = 0.0
    if price is not None:
        fresh = counted.input_tokens - cached
        cost = fresh * price.input + cached * price.cached + counted.output_tokens * price.output
    # A millionth of a dollar is not worth an error of rounding that goes the wrong way.
    return Usage(1, counted.input_tokens, counted.output_tokens, math.ceil(round(cost, 6)))


class Spending:
    """What has been spent today (UTC): what all replicas have on record, and what this process has not recorded yet.

    Between two looks at the record another replica's spending is not seen, and calls in flight are not counted: the
    budget can be overdrawn by what all replicas spend in those seconds. For one event loop.
    """

    def __init__(self, budget_micros: int, clock: Clock) -> None:
        self.budget_micros = budget_micros
        self._clock = clock
        self._day = clock.now().date()
        self._on_record = 0
        self._in_hand = 0
        BUDGET.set(budget_micros)

    @property
    def today_micros(self) -> int:
        """What was spent today, as far as this process knows."""
        self._turn_day()
        return self._on_record + self._in_hand

    @property
    def is_over(self) -> bool:
        """Whether today's budget is used up; never without one."""
        return self.budget_micros > 0 and self.today_micros >= self.budget_micros

    def spent(self, micros: int) -> None:
        """A call was made whose run is not on record yet."""
        self._turn_day()
        self._in_hand += micros
        self._show()

    def recorded(self, micros: int) -> None:
        """What was spent by a run is on record now."""
        self._turn_day()
        # A run of yesterday may end today: what is in hand never falls below nothing.
        self._in_hand = max(0, self._in_hand - micros)
        self._on_record += micros
        self._show()

    def seen(self, day: date, micros: int) -> None:
        """What all replicas together have on record for a day."""
        self._turn_day()
        if day == self._day:
            self._on_record = micros
            self._show()

    def _turn_day(self) -> None:
        today = self._clock.now().date()
        if today != self._day:
            self._day, self._on_record, self._in_hand = today, 0, 0

    def _show(self) -> None:
        SPENT_TODAY.set(self._on_record + self._in_hand)
