"""What identity refuses, and why."""

import uuid
from typing import ClassVar

from fte.identity.v1.error_reason_pb2 import ErrorReason
from meshkit.errors import Failure, Kind, Violation, reason_name


class CustomerNotFound(Failure):
    """There is no customer of this name."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    reason: ClassVar[str] = reason_name(ErrorReason, ErrorReason.ERROR_REASON_CUSTOMER_NOT_FOUND)

    def __init__(self, customer: uuid.UUID) -> None:
        super().__init__("there is no such customer", facts={"customer": f"customers/{customer}"})


class InvalidIdentifier(Failure):
    """The value is no address or number that could exist. Its words are never repeated: they are a customer's."""

    kind: ClassVar[Kind] = Kind.INVALID
    reason: ClassVar[str] = reason_name(ErrorReason, ErrorReason.ERROR_REASON_INVALID_IDENTIFIER)

    def __init__(self, rule: str, field: str = "identifier.value") -> None:
        super().__init__(f"{field}: {rule}", violations=(Violation(field, rule),))
