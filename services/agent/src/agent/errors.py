"""What the agent refuses, and what goes wrong on its side of a neighbour's door."""

import uuid
from typing import ClassVar

from fte.agent.v1.error_reason_pb2 import ErrorReason
from meshkit.errors import Failure, Kind, reason_name


class RunNotFound(Failure):
    """There is no run of this name."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    reason: ClassVar[str] = reason_name(ErrorReason, ErrorReason.ERROR_REASON_RUN_NOT_FOUND)

    def __init__(self, run: uuid.UUID) -> None:
        super().__init__("there is no such run", facts={"run": f"runs/{run}"})


class NeighbourRefused(Failure):
    """A neighbour understood the call and refused it, which a sound run never meets. `facts` say who and why."""

    kind: ClassVar[Kind] = Kind.PRECONDITION
    reason: ClassVar[str] = "NEIGHBOUR_REFUSED"

    def __init__(self, neighbour: str, reason: str) -> None:
        super().__init__("a neighbour refused", facts={"neighbour": neighbour, "reason": reason})


class NothingOwed(Exception):
    """The desk owes this customer nothing more at this version: answered, moved on, or in a person's hands.

    No failure: it is how a run learns that it was overtaken.
    """


class PolicyError(Exception):
    """The file with the rules and the kind words breaks a rule; the text names the entry and the mend."""
