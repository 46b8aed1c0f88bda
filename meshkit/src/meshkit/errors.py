"""What can go wrong, in words of the domain: a kind, a reason from the contract, and facts. No transport in here."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

_REASON_PREFIX = "ERROR_REASON_"


class Kind(enum.Enum):
    """The sort of a failure: what a caller can do about it. Each becomes one canonical status code."""

    INVALID = "invalid"
    NOT_FOUND = "not found"
    ALREADY_EXISTS = "already exists"
    PRECONDITION = "precondition"
    CONFLICT = "conflict"
    FORBIDDEN = "forbidden"
    UNAUTHENTICATED = "unauthenticated"
    EXHAUSTED = "exhausted"
    UNAVAILABLE = "unavailable"
    DEADLINE = "deadline"
    UNIMPLEMENTED = "unimplemented"


@dataclass(frozen=True, slots=True)
class Violation:
    """One field of a request that breaks a rule. `description` says the rule and how to mend it, never the value."""

    field: str
    description: str


class Failure(Exception):
    """Base of every error that a caller is told about.

    A subclass sets `kind` and `reason` (UPPER_SNAKE, a value of its contract's enum). `message`, `facts` and
    `violations` reach the caller: no customer's words, no addresses of the mesh, no text of another exception.
    `retry_after_seconds`, when it is known, tells the caller of an UNAVAILABLE or EXHAUSTED how long to wait.
    """

    kind: ClassVar[Kind]
    reason: ClassVar[str]

    def __init__(
        self,
        message: str,
        *,
        facts: Mapping[str, str] | None = None,
        violations: Sequence[Violation] = (),
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.facts: dict[str, str] = dict(facts or {})
        self.violations: tuple[Violation, ...] = tuple(violations)
        self.retry_after_seconds = retry_after_seconds


class InvalidArgument(Failure):
    """The request breaks a rule of the contract; `violations` names each field, its rule and the mend."""

    kind = Kind.INVALID
    reason = "INVALID_ARGUMENT"

    @classmethod
    def of(cls, field: str, description: str) -> InvalidArgument:
        """The failure for a single field, its message made from field and description."""
        return cls(f"{field}: {description}", violations=(Violation(field, description),))


class Unavailable(Failure):
    """Something this service needs is away for now; trying again later is safe and may succeed."""

    kind = Kind.UNAVAILABLE
    reason = "DEPENDENCY_UNAVAILABLE"


class ResourceExhausted(Failure):
    """A limit is reached; the caller should slow down and try again later."""

    kind = Kind.EXHAUSTED
    reason = "RESOURCE_EXHAUSTED"


class DeadlineExceeded(Failure):
    """The caller's deadline, or the service's own, passed before the work was done."""

    kind = Kind.DEADLINE
    reason = "DEADLINE_EXCEEDED"


class Unimplemented(Failure):
    """The server does not have this method."""

    kind = Kind.UNIMPLEMENTED
    reason = "UNIMPLEMENTED"


class PermissionDenied(Failure):
    """The caller is known and may not call this method."""

    kind = Kind.FORBIDDEN
    reason = "PERMISSION_DENIED"


class Unauthenticated(Failure):
    """The caller is not known: its token is missing, expired, or not one of ours."""

    kind = Kind.UNAUTHENTICATED
    reason = "UNAUTHENTICATED"


class ContractEnum(Protocol):
    """The part of a generated protobuf enum wrapper that `reason_name` needs."""

    def Name(self, number: Any) -> str: ...  # noqa: N802 - protobuf's own spelling


def reason_name(enum_type: ContractEnum, value: int) -> str:
    """The name of a contract's error reason without the `ERROR_REASON_` prefix, as it stands in `ErrorInfo.reason`.

    Raises ValueError for a number that the enum does not have: a wrong reason must fail at import, not at a caller.
    """
    return enum_type.Name(value).removeprefix(_REASON_PREFIX)
