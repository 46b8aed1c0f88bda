"""Messages of customers: as a provider passes them on, as they are taken in, and as the desk has to know them."""

from __future__ import annotations

import dataclasses
import uuid
from datetime import datetime

from channels.model.senders import Sender
from channels.model.text import NAME_CHARACTERS_MAX, SUBJECT_CHARACTERS_MAX, TEXT_CHARACTERS_MAX, fit, fit_line
from channels.model.vocabulary import Channel, Priority, Suppression

ATTACHMENTS_MAX = 50
REFERENCES_MAX = 50


@dataclasses.dataclass(frozen=True, slots=True)
class Thread:
    """What joins a message to its conversation on the provider's side; all empty on the web."""

    provider_thread_id: str = ""
    message_id: str = ""
    in_reply_to: str = ""
    references: tuple[str, ...] = ()


NO_THREAD = Thread()


@dataclasses.dataclass(frozen=True, slots=True)
class Attachment:
    """Facts of a file that came with a message. `sha256` in hexadecimal; 0 and empty where nothing is known."""

    file_name: str
    media_type: str
    size_bytes: int = 0
    sha256: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Heard:
    """A message as a provider passed it on: verified, parsed and cleaned, not filed yet.

    `sent_time` is the provider's own, where it says; `suppression` why it is not to be answered, where that shows in
    the message itself.
    """

    channel: Channel
    provider_message_id: str
    sender: Sender
    subject: str
    text: str
    thread: Thread = NO_THREAD
    attachments: tuple[Attachment, ...] = ()
    sent_time: datetime | None = None
    suppression: Suppression | None = None

    def fitted(self) -> Heard:
        """The message with its text in one spelling, and no longer than the contract lets it be."""
        sender = dataclasses.replace(self.sender, display_name=fit_line(self.sender.display_name, NAME_CHARACTERS_MAX))
        # The newest references are the ones that conversations are found by.
        thread = dataclasses.replace(self.thread, references=self.thread.references[-REFERENCES_MAX:])
        return dataclasses.replace(
            self,
            sender=sender,
            subject=fit_line(self.subject, SUBJECT_CHARACTERS_MAX),
            text=fit(self.text, TEXT_CHARACTERS_MAX),
            thread=thread,
            attachments=self.attachments[:ATTACHMENTS_MAX],
        )

    def taken(self, message_id: uuid.UUID, reference: str, receive_time: datetime) -> CustomerMessage:
        """The message as taken in. `reference` is the promise that it goes on from, empty for none."""
        inbound = InboundMessage(
            message_id,
            self.channel,
            self.provider_message_id,
            reference,
            self.sender.verified,
            receive_time,
            self.suppression,
        )
        return CustomerMessage(
            inbound=inbound,
            sender=self.sender,
            opens_conversation=False,
            subject=self.subject,
            text=self.text,
            category="",
            priority=None,
            thread=self.thread,
            attachments=self.attachments,
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Hint:
    """A provider's word that something changed in a mailbox: not what, and perhaps not for the first time."""

    mailbox: str
    history_id: int


@dataclasses.dataclass(frozen=True, slots=True)
class InboundMessage:
    """A message as it was taken in, without its words."""

    id: uuid.UUID
    channel: Channel
    provider_message_id: str
    reference: str
    sender_verified: bool
    receive_time: datetime
    suppression: Suppression | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class CustomerMessage:
    """A message as the desk has to know it. `priority` is None where the channel does not ask."""

    inbound: InboundMessage
    sender: Sender
    opens_conversation: bool
    subject: str
    text: str
    category: str
    priority: Priority | None
    thread: Thread = NO_THREAD
    attachments: tuple[Attachment, ...] = ()
