"""Why the desk refuses: reasons of the contract's enum, and at the end those that only events meet."""

from __future__ import annotations

from fte.tickets.v1.error_reason_pb2 import ErrorReason
from meshkit.errors import Failure, Kind, reason_name


class TicketNotFound(Failure):
    """There is no such ticket, or the caller may not know of it. The words are the same, so that nothing is told."""

    kind = Kind.NOT_FOUND
    reason = reason_name(ErrorReason, ErrorReason.ERROR_REASON_TICKET_NOT_FOUND)

    def __init__(self) -> None:
        super().__init__("there is no such ticket; check its reference, and the status token that came with it")


class ConversationNotFound(Failure):
    """There is no conversation of this name."""

    kind = Kind.NOT_FOUND
    reason = reason_name(ErrorReason, ErrorReason.ERROR_REASON_CONVERSATION_NOT_FOUND)

    def __init__(self) -> None:
        super().__init__("there is no conversation of this name")


class MessageNotFound(Failure):
    """There is no message of this name."""

    kind = Kind.NOT_FOUND
    reason = reason_name(ErrorReason, ErrorReason.ERROR_REASON_MESSAGE_NOT_FOUND)

    def __init__(self) -> None:
        super().__init__("there is no message of this name")


class TicketNotTriaged(Failure):
    """The agent wants to reply to a ticket that nobody has looked at."""

    kind = Kind.PRECONDITION
    reason = reason_name(ErrorReason, ErrorReason.ERROR_REASON_TICKET_NOT_TRIAGED)

    def __init__(self) -> None:
        super().__init__("the ticket is not triaged: call TriageTicket first")


class TicketEscalated(Failure):
    """A person has the case, and the agent is silent."""

    kind = Kind.PRECONDITION
    reason = reason_name(ErrorReason, ErrorReason.ERROR_REASON_TICKET_ESCALATED)

    def __init__(self) -> None:
        super().__init__("the ticket is with a person; the agent is silent until it is handed back")


class TicketTakenOver(Failure):
    """A person has taken the ticket over, and whoever asks is not that person."""

    kind = Kind.PRECONDITION
    reason = reason_name(ErrorReason, ErrorReason.ERROR_REASON_TICKET_TAKEN_OVER)

    def __init__(self) -> None:
        super().__init__("a person has taken the ticket over; it has to be handed back first")


class ConversationMoved(Failure):
    """What is being answered is no longer the customer's last word, or has been answered."""

    kind = Kind.CONFLICT
    reason = reason_name(ErrorReason, ErrorReason.ERROR_REASON_CONVERSATION_MOVED)

    def __init__(self, version: int, answered_version: int) -> None:
        super().__init__(
            "the customer has written since, or this version has had its ending: read the conversation again",
            facts={"version": str(version), "answeredVersion": str(answered_version)},
        )


class TicketResolved(Failure):
    """The ticket is done, and no answer is owed."""

    kind = Kind.PRECONDITION
    reason = reason_name(ErrorReason, ErrorReason.ERROR_REASON_TICKET_RESOLVED)

    def __init__(self) -> None:
        super().__init__("the ticket is resolved and owes no answer")


class TicketClosed(Failure):
    """The ticket is shut for good."""

    kind = Kind.PRECONDITION
    reason = reason_name(ErrorReason, ErrorReason.ERROR_REASON_TICKET_CLOSED)

    def __init__(self) -> None:
        super().__init__("the ticket is closed for good; the customer's next message opens a new one")


class RequestIdReused(Failure):
    """The request id stands for another message already."""

    kind = Kind.ALREADY_EXISTS
    reason = reason_name(ErrorReason, ErrorReason.ERROR_REASON_REQUEST_ID_REUSED)

    def __init__(self) -> None:
        super().__init__(
            "the request_id came before for another ticket or with another text: repeat it as it was, or take a new id"
        )


class DeadLetterNotFound(Failure):
    """There is no dead letter of this name."""

    kind = Kind.NOT_FOUND
    reason = reason_name(ErrorReason, ErrorReason.ERROR_REASON_DEAD_LETTER_NOT_FOUND)

    def __init__(self) -> None:
        super().__init__("there is no dead letter of this name")


class DeadLetterSettled(Failure):
    """Someone decided otherwise about this dead letter."""

    kind = Kind.PRECONDITION
    reason = reason_name(ErrorReason, ErrorReason.ERROR_REASON_DEAD_LETTER_SETTLED)

    def __init__(self, state: str) -> None:
        super().__init__("the dead letter was redriven or dropped already", facts={"state": state})


class EventUnreadable(Failure):
    """The event holds a value that its contract does not have here: it came from another version."""

    kind = Kind.INVALID
    reason = "EVENT_UNREADABLE"

    def __init__(self) -> None:
        super().__init__("the event's channel, state or sort of identifier is not one that this version knows")


class SenderRefused(Failure):
    """Identity takes the sender's identifier for no address or number that could exist."""

    kind = Kind.INVALID
    reason = "INVALID_IDENTIFIER"

    def __init__(self) -> None:
        super().__init__("identity refuses the sender's identifier")


class ReferenceTaken(Failure):
    """A ticket of this reference is there already. Only an event meets this: no RPC chooses a reference."""

    kind = Kind.ALREADY_EXISTS
    reason = "REFERENCE_TAKEN"

    def __init__(self) -> None:
        super().__init__("another ticket has this reference already")
