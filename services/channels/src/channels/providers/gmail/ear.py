"""From the bytes of a mail to what the house knows of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from channels import model
from channels.model import (
    ATTACHMENTS_MAX,
    REFERENCES_MAX,
    SUBJECT_CHARACTERS_MAX,
    TEXT_CHARACTERS_MAX,
    Attachment,
    Bounce,
    Channel,
    Heard,
    Sender,
    SenderType,
    Suppression,
    Thread,
)
from channels.providers.gmail import mime
from channels.providers.gmail.bounces import bounce_of
from channels.providers.gmail.headers import Headers, decoded
from channels.providers.gmail.loops import suppression_of
from channels.providers.gmail.quotes import CHARACTERS_READ_MAX, own_words
from channels.providers.gmail.sender import sender_of

_MESSAGE_ID = re.compile(r"<[^<>\s]{1,250}>")
_NOBODY = Sender(SenderType.EMAIL, "", "", verified=False)
_NO_WORDS = "(no text)"


@dataclass(frozen=True, slots=True)
class Received:
    """A mail as Gmail has it. `raw` is the whole of it, or its headers alone where it is too large to be read: then
    `snippet` has its first words and `size_bytes` says how large it is.
    """

    id: str
    thread_id: str
    receive_time: datetime
    raw: bytes
    snippet: str = ""
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class HeardMail:
    """A mail that was read, and the bounce that it reports, if any."""

    heard: Heard
    bounce: Bounce | None = None


def hear(received: Received, own_address: str) -> HeardMail:
    """What a mail says, who sent it and whether it is to be answered. Takes time linear in its size, and never raises.

    A mail without words has a text that says so: its files, or a person's look at it, are the question.
    """
    mail = mime.parse(received.raw)
    sender = sender_of(mail.headers)
    suppression = suppression_of(mail, sender, own_address)
    text, attachments = _within_limits(mail, received)
    heard = Heard(
        channel=Channel.EMAIL,
        provider_message_id=received.id,
        sender=sender or _NOBODY,
        subject=decoded(mail.headers.first("subject"))[:SUBJECT_CHARACTERS_MAX].strip(),
        text=text,
        thread=_thread(mail.headers, received.thread_id),
        attachments=attachments,
        sent_time=received.receive_time,
        suppression=suppression,
    )
    return HeardMail(heard, bounce_of(mail) if suppression is Suppression.BOUNCE else None)


def _within_limits(mail: mime.Mail, received: Received) -> tuple[str, tuple[Attachment, ...]]:
    attachments = mail.attachments
    if received.size_bytes:
        text = model.clean(received.snippet).strip()
        attachments = (Attachment("(the mail, too large to be read)", "message/rfc822", received.size_bytes),)
    else:
        text = model.clean(own_words(mail.text)).strip()
    if len(text) > TEXT_CHARACTERS_MAX:
        rest = len(text[TEXT_CHARACTERS_MAX:].encode()) + len(mail.text[CHARACTERS_READ_MAX:].encode())
        text = text[:TEXT_CHARACTERS_MAX].strip()
        attachments = (*attachments[: ATTACHMENTS_MAX - 1], Attachment("(rest of the text)", "text/plain", rest))
    if not any(character.isprintable() and not character.isspace() for character in text):
        text = _NO_WORDS
    return text, attachments


def _thread(headers: Headers, thread_id: str) -> Thread:
    references = _MESSAGE_ID.findall(headers.first("references"))
    return Thread(
        provider_thread_id=thread_id,
        message_id=_one_id(headers.first("message-id")),
        in_reply_to=_one_id(headers.first("in-reply-to")),
        # The oldest opened the conversation and the newest are what this answers: the middle is the least of a loss.
        references=tuple(
            references
            if len(references) <= REFERENCES_MAX
            else [references[0], *references[len(references) - REFERENCES_MAX + 1 :]]
        ),
    )


def _one_id(value: str) -> str:
    found = _MESSAGE_ID.search(value)
    return found.group() if found else ""
