"""What channels tells of a message on its way to a customer."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tickets.model.messages import Sender
from tickets.model.vocabulary import Channel, DeliveryState, Reachability

_WAYS: Final = {Channel.WEB_FORM: "the web", Channel.EMAIL: "e-mail", Channel.WHATSAPP: "WhatsApp"}


@dataclass(frozen=True, slots=True)
class Reached:
    """Whether an address or number can be reached from now on."""

    recipient: Sender
    reachability: Reachability


@dataclass(frozen=True, slots=True)
class DeliveryChange:
    """One word of channels: how far the delivery of a message has come, whether its recipient can be reached, or both.

    `message_id` is None for what is no message of the desk: a mail of fixed text, or a customer's STOP. `delivery` is
    its name at channels, for people; `mail_message_id` is the Message-ID that the provider gave our mail.
    """

    time: datetime
    channel: Channel
    message_id: uuid.UUID | None = None
    state: DeliveryState = DeliveryState.UNSPECIFIED
    failure_reason: str = ""
    delivery: str = ""
    mail_message_id: str = ""
    reached: Reached | None = None

    @property
    def needs_person(self) -> bool:
        """Whether a person has to look: it will not arrive, or nobody can tell."""
        return self.state in (DeliveryState.FAILED, DeliveryState.UNCERTAIN)

    def summary(self) -> str:
        """What happened, in words for the person who gets the case."""
        way, reason = _WAYS[self.channel], self.failure_reason.lower().replace("_", " ") or "no reason given"
        if self.state is DeliveryState.UNCERTAIN:
            return (
                f"Nobody can tell whether our message left by {way} ({reason}). Look at the provider's own pages, then "
                "confirm the delivery, or send it again at the risk that the customer gets it twice."
            )
        return f"Our message did not reach the customer by {way} ({reason}). They do not know that a person has it."

    def facts(self) -> dict[str, str]:
        """What the timeline shows of it."""
        facts = {"deliveryState": self.state.value, "delivery": self.delivery, "failureReason": self.failure_reason}
        return {name: fact for name, fact in facts.items() if fact}
