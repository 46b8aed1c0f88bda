"""What models cost: kept for each attempt, added up by day, held against the day's budget."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import Final

from agent import store
from agent.model import CostReport, Usage
from agent.thinking.spending import Spending
from meshkit import database, logs
from meshkit.clock import Clock
from meshkit.database import Connection, Database

DAYS_DEFAULT: Final = 30
TICKETS_PER_WEEK_DEFAULT: Final = 500
_WEEKS_A_YEAR: Final = 52
# Far more models than anybody configures: 400 days of them all are one answer of a few hundred kilobytes.
_MODELS_MAX: Final = 10


class Costs:
    """Keeps and adds up what models cost."""

    def __init__(self, database: Database, spending: Spending, clock: Clock) -> None:
        self.spending = spending
        self._database = database
        self._clock = clock

    async def look(self) -> None:
        """Learns what all replicas together have spent today."""
        today = self._clock.now().astimezone(UTC).date()
        async with self._database.connection() as connection:
            spent = await store.spent_since(connection, datetime.combine(today, time(), UTC))
        self.spending.seen(today, spent)

    def recorded_on_commit(self, usages: Mapping[str, Usage]) -> None:
        """Counts what a run used as on record once the current transaction has committed."""
        if usages:
            database.on_commit(partial(self.spending.recorded, _micros(usages)))

    async def record_attempt(self, run_id: uuid.UUID, usages: Mapping[str, Usage]) -> None:
        """Keeps what an attempt used that leaves no record of its own: it failed, or was a replay.

        Costs must not make a failure out of anything: when they cannot be written, they are counted in memory alone.
        """
        if not usages:
            return
        try:
            async with self._database.transaction() as connection:
                await self._add(connection, run_id, usages)
        except Exception as error:
            logs.get().warning("usage.not_recorded", run_id=str(run_id), error=error)

    async def _add(self, connection: Connection, run_id: uuid.UUID, usages: Mapping[str, Usage]) -> None:
        await store.add_usages(connection, run_id, usages, self._clock.now())
        self.recorded_on_commit(usages)

    async def report(self, days: int, tickets_per_week: int) -> CostReport:
        """Adds up the last `days` days, today included, and reckons a year at `tickets_per_week`."""
        today = self._clock.now().astimezone(UTC).date()
        since = datetime.combine(today - timedelta(days=days - 1), time(), UTC)
        async with self._database.connection() as connection:
            daily = await store.list_daily_costs(connection, since, days * _MODELS_MAX)
            runs, tickets = await store.count_work(connection, since)
        spent = sum(each.usage.cost_micros for each in daily)
        await self.look()
        return CostReport(
            tuple(daily),
            mean_run_micros=round(spent / runs) if runs else 0,
            year_micros=round(spent / tickets * tickets_per_week * _WEEKS_A_YEAR) if tickets else 0,
            daily_budget_micros=self.spending.budget_micros,
            spent_today_micros=self.spending.today_micros,
        )


def _micros(usages: Mapping[str, Usage]) -> int:
    return sum(usage.cost_micros for usage in usages.values())
