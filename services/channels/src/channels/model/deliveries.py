"""What goes out to customers, and how far it has come."""

from __future__ import annotations

import dataclasses
import uuid
from datetime import datetime

from channels.model.messages import NO_THREAD, Thread
from channels.model.senders import Sender
from channels.model.vocabulary import Channel, DeliveryState, Reachability

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
