"""The agent's tables. Every query stands in `store.sql`, or in a file beside it that is named for its tables."""

from agent.store.runs import QUERIES, add_run, get_run, list_runs

__all__ = ["QUERIES", "add_run", "get_run", "list_runs"]
