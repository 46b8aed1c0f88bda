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
    DELIVERY_FAILED = "DELIVERY_FAILED"
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
    """How far the delivery of a reply has come, in the order of its way; it may end as FAILED until it has arrived."""

    UNSPECIFIED = "UNSPECIFIED"
    QUEUED = "QUEUED"
    CLAIMED = "CLAIMED"
    # The provider may have it or not; what it tells later settles that.
    UNCERTAIN = "UNCERTAIN"
    SENT = "SENT"
    DELIVERED = "DELIVERED"
    READ = "READ"
    FAILED = "FAILED"

    def leads_to(self, later: DeliveryState, *, afresh: bool = False) -> bool:
        """Whether `later` is a step forward from here: receipts come twice and out of order.

        What was delivered cannot fail any more. What failed or is uncertain may be sent again, by a person's decision:
        then it goes its way afresh, which only a word younger than the one that stands (`afresh`) can tell.
        """
        order = list(DeliveryState)
        sending = order.index(DeliveryState.QUEUED) <= order.index(later) <= order.index(DeliveryState.SENT)
        if self is DeliveryState.FAILED:
            return afresh and sending
        if self is DeliveryState.UNCERTAIN and afresh and later is not self and sending:
            return True
        if later is DeliveryState.FAILED:
            return order.index(self) < order.index(DeliveryState.DELIVERED)
        return order.index(later) > order.index(self)


class Reachability(enum.StrEnum):
    """Whether an address or number can be written to."""

    REACHABLE = "REACHABLE"
    UNDELIVERABLE = "UNDELIVERABLE"
    OPTED_OUT = "OPTED_OUT"


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
