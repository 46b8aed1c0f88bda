"""The facts that the agent publishes."""

from agent import wire
from agent.model import Run
from fte import topics
from meshkit.envelope import Event


def run_finished(run: Run) -> Event:
    """A run is on record."""
    message = wire.run_finished_to_wire(run)
    return Event(topics.AGENT_METRICS.name, key=str(run.filed.run_id), message=message, subject=message.run)
