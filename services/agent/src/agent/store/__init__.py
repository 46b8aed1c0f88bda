"""The agent's tables. Every query stands in `store.sql`, or in a file beside it that is named for its tables."""

from agent.store.policies import (
    POLICY_QUERIES,
    add_policy,
    get_policy,
    list_policies,
    policy_versions_of_messages,
    put_in_force,
    put_in_force_first,
    version_in_force,
)
from agent.store.queries import QUERIES
from agent.store.runs import add_run, find_run_of_conversation, find_run_of_reply, get_run, list_runs
from agent.store.usages import add_usages, count_work, list_daily_costs, spent_since

__all__ = [
    "POLICY_QUERIES",
    "QUERIES",
    "add_policy",
    "add_run",
    "add_usages",
    "count_work",
    "find_run_of_conversation",
    "find_run_of_reply",
    "get_policy",
    "get_run",
    "list_daily_costs",
    "list_policies",
    "list_runs",
    "policy_versions_of_messages",
    "put_in_force",
    "put_in_force_first",
    "spent_since",
    "version_in_force",
]
