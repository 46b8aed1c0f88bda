"""The words of the agent: endings, reasons, states, tools."""

from __future__ import annotations

from enum import StrEnum


class Ending(StrEnum):
    """The ways a run can end."""

    REPLIED = "REPLIED"
    ESCALATED = "ESCALATED"
    SKIPPED = "SKIPPED"


class Reason(StrEnum):
    """Why a person has to take over; the names of the desk's contract."""

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


class Priority(StrEnum):
    """How urgent the desk takes a ticket to be."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"


def raised(priority: Priority | None) -> Priority:
    """The next higher priority; that above the middle one where nobody has chosen any."""
    return Priority.MEDIUM if priority is Priority.LOW else Priority.HIGH


class TicketState(StrEnum):
    """Where a ticket stands."""

    NEW = "NEW"
    OPEN = "OPEN"
    WAITING_ON_CUSTOMER = "WAITING_ON_CUSTOMER"
    ESCALATED = "ESCALATED"
    RESOLVED = "RESOLVED"
    CLOSED = "CLOSED"


class Author(StrEnum):
    """Who wrote a message."""

    CUSTOMER = "CUSTOMER"
    AGENT = "AGENT"
    STAFF = "STAFF"


class Tool(StrEnum):
    """The five tools, by the names that the model sees."""

    CREATE_TICKET = "create_ticket"
    GET_CUSTOMER_HISTORY = "get_customer_history"
    SEARCH_KNOWLEDGE_BASE = "search_knowledge_base"
    SEND_RESPONSE = "send_response"
    ESCALATE_TO_HUMAN = "escalate_to_human"


class Outcome(StrEnum):
    """What came of a step."""

    OK = "ok"
    # Not its turn: it had no effect.
    REFUSED = "refused"
    # Its turn, but its arguments broke a rule: it had no effect either.
    REJECTED = "rejected"
    FAILED = "failed"
