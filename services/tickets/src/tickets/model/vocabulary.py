"""The words of the desk: states, reasons, kinds, and who does things."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final


class Channel(enum.StrEnum):
    """The ways a customer can write to us."""

    WEB_FORM = "WEB_FORM"
    EMAIL = "EMAIL"
    WHATSAPP = "WHATSAPP"


class IdentifierType(enum.StrEnum):
    """The sorts of identifiers that senders have."""

    EMAIL = "EMAIL"
    PHONE = "PHONE"


class TicketState(enum.StrEnum):
    """Where a ticket stands."""

    NEW = "NEW"
    OPEN = "OPEN"
    WAITING_ON_CUSTOMER = "WAITING_ON_CUSTOMER"
    ESCALATED = "ESCALATED"
    RESOLVED = "RESOLVED"
    CLOSED = "CLOSED"


class Priority(enum.StrEnum):
    """How urgent a ticket is."""

    UNSPECIFIED = "UNSPECIFIED"
    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"


class Author(enum.StrEnum):
    """Who wrote a message."""

    CUSTOMER = "CUSTOMER"
    AGENT = "AGENT"
    STAFF = "STAFF"


class EscalationReason(enum.StrEnum):
    """Why a person has to take over."""

    PRICING_NEGOTIATION = "PRICING_NEGOTIATION"
    REFUND_REQUEST = "REFUND_REQUEST"
    LEGAL = "LEGAL"
    HUMAN_REQUESTED = "HUMAN_REQUESTED"
    PROFANITY = "PROFANITY"
    ANGRY = "ANGRY"
    NEGATIVE_SENTIMENT = "NEGATIVE_SENTIMENT"
    NO_ANSWER_FOUND = "NO_ANSWER_FOUND"
    ANSWER_UNSUPPORTED = "ANSWER_UNSUPPORTED"
    ANSWER_OVERDUE = "ANSWER_OVERDUE"
    AGENT_FAILED = "AGENT_FAILED"
    LANGUAGE = "LANGUAGE"
    STAFF_DECISION = "STAFF_DECISION"
    OTHER = "OTHER"


class TimelineKind(enum.StrEnum):
    """The things that happen to a ticket."""

    MESSAGE_FILED = "MESSAGE_FILED"
    TRIAGED = "TRIAGED"
    REPLIED = "REPLIED"
    ESCALATED = "ESCALATED"
    TAKEN_OVER = "TAKEN_OVER"
    HANDED_BACK = "HANDED_BACK"
    RESOLVED = "RESOLVED"
    DELIVERY_CHANGED = "DELIVERY_CHANGED"
    REOPENED = "REOPENED"


class DeliveryState(enum.StrEnum):
    """How far the delivery of a reply has come."""

    UNSPECIFIED = "UNSPECIFIED"
    CLAIMED = "CLAIMED"
    SENT = "SENT"
    DELIVERED = "DELIVERED"
    READ = "READ"
    FAILED = "FAILED"

    def leads_to(self, later: DeliveryState) -> bool:
        """Whether `later` is a step forward from here: receipts come twice and out of order.

        What was delivered cannot fail any more, and what failed is for a person to look at, whatever comes after.
        """
        if self is DeliveryState.FAILED:
            return False
        if later is DeliveryState.FAILED:
            return self in (DeliveryState.UNSPECIFIED, DeliveryState.CLAIMED, DeliveryState.SENT)
        order = list(DeliveryState)
        return order.index(later) > order.index(self)


class DeadLetterState(enum.StrEnum):
    """What became of a dead letter."""

    WAITING = "WAITING"
    REDRIVEN = "REDRIVEN"
    DROPPED = "DROPPED"


class ActorKind(enum.Enum):
    """The sorts of those who do things to tickets."""

    CUSTOMER = "customer"
    AGENT = "agent"
    STAFF = "staff"
    DESK = "desk"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something to a ticket. `name` is a service's name or a person's subject, empty for the others."""

    kind: ActorKind
    name: str = ""

    @property
    def label(self) -> str:
        """The actor as the timeline shows it: `customer`, `desk`, a service's name, or `staff:` and the subject."""
        if self.kind is ActorKind.STAFF:
            return f"staff:{self.name}"
        return self.name or self.kind.value

    @property
    def is_staff(self) -> bool:
        """Whether it is a person of the company, whom the agent's fences do not bind."""
        return self.kind is ActorKind.STAFF


CUSTOMER: Final = Actor(ActorKind.CUSTOMER)
DESK: Final = Actor(ActorKind.DESK)
