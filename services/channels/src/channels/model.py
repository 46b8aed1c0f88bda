"""Messages, promises and deliveries, and the rules they keep. Pure: no wire, no store."""

from __future__ import annotations

import dataclasses
import enum
import functools
import hashlib
import hmac
import ipaddress
import re
import unicodedata
import uuid
from collections.abc import Collection
from datetime import datetime, timedelta

from email_validator import EmailNotValidError, validate_email

from channels.errors import UnknownCategory
from meshkit.errors import InvalidArgument, Violation

IDEMPOTENCY_KEY_KEPT = timedelta(hours=24)
NAME_CHARACTERS_MAX = 100
SUBJECT_CHARACTERS_MAX = 200
TEXT_CHARACTERS_MAX = 10_000

_IDEMPOTENCY_KEY_CHARACTERS_MAX = 128
# Bidi overrides and isolates make text read otherwise than it is; zero-width ones make equal words differ. The
# zero-width joiners stay: emoji and several scripts are spelt with them.
_DECEPTIVE = re.compile("[\u202a-\u202e\u2066-\u2069\u200b\ufeff]")
# RFC 5321, 4.5.3.1, and the dot-atom of RFC 5322, 3.2.3.
_LOCAL_CHARACTERS_MAX = 64
_ADDRESS_CHARACTERS_MAX = 254
_DOT_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_OTHER_LINE_BREAKS = re.compile("[\u0085\u2028\u2029]+")


class Channel(enum.StrEnum):
    """The ways a customer can write to us, as they stand in the store and in ENABLED_CHANNELS."""

    WEB_FORM = "web_form"
    EMAIL = "email"
    WHATSAPP = "whatsapp"


class Priority(enum.StrEnum):
    """How urgent a customer says it is."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class SenderType(enum.StrEnum):
    """The sorts of identifiers that a sender is known by."""

    EMAIL = "email"
    PHONE = "phone"


class DeliveryState(enum.StrEnum):
    """How far a delivery has come. It only moves forward."""

    CLAIMED = "claimed"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"


class Condition(enum.StrEnum):
    """How a part of the edge is."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


