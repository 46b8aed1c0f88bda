"""What the agent does: one file for each thing."""

from agent.operations.answer import Answers
from agent.operations.costs import Costs
from agent.operations.dry_run import DryRuns
from agent.operations.policies import Policies
from agent.operations.records import Records
from agent.operations.replay import Replays

__all__ = ["Answers", "Costs", "DryRuns", "Policies", "Records", "Replays"]
