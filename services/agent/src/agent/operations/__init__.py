"""What the agent does: one file for each thing."""

from agent.operations.answer import Answers
from agent.operations.policies import Policies
from agent.operations.records import Records

__all__ = ["Answers", "Policies", "Records"]
