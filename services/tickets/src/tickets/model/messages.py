"""Messages: what a customer sent, what lies on the desk, and what came with either."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from tickets.model.vocabulary import Author, Channel, DeliveryState, IdentifierType, Priority


@dataclass(frozen=True, slots=True)
class Sender:
    """Who wrote, as the channel saw it; `verified` when the provider vouches for the identifier."""

    type: IdentifierType
    value: str
    display_name: str = ""
    verified: bool = False


@dataclass(frozen=True, slots=True)
class Thread:
    """What joins a message to its conversation on the provider's side (RFC 5322 headers); all empty on the web."""

    provider_thread_id: str = ""
    message_id: str = ""
    in_reply_to: str = ""
    references: tuple[str, ...] = ()

    @property
    def answered_message_ids(self) -> list[str]:
        """The ids of the messages that this one follows, for finding their conversation."""
        return [identifier for identifier in (self.in_reply_to, *self.references) if identifier]


@dataclass(frozen=True, slots=True)
class Attachment:
    """Facts of a file that came with a message."""

    file_name: str
    media_type: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Citation:
    """One passage that a reply stands on, and its heading for people."""

    passage: str
    heading: str


@dataclass(frozen=True, slots=True)
class IncomingMessage:
    """A customer's message as channels took it in; `event_id` is that of the event that told of it."""

    event_id: uuid.UUID
    channel: Channel
    sender: Sender
    text: str
    subject: str = ""
    reference: str = ""
    opens_conversation: bool = False
    category: str = ""
    priority: Priority = Priority.UNSPECIFIED
    thread: Thread = Thread()
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One message on the desk.

    An apology for a message that could not be filed (`apology_for`, the event's id) may have no conversation; it shows
    under the reference that was promised, if any.
    """

    id: uuid.UUID
    author: Author
    text: str
    create_time: datetime
    conversation_id: uuid.UUID | None = None
    ticket_id: uuid.UUID | None = None
    sequence: int = 0
    delivery_state: DeliveryState = DeliveryState.UNSPECIFIED
    citations: tuple[Citation, ...] = ()
    run_id: uuid.UUID | None = None
    attachments: tuple[Attachment, ...] = ()
    mail_message_id: str = ""
    reference: str = ""
    apology_for: uuid.UUID | None = None


def is_visible(text: str) -> bool:
    """Whether a reader would see anything: blanks, line breaks and zero-width characters alone say nothing."""
    return any(character.isprintable() and not character.isspace() for character in text)
