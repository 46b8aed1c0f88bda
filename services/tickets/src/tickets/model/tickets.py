"""Tickets and conversations, as they are kept."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime

from tickets.model.messages import Message, Sender, Thread
from tickets.model.vocabulary import Channel, EscalationReason, Priority, TicketState, TimelineKind


@dataclass(frozen=True, slots=True)
class Escalation:
    """A case handed to a person: why, and what was asked and tried."""

    reason: EscalationReason
    summary: str
    create_time: datetime


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One thing that happened to a ticket, and the state that left it in. `facts` hold no customer's words."""

    id: uuid.UUID
    ticket_id: uuid.UUID
    create_time: datetime
    kind: TimelineKind
    actor: str
    state: TicketState
    message_id: uuid.UUID | None = None
    facts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ticket:
    """One concern of one customer. `revision` grows with every change; `promised` when channels gave the reference
    to the customer together with its status token."""

    id: uuid.UUID
    conversation_id: uuid.UUID
    customer_id: uuid.UUID
    reference: str
    promised: bool
    channel: Channel
    sender_verified: bool
    create_time: datetime
    update_time: datetime
    subject: str = ""
    category: str = ""
    priority: Priority = Priority.UNSPECIFIED
    state: TicketState = TicketState.NEW
    assignee: str = ""
    escalation: Escalation | None = None
    revision: int = 1


@dataclass(frozen=True, slots=True)
class Conversation:
    """All that one sender and we said to each other on one thread of one channel.

    `version` is the sequence of the customer's newest message, `answered_version` the newest version that has had its
    ending. `owed_since` is set exactly while an ending by the agent is owed: from the filing of the oldest message
    without one. `sender` and `thread` are those of the customer's newest message: that is where a reply goes.
    """

    id: uuid.UUID
    customer_id: uuid.UUID
    channel: Channel
    ticket_id: uuid.UUID
    sender: Sender
    thread: Thread
    create_time: datetime
    update_time: datetime
    version: int = 0
    answered_version: int = 0
    last_sequence: int = 0
    owed_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """What the customer who holds a status token may see.

    Without a ticket the message is still on its way here, or could not be filed: then the apology stands in `messages`,
    and a person has the case.
    """

    reference: str
    ticket: Ticket | None
    messages: tuple[Message, ...]

    @property
    def state(self) -> TicketState:
        """Where the case stands, also before there is a ticket."""
        if self.ticket is not None:
            return self.ticket.state
        return TicketState.ESCALATED if self.messages else TicketState.NEW
