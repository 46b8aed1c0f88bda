"""Messages: what a customer sent, what lies on the desk, and what came with either."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tickets.model.vocabulary import Author, Channel, DeliveryState, IdentifierType, Priority

_REFERENCES_MAX: Final = 50
_FIRST_WORDS_CHARACTERS: Final = 60
# More of a text is not looked at: words, however far apart, are of no use in a list.
_READ_CHARACTERS: Final = 500


@dataclass(frozen=True, slots=True)
class Sender:
    """Who wrote, as the channel saw it; `verified` when the provider vouches for the identifier."""

    type: IdentifierType
    value: str
    display_name: str = ""
    verified: bool = False


@dataclass(frozen=True, slots=True)
class Thread:
    """What joins a message to its conversation on the provider's side (RFC 5322 headers); all empty on the web.

    `subject` is the mail's own, whatever its ticket is called by now: mailboxes show a reply under another one apart.
    """

    provider_thread_id: str = ""
    message_id: str = ""
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    subject: str = ""

    @property
    def chain(self) -> tuple[str, ...]:
        """`References` of an answer to this message (RFC 5322, 3.6.4): what it follows, and itself last.

        Of a very long chain the first and the newest are kept, as mail programs do.
        """
        followed = self.references or ((self.in_reply_to,) if self.in_reply_to else ())
        chain = tuple(dict.fromkeys((*followed, self.message_id) if self.message_id else followed))
        return chain if len(chain) <= _REFERENCES_MAX else (chain[0], *chain[1 - _REFERENCES_MAX :])

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

    @property
    def kind(self) -> str:
        """What sort of file it is, in one word for people."""
        sort = self.media_type.partition("/")[0].lower()
        return {"image": "Image", "audio": "Audio", "video": "Video"}.get(sort, "File")


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


def first_words(subject: str, text: str, attachments: Sequence[Attachment] = ()) -> str:
    """What a message that came without a subject is called in a list: its first words, or what sort of file it is.

    `subject` is what earlier messages of the same burst gave, and goes on with this one's words while there is room.
    """
    if subject.endswith("…"):
        return subject
    seen = "".join(each if each.isprintable() else " " for each in f"{subject} {text[:_READ_CHARACTERS]}")
    words = " ".join(seen.split())
    if not is_visible(words):
        return attachments[0].kind if attachments else ""
    if len(words) <= _FIRST_WORDS_CHARACTERS:
        return words
    cut = words[:_FIRST_WORDS_CHARACTERS].rpartition(" ")[0] or words[: _FIRST_WORDS_CHARACTERS - 1]
    return f"{cut.rstrip('.,;:!? ')}…"


def is_visible(text: str) -> bool:
    """Whether a reader would see anything: blanks, line breaks and zero-width characters alone say nothing."""
    return any(character.isprintable() and not character.isspace() for character in text)
