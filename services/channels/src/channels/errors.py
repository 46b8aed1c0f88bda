"""What channels refuses, and why."""

import uuid
from collections.abc import Collection
from typing import ClassVar

from fte.channels.v1.error_reason_pb2 import ErrorReason
from meshkit.errors import Failure, Kind, Violation, reason_name


class IdempotencyKeyReused(Failure):
    """The key came before, with another body.

    ALREADY_EXISTS (HTTP 409) rather than a failed precondition (400): the request is sound, what stands in its way is
    what the key already stands for.
    """

    kind: ClassVar[Kind] = Kind.ALREADY_EXISTS
    reason: ClassVar[str] = reason_name(ErrorReason, ErrorReason.ERROR_REASON_IDEMPOTENCY_KEY_REUSED)

    def __init__(self) -> None:
        super().__init__("the idempotency-key came before with another body; send that body, or take a new key")


class TicketNotFound(Failure):
    """No ticket of this reference, or the token is not its own: one answer, so that nobody learns which exist."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    reason: ClassVar[str] = reason_name(ErrorReason, ErrorReason.ERROR_REASON_TICKET_NOT_FOUND)

    def __init__(self) -> None:
        super().__init__("there is no such ticket, or the status token is not the one that came with its reference")


class TooManyMessages(Failure):
    """One e-mail address, or one network address, has written as often as is taken within the hour."""

    kind: ClassVar[Kind] = Kind.EXHAUSTED
    reason: ClassVar[str] = reason_name(ErrorReason, ErrorReason.ERROR_REASON_TOO_MANY_MESSAGES)

    def __init__(self, limit: int, *, counted_by: str, retry_after_seconds: float) -> None:
        super().__init__(
            f"more than {limit} messages came from one {counted_by} within this hour; write again in the next one",
            facts={"countedBy": counted_by, "limitPerHour": str(limit)},
            retry_after_seconds=retry_after_seconds,
        )


class InboundMessageNotFound(Failure):
    """There is no message of this name."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    reason: ClassVar[str] = reason_name(ErrorReason, ErrorReason.ERROR_REASON_INBOUND_MESSAGE_NOT_FOUND)

    def __init__(self, inbound_message: uuid.UUID) -> None:
        super().__init__(
            "there is no such inbound message", facts={"inboundMessage": f"inboundMessages/{inbound_message}"}
        )


class DeliveryNotFound(Failure):
    """There is no delivery of this name."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    reason: ClassVar[str] = reason_name(ErrorReason, ErrorReason.ERROR_REASON_DELIVERY_NOT_FOUND)

    def __init__(self, delivery: uuid.UUID) -> None:
        super().__init__("there is no such delivery", facts={"delivery": f"deliveries/{delivery}"})


class UnknownCategory(Failure):
    """The form names a category that is not configured; the violation lists those that are."""

    kind: ClassVar[Kind] = Kind.INVALID
    reason: ClassVar[str] = reason_name(ErrorReason, ErrorReason.ERROR_REASON_UNKNOWN_CATEGORY)

    def __init__(self, known: Collection[str]) -> None:
        rule = f"must be one of: {', '.join(known)}"
        super().__init__(f"category: {rule}", violations=(Violation("category", rule),))


class ChannelDisabled(Failure):
    """The channel is switched off by setting; repeating the call does not help until somebody switches it on."""

    kind: ClassVar[Kind] = Kind.PRECONDITION
    reason: ClassVar[str] = reason_name(ErrorReason, ErrorReason.ERROR_REASON_CHANNEL_DISABLED)

    def __init__(self, channel: str) -> None:
        super().__init__("this channel is switched off; write to us another way", facts={"channel": channel})


class BadSignature(Failure):
    """The provider's signature is missing, or does not fit the body and our public address."""

    kind: ClassVar[Kind] = Kind.FORBIDDEN
    reason: ClassVar[str] = reason_name(ErrorReason, ErrorReason.ERROR_REASON_BAD_SIGNATURE)

    def __init__(self) -> None:
        super().__init__(
            "the signature is missing or does not fit body and address; PUBLIC_URL must be the address that the "
            "provider was given, and the token its current or previous one"
        )


class BadToken(Failure):
    """The provider's token is missing, expired, or not its own for our audience and account."""

    kind: ClassVar[Kind] = Kind.UNAUTHENTICATED
    reason: ClassVar[str] = reason_name(ErrorReason, ErrorReason.ERROR_REASON_BAD_TOKEN)

    def __init__(self) -> None:
        super().__init__("the push needs a token that Google signed for this audience and service account")


class WrongAccount(Failure):
    """Signed, but for another account of the provider than ours."""

    kind: ClassVar[Kind] = Kind.FORBIDDEN
    reason: ClassVar[str] = reason_name(ErrorReason, ErrorReason.ERROR_REASON_WRONG_ACCOUNT)

    def __init__(self) -> None:
        super().__init__("this webhook is of another account than the one that is configured here")


class WebhookUnreadable(Failure):
    """The provider's proof is good, but this is not what it sends. `field` names what cannot be read."""

    kind: ClassVar[Kind] = Kind.INVALID
    reason: ClassVar[str] = reason_name(ErrorReason, ErrorReason.ERROR_REASON_WEBHOOK_UNREADABLE)

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field}: {rule}", violations=(Violation(field, rule),))


class DeliverySettled(Failure):
    """The delivery is not in a state in which a person has to decide about it."""

    kind: ClassVar[Kind] = Kind.PRECONDITION
    reason: ClassVar[str] = reason_name(ErrorReason, ErrorReason.ERROR_REASON_DELIVERY_SETTLED)

    def __init__(self, delivery: uuid.UUID, state: str, *, needed: str) -> None:
        super().__init__(
            f"the delivery must be {needed} for this, and it is {state.upper()}; read it again",
            facts={"delivery": f"deliveries/{delivery}", "state": state.upper()},
        )
