"""The agent's tables. Every query stands in `store.sql`, or in a file beside it that is named for its tables."""

from agent.store.queries import QUERIES
from agent.store.runs import add_run, find_run_of_conversation, find_run_of_reply, get_run, list_runs
from agent.store.usages import add_usages, count_work, list_daily_costs, spent_since

__all__ = [
    "QUERIES",
    "add_run",
    "add_usages",
    "count_work",
    "find_run_of_conversation",
    "find_run_of_reply",
    "get_run",
    "list_daily_costs",
    "list_runs",
    "spent_since",
]
