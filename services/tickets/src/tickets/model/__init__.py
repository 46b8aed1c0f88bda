"""What a ticket is and what may be done to it: pure values and decisions, the same whoever asks."""

from tickets.model.case import (
    Case,
)
from tickets.model.dead_letters import DeadLetter, DeadRecord
from tickets.model.deliveries import DeliveryChange, Reached
from tickets.model.messages import (
    Attachment,
    Citation,
    IncomingMessage,
    Message,
    Sender,
    Thread,
    first_words,
    is_visible,
)
from tickets.model.tickets import (
    Conversation,
    Escalation,
    Status,
    Ticket,
    TimelineEntry,
)
from tickets.model.vocabulary import (
    CUSTOMER,
    DESK,
    Actor,
    ActorKind,
    Author,
    Channel,
    DeadLetterState,
    DeliveryState,
    EscalationReason,
    IdentifierType,
    Priority,
    Reachability,
    TicketState,
    TimelineKind,
)

__all__ = [
    "CUSTOMER",
    "DESK",
    "Actor",
    "ActorKind",
    "Attachment",
    "Author",
    "Case",
    "Channel",
    "Citation",
    "Conversation",
    "DeadLetter",
    "DeadLetterState",
    "DeadRecord",
    "DeliveryChange",
    "DeliveryState",
    "Escalation",
    "EscalationReason",
    "IdentifierType",
    "IncomingMessage",
    "Message",
    "Priority",
    "Reachability",
    "Reached",
    "Sender",
    "Status",
    "Thread",
    "Ticket",
    "TicketState",
    "TimelineEntry",
    "TimelineKind",
    "first_words",
    "is_visible",
]