# What is delivered cannot fail any more, and what failed stays with a person.
_ADVANCES = {
    DeliveryState.CLAIMED: frozenset(
        {DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.READ, DeliveryState.FAILED}
    ),
    DeliveryState.SENT: frozenset({DeliveryState.DELIVERED, DeliveryState.READ, DeliveryState.FAILED}),
    DeliveryState.DELIVERED: frozenset({DeliveryState.READ}),
    DeliveryState.READ: frozenset[DeliveryState](),
    DeliveryState.FAILED: frozenset[DeliveryState](),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Sender:
    """Who sent a message: the identifier as it came in, and whether the provider vouches for it."""

    type: SenderType
    value: str
    display_name: str
    verified: bool


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
        violations = [
            *_violations("name", name, NAME_CHARACTERS_MAX),
            *_violations("subject", subject, SUBJECT_CHARACTERS_MAX),
            *_violations("message", message, TEXT_CHARACTERS_MAX),
        ]
        if violations:
            raise _refusal(violations)
        if self.category not in categories:
            raise UnknownCategory(categories)
        return dataclasses.replace(self, name=name, subject=subject, message=message)

    def digest(self) -> bytes:
        """SHA-256 of what the customer filled in: equal for equal forms."""
        return _digest(self.name, self.email, self.subject, self.category, self.priority, self.message, self.website)

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
        if violations := _violations("text", text, TEXT_CHARACTERS_MAX):
            raise _refusal(violations)
        return NextMessage(self.reference, text)

    def digest(self) -> bytes:
        """SHA-256 of reference and text."""
        return _digest(self.reference, self.text)


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
class InboundMessage:
    """A message as it was taken in, without its words."""

    id: uuid.UUID
    channel: Channel
    provider_message_id: str
    reference: str
    sender_verified: bool
    receive_time: datetime


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


@dataclasses.dataclass(frozen=True, slots=True)
class Promise:
    """What a form is answered with."""

    reference: str
    status_token: str
    status_url: str


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """What the desk says to a customer: the body alone, for the channel that the question came by."""

    message_id: uuid.UUID
    conversation_id: uuid.UUID
    reference: str
    channel: Channel
    recipient: Sender
    subject: str
    text: str
    create_time: datetime


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """How handing a reply over ended. `failure_reason` is an upper-case word, empty unless it failed."""

    state: DeliveryState
    provider_message_id: str = ""
    failure_reason: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Delivery:
    """One reply on its way to a customer."""

    id: uuid.UUID
    channel: Channel
    message_id: uuid.UUID
    conversation_id: uuid.UUID
    reference: str
    state: DeliveryState
    provider_message_id: str
    failure_reason: str
    create_time: datetime
    update_time: datetime

    @classmethod
    def claimed(cls, delivery_id: uuid.UUID, reply: Reply, now: datetime) -> Delivery:
        """The delivery of a reply that nobody has handed over yet."""
        return cls(
            id=delivery_id,
            channel=reply.channel,
            message_id=reply.message_id,
            conversation_id=reply.conversation_id,
            reference=reply.reference,
            state=DeliveryState.CLAIMED,
            provider_message_id="",
            failure_reason="",
            create_time=reply.create_time,
            update_time=now,
        )

    def after(self, outcome: Outcome, now: datetime) -> Delivery:
        """The delivery with what is now known of it; itself when it has already come further."""
        if outcome.state not in _ADVANCES[self.state]:
            return self
        return dataclasses.replace(
            self,
            state=outcome.state,
            provider_message_id=outcome.provider_message_id or self.provider_message_id,
            failure_reason=outcome.failure_reason,
            update_time=now,
        )


@dataclasses.dataclass(frozen=True, slots=True)
class ChannelCounts:
    """What went through one channel in a window of time."""

    channel: Channel
    received: int = 0
    deliveries: int = 0
    sent: int = 0
    failed: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class EdgeHealth:
    """Whether messages are taken, and how each part is."""

    status: Condition
    checks: dict[str, Condition]


def clean(text: str) -> str:
    """Text in one spelling: no bidi overrides or invisible spaces, line breaks as LF, composed (Unicode NFC)."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    # By far the most forms: nothing else can be wrong with ASCII.
    return text if text.isascii() else unicodedata.normalize("NFC", _DECEPTIVE.sub("", text))


def clean_line(text: str) -> str:
    """As `clean`, on one line and without blanks around it: it may become a header of a mail."""
    text = clean(text)
    return (text if text.isascii() else _OTHER_LINE_BREAKS.sub(" ", text)).strip()


def sender_key(email: str) -> str:
    """One spelling for one mailbox: lower case, the domain in its ASCII form (IDNA). Nothing is looked up.

    Raises InvalidArgument on `email` for an address that cannot exist (RFC 5321).
    """
    local, _, domain = email.rpartition("@")
    try:
        if _DOT_ATOM.fullmatch(local) and len(local) <= _LOCAL_CHARACTERS_MAX:
            # Nearly all: nothing of the local part needs to be looked at again, and their domains are few.
            key = f"{local}@{_ascii_domain(domain)}"
            if len(key) <= _ADDRESS_CHARACTERS_MAX:
                return key.lower()
        address = validate_email(email, check_deliverability=False)
    except EmailNotValidError as error:
        rule = "must be an e-mail address that can exist, such as name@example.com"
        raise InvalidArgument.of("email", rule) from error
    return f"{address.local_part}@{address.ascii_domain}".lower()


@functools.lru_cache(maxsize=4096)
def _ascii_domain(domain: str) -> str:
    return validate_email(f"a@{domain}", check_deliverability=False).ascii_domain or domain


def key_hash(scope: str, key: str) -> bytes:
    """SHA-256 of an idempotency key within its scope.

    Raises InvalidArgument on `idempotency-key` unless it has 1 to 128 printable ASCII characters.
    """
    if not 1 <= len(key) <= _IDEMPOTENCY_KEY_CHARACTERS_MAX or not (key.isascii() and key.isprintable()):
        raise InvalidArgument.of(
            "idempotency-key",
            f"must have 1 to {_IDEMPOTENCY_KEY_CHARACTERS_MAX} printable ASCII characters; a UUID does well",
        )
    return _digest(scope, key)


def sender_hash(key: bytes, cap: str, sender: str) -> bytes:
    """HMAC-SHA256 of a sender, so that a cap can be kept without keeping addresses."""
    return hmac.digest(key, f"{cap} {sender}".encode(), hashlib.sha256)


@functools.lru_cache(maxsize=4096)
def client_network(address: str) -> str | None:
    """What counts as one network address: an IPv4 address, or the /64 that one IPv6 household gets. None if neither."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))


def _digest(*parts: str) -> bytes:
    # No part holds NUL: the contract refuses it.
    return hashlib.sha256("\0".join(parts).encode()).digest()


def _violations(field: str, text: str, characters_max: int) -> list[Violation]:
    if not any(character.isprintable() and not character.isspace() for character in text):
        return [Violation(field, "must hold something that can be seen; write a few words")]
    if len(text) > characters_max:
        # Composed text can be longer than what was typed: NFC takes some characters apart.
        rule = f"must have at most {characters_max} characters in Unicode's composed form (NFC); shorten it"
        return [Violation(field, rule)]
    return []


def _refusal(violations: list[Violation]) -> InvalidArgument:
    first = violations[0]
    return InvalidArgument(f"{first.field}: {first.description}", violations=violations)
