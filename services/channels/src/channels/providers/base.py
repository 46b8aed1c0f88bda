"""What every channel can do, and what the operations know of it.

A channel's ears are as different as the channels are (a form, a signed webhook, a mailbox that is walked), so each
provider offers functions of its own for that. They all end in a `Heard`, which is filed in the same way. Mouths
are alike: the web's is within our own walls (`Inside`), others send over a wire that can break anywhere (`Outside`).
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from channels.model import (
    NO_THREAD,
    Channel,
    Condition,
    Content,
    DeliveryKind,
    DeliveryState,
    Heard,
    Hint,
    Outcome,
    Reachability,
    Receipt,
    Reply,
    Sender,
    Thread,
)


class Provider(Protocol):
    """A channel, whatever it is made of."""

    @property
    def channel(self) -> Channel:
        """The channel that this provider serves."""
        ...

    def condition(self) -> Condition:
        """How the channel is, by what is known without asking anybody."""
        ...


class Inside(Provider, Protocol):
    """A channel that delivers within our own walls."""

    def deliver(self, reply: Reply) -> Outcome:
        """Hands the reply over, and says how that ended.

        Called once for each reply, after its delivery is claimed and in the same transaction: nothing may leave the
        house here, which is why it is not a coroutine.
        """
        ...


@dataclass(frozen=True, slots=True)
class Letter:
    """What is to be said to one recipient, before it has its channel's form.

    `text` is the desk's body, empty for what is no reply. `status_url` is set where there is a status page.
    `last_heard` is when the recipient last wrote to us on this channel, by the provider's time, None if never;
    `last_written` is when we last wrote to them on it, None if never; `now` is when the letter is composed.
    """

    delivery_id: uuid.UUID
    kind: DeliveryKind
    reference: str
    recipient: Sender
    subject: str
    text: str
    now: datetime
    thread: Thread = NO_THREAD
    status_url: str = ""
    last_heard: datetime | None = None
    last_written: datetime | None = None


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message on its way to the provider. `number` counts from 1 among the `count` parts of its delivery.

    `claimed_time` is when it was first claimed for sending: nothing at the provider that is older can be it.
    `known_ids` are the provider's ids that are recorded for other messages: to this recipient, from two days before on,
    where the provider lists by recipient; else to all, from half an hour before. They cannot be it: where a provider
    takes no name of ours for a message, equal words said twice are told apart by them, and none has to be looked at.
    """

    delivery_id: uuid.UUID
    number: int
    count: int
    recipient: Sender
    content: Content
    claimed_time: datetime
    thread: Thread = NO_THREAD
    known_ids: frozenset[str] = frozenset()

    @property
    def key(self) -> str:
        """What names this very message at the provider, in all attempts: `{delivery}.{number}`."""
        return f"{self.delivery_id}.{self.number}"


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider has it. `thread` is what the provider made of it, for what follows in the conversation."""

    provider_message_id: str
    state: DeliveryState = DeliveryState.SENT
    failure_reason: str = ""
    thread: Thread = NO_THREAD


class NotSent(Exception):
    """The provider does not have it, and that is certain."""


class Refused(NotSent):
    """The provider will not take it, now or later. `reason` is an upper-case word that the contract may show.

    `reachability` is what that says about the recipient; `instead` is other content that the provider would take, such
    as an approved template.
    """

    def __init__(
        self, reason: str, *, reachability: Reachability | None = None, instead: Content | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.reachability = reachability
        self.instead = instead


class Throttled(NotSent):
    """The provider is busy with us, and says so; it takes it after a pause of so many seconds."""

    def __init__(self, retry_after_seconds: float) -> None:
        super().__init__(f"again in {retry_after_seconds} s")
        self.retry_after_seconds = retry_after_seconds


class Unreachable(NotSent):
    """No request got through to the provider, or it refused before reading one, as with credentials that expired."""


class Unclear(Exception):
    """Nobody can tell whether the provider has it: it was on the wire when the connection failed or a 5xx came."""


class Outside(Provider, Protocol):
    """A channel whose messages leave the house.

    Its exceptions carry no word of a customer and no address. All calls have deadlines of their own.
    """

    @property
    def messages_per_second(self) -> float:
        """How many messages the provider takes from us, as its documentation or our contract with it says."""
        ...

    @property
    def lists_by_recipient(self) -> bool:
        """Whether `find` reads through what one recipient was sent, or through what all were."""
        ...

    def compose(self, letter: Letter) -> Sequence[Content]:
        """The letter in the channel's form: one or more messages, in order. The same again for the same letter.

        Raises Refused when the provider would not take it in any form: outside the 24-hour window without a template.
        """
        ...

    async def send(self, parcel: Parcel) -> Accepted:
        """Hands one message to the provider. Raises Refused, Throttled, Unreachable, Unclear."""
        ...

    async def find(self, parcel: Parcel) -> Accepted | None:
        """What the provider knows of a message that may have been sent; None when it is certain not to have it.

        Raises Unclear, Throttled or Unreachable while it cannot be asked.
        """
        ...


class WhatsappEar(Protocol):
    """What Twilio calls; `path` is path and query as they were sent. Both raise BadSignature, WrongAccount,
    WebhookUnreadable."""

    def heard(self, body: bytes, content_type: str, path: str, signature: str) -> Heard | None:
        """The message that a signed webhook brings; None for one that is no customer's."""
        ...

    def receipt(self, body: bytes, content_type: str, path: str, signature: str) -> Receipt | None:
        """What a signed status callback says of a message of ours; None where it says nothing new to us."""
        ...


class PushEar(Protocol):
    """What Pub/Sub calls."""

    async def hint(self, authorization: str, body: bytes) -> Hint | None:
        """The hint that a proved push brings; None for another mailbox. Raises BadToken, WebhookUnreadable."""
        ...
