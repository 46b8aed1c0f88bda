"""What comes by the web: the form, the message after it, and what keeps both from coming twice or too often."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from datetime import datetime, timedelta

from channels.errors import UnknownCategory
from channels.model.senders import Sender
from channels.model.text import (
    NAME_CHARACTERS_MAX,
    SUBJECT_CHARACTERS_MAX,
    TEXT_CHARACTERS_MAX,
    clean,
    clean_line,
    digest,
    refusal,
    violations,
)
from channels.model.vocabulary import Priority, SenderType
from meshkit.errors import InvalidArgument

IDEMPOTENCY_KEY_KEPT = timedelta(hours=24)

_IDEMPOTENCY_KEY_CHARACTERS_MAX = 128


@dataclasses.dataclass(frozen=True, slots=True)
class Form:
    """The web form. `website` is for programs only: people do not see it."""

    name: str
    email: str
    subject: str
    category: str
    priority: Priority
    message: str
    website: str = ""

    def cleaned(self, categories: Collection[str]) -> Form:
        """The form with its text in one spelling: see `clean`. Priority and category are as they were.

        Raises InvalidArgument naming every field that is empty or too long once it is clean, UnknownCategory.
        """
        name, subject, message = clean_line(self.name), clean_line(self.subject), clean(self.message)
        found = [
            *violations("name", name, NAME_CHARACTERS_MAX),
            *violations("subject", subject, SUBJECT_CHARACTERS_MAX),
            *violations("message", message, TEXT_CHARACTERS_MAX),
        ]
        if found:
            raise refusal(found)
        if self.category not in categories:
            raise UnknownCategory(categories)
        return dataclasses.replace(self, name=name, subject=subject, message=message)

    def digest(self) -> bytes:
        """SHA-256 of what the customer filled in: equal for equal forms."""
        return digest(self.name, self.email, self.subject, self.category, self.priority, self.message, self.website)

    @property
    def sender(self) -> Sender:
        """Who sent it. An address that was typed into a form is claimed, never verified."""
        return Sender(SenderType.EMAIL, self.email, self.name, verified=False)


@dataclasses.dataclass(frozen=True, slots=True)
class NextMessage:
    """What a customer writes on the status page of a ticket."""

    reference: str
    text: str

    def cleaned(self) -> NextMessage:
        """The message with its text in one spelling. Raises InvalidArgument when nothing can be seen of it."""
        text = clean(self.text)
        if found := violations("text", text, TEXT_CHARACTERS_MAX):
            raise refusal(found)
        return NextMessage(self.reference, text)

    def digest(self) -> bytes:
        """SHA-256 of reference and text."""
        return digest(self.reference, self.text)


@dataclasses.dataclass(frozen=True, slots=True)
class Claim:
    """An idempotency key and the body it came with, both as hashes."""

    key_hash: bytes
    body_hash: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Submission:
    """What a claim was answered with."""

    body_hash: bytes
    reference: str
    receive_time: datetime


@dataclasses.dataclass(frozen=True, slots=True)
class Cap:
    """At most `messages` in an hour from the sender behind the hash. `name` says by what senders are told apart."""

    sender_hash: bytes
    name: str
    messages: int


@dataclasses.dataclass(frozen=True, slots=True)
class Promise:
    """What a form is answered with."""

    reference: str
    status_token: str
    status_url: str


def status_url(public_url: str, reference: str, token: str) -> str:
    """The status page of a ticket. The token in the fragment: no server log and no Referer holds it."""
    return f"{public_url}/status/{reference}#{token}"


def hour_of(moment: datetime) -> datetime:
    """The clock hour that a message is counted in."""
    return moment.replace(minute=0, second=0, microsecond=0)


def key_hash(scope: str, key: str) -> bytes:
    """SHA-256 of an idempotency key within its scope.

    Raises InvalidArgument on `idempotency-key` unless it has 1 to 128 printable ASCII characters.
    """
    if not 1 <= len(key) <= _IDEMPOTENCY_KEY_CHARACTERS_MAX or not (key.isascii() and key.isprintable()):
        raise InvalidArgument.of(
            "idempotency-key",
            f"must have 1 to {_IDEMPOTENCY_KEY_CHARACTERS_MAX} printable ASCII characters; a UUID does well",
        )
    return digest(scope, key)
