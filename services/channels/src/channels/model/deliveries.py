"""What goes out to customers, in which parts, and how far it has come."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime

from channels.model.messages import NO_THREAD, Thread
from channels.model.senders import Sender
from channels.model.vocabulary import Channel, DeliveryKind, DeliveryState, Reachability

_SENT = frozenset({DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.READ})
_OPEN = frozenset({DeliveryState.QUEUED, DeliveryState.CLAIMED})
_PROGRESS = (
    DeliveryState.QUEUED,
    DeliveryState.CLAIMED,
    DeliveryState.SENT,
    DeliveryState.DELIVERED,
    DeliveryState.READ,
)
_UNDECIDED = frozenset({DeliveryState.FAILED, DeliveryState.UNCERTAIN})
# What is delivered cannot fail any more, and what failed stays with a person.
_ADVANCES: Mapping[DeliveryState, frozenset[DeliveryState]] = {
    DeliveryState.QUEUED: frozenset({DeliveryState.CLAIMED, DeliveryState.FAILED}),
    DeliveryState.CLAIMED: _SENT | {DeliveryState.QUEUED, DeliveryState.FAILED, DeliveryState.UNCERTAIN},
    DeliveryState.SENT: frozenset({DeliveryState.DELIVERED, DeliveryState.READ, DeliveryState.FAILED}),
    DeliveryState.DELIVERED: frozenset({DeliveryState.READ}),
    DeliveryState.READ: frozenset(),
    DeliveryState.FAILED: frozenset(),
    DeliveryState.UNCERTAIN: frozenset(),
}


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
    thread: Thread = NO_THREAD


@dataclasses.dataclass(frozen=True, slots=True)
class Content:
    """One message as the provider is to get it; kept as JSON until it has arrived.

    Mail uses `subject`, `html` and `headers` besides the text. WhatsApp uses `template` (a ContentSid) and its
    `variables` in place of free text outside the 24-hour window.
    """

    text: str
    subject: str = ""
    html: str = ""
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    template: str = ""
    variables: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """How handing a reply over ended. `failure_reason` is an upper-case word, empty unless it failed."""

    state: DeliveryState
    provider_message_id: str = ""
    failure_reason: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Receipt:
    """What a provider says later of a message it took: how far it has come, and what that tells of its recipient."""

    provider_message_id: str
    state: DeliveryState
    failure_reason: str = ""
    reachability: Reachability | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Bounce:
    """What a mail server reports of a mail of ours that it gave up on (RFC 3464); a mere delay is none.

    `parcel_key` and `message_id` name the mail, each empty where the report does not. `undeliverable` says that the
    address takes no mail at all; false where only this mail failed: a full mailbox, a filter.
    """

    parcel_key: str
    message_id: str
    undeliverable: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """One message of a delivery. `content` is None once it is no longer kept.

    `claims` grows with each claim, so that whoever claimed it earlier can tell that it is no longer theirs; `attempts`
    counts the claims for sending, `doubts` the times that the provider could not say whether it has it. The first
    claim's time is the age limit for what can be it at the provider.
    """

    number: int
    state: DeliveryState = DeliveryState.QUEUED
    content: Content | None = None
    claims: int = 0
    attempts: int = 0
    doubts: int = 0
    first_claim_time: datetime | None = None
    provider_message_id: str = ""
    failure_reason: str = ""

    def after(self, outcome: Outcome) -> Part:
        """The part with what is now known of it; itself when it has already come further."""
        if outcome.state not in _ADVANCES[self.state]:
            return self
        arrived = outcome.state in (DeliveryState.DELIVERED, DeliveryState.READ)
        return dataclasses.replace(
            self,
            state=outcome.state,
            content=None if arrived else self.content,
            provider_message_id=outcome.provider_message_id or self.provider_message_id,
            failure_reason=outcome.failure_reason,
        )

    def retried(self) -> Part:
        """The part as if it had not been sent. Its first claim stays: what was sent then may still be found."""
        return dataclasses.replace(
            self, state=DeliveryState.QUEUED, doubts=0, provider_message_id="", failure_reason=""
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Delivery:
    """One message of ours on its way to a customer: a reply, or a mail that a form caused (then without a message).

    `thread` is what it continues, `sent_thread` what the provider made of it. `due_time` is when its next part is due
    at the earliest, None once nothing waits. A delivery within our own walls has no parts.
    """

    id: uuid.UUID
    channel: Channel
    kind: DeliveryKind
    message_id: uuid.UUID | None
    conversation_id: uuid.UUID | None
    reference: str
    recipient: Sender | None
    state: DeliveryState
    create_time: datetime
    update_time: datetime
    provider_message_id: str = ""
    failure_reason: str = ""
    thread: Thread = NO_THREAD
    sent_thread: Thread = NO_THREAD
    due_time: datetime | None = None
    parts: tuple[Part, ...] = ()

    @classmethod
    def of_reply(cls, delivery_id: uuid.UUID, reply: Reply, state: DeliveryState, now: datetime) -> Delivery:
        """The delivery of a reply that nobody has handed over yet."""
        return cls(
            id=delivery_id,
            channel=reply.channel,
            kind=DeliveryKind.REPLY,
            message_id=reply.message_id,
            conversation_id=reply.conversation_id,
            reference=reply.reference,
            recipient=reply.recipient,
            state=state,
            create_time=reply.create_time,
            update_time=now,
            thread=reply.thread,
        )

    @classmethod
    def of_form(
        cls, delivery_id: uuid.UUID, kind: DeliveryKind, reference: str, recipient: Sender, now: datetime
    ) -> Delivery:
        """A mail of fixed text to whoever sent a form."""
        return cls(
            id=delivery_id,
            channel=Channel.EMAIL,
            kind=kind,
            message_id=None,
            conversation_id=None,
            reference=reference,
            recipient=recipient,
            state=DeliveryState.QUEUED,
            create_time=now,
            update_time=now,
        )

    @property
    def lane(self) -> str:
        """What keeps its order: deliveries of one lane go out one after the other.

        On WhatsApp a recipient has a single chat; on e-mail each conversation is a thread of its own.
        """
        if self.channel is Channel.WHATSAPP and self.recipient is not None:
            return self.recipient.key
        return str(self.conversation_id or self.reference)

    @property
    def is_open(self) -> bool:
        """Whether it waits for its turn or is being sent."""
        return self.state in _OPEN

    @property
    def next_part(self) -> Part | None:
        """The part to be sent or looked up next; None when nothing is left to do, or a person has to decide first."""
        if not self.is_open:
            return None
        return next((part for part in self.parts if part.state in _OPEN), None)

    def after(self, outcome: Outcome, now: datetime) -> Delivery:
        """The delivery with what is now known of it as a whole; itself when it has already come further."""
        if outcome.state not in _ADVANCES[self.state]:
            return self
        return dataclasses.replace(
            self,
            state=outcome.state,
            provider_message_id=outcome.provider_message_id or self.provider_message_id,
            failure_reason=outcome.failure_reason,
            update_time=now,
        )

    def in_parts(self, contents: Sequence[Content]) -> Delivery:
        """The delivery, to be sent in these messages."""
        parts = tuple(Part(number, content=content) for number, content in enumerate(contents, start=1))
        return dataclasses.replace(self, parts=parts)

    def retried(self, now: datetime) -> Delivery | None:
        """The delivery on its way again: what failed, is uncertain or never went out waits for its turn.

        None when there is nothing to decide, or nothing left to send.
        """
        if self.state not in _UNDECIDED:
            return None
        parts = tuple(part.retried() if part.state in _UNDECIDED else part for part in self.parts)
        waiting = [part for part in parts if part.state is DeliveryState.QUEUED]
        if not waiting or any(part.content is None for part in waiting):
            return None
        return dataclasses.replace(self, parts=parts).with_part(waiting[0], now)

    def confirmed(self, now: datetime) -> Delivery | None:
        """The delivery whose uncertain parts were sent, by a person's word. None when nothing is uncertain."""
        uncertain = [part for part in self.parts if part.state is DeliveryState.UNCERTAIN]
        delivery = self
        for part in uncertain:
            sent = dataclasses.replace(part, state=DeliveryState.SENT, failure_reason="")
            delivery = delivery.with_part(sent, now)
        return delivery if uncertain else None

    def with_part(self, part: Part, now: datetime) -> Delivery:
        """The delivery with this part in place of the one of its number, and in the state that its parts are in.

        What failed, or is uncertain, is so as a whole; else it has come as far as the last of its parts.
        """
        parts = tuple(part if each.number == part.number else each for each in self.parts)
        found = next((each for each in parts if each.state is DeliveryState.FAILED), None)
        found = found or next((each for each in parts if each.state is DeliveryState.UNCERTAIN), None)
        if found is None:
            found = min(parts, key=lambda each: _PROGRESS.index(each.state))
            # One part waits and another does not: the delivery is under way.
            under_way = found.state is DeliveryState.QUEUED and any(each.state is not found.state for each in parts)
            state = DeliveryState.CLAIMED if under_way else found.state
        else:
            state = found.state
        return dataclasses.replace(
            self,
            state=state,
            provider_message_id=next(
                (each.provider_message_id for each in parts[::-1] if each.provider_message_id), ""
            ),
            failure_reason=found.failure_reason,
            update_time=self.update_time if state is self.state else now,
            parts=parts,
        )
