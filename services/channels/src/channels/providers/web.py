"""The web: a form opens a conversation, the status page goes on with it, and shows what it is answered."""

from __future__ import annotations

import uuid
from datetime import datetime

from channels.model import (
    Channel,
    Condition,
    CustomerMessage,
    DeliveryState,
    Form,
    InboundMessage,
    NextMessage,
    Outcome,
    Reply,
    Sender,
)


class WebForm:
    """The channel of the form and the status page. It needs nothing outside the house."""

    channel = Channel.WEB_FORM

    def open_conversation(
        self, form: Form, *, reference: str, message_id: uuid.UUID, receive_time: datetime
    ) -> CustomerMessage:
        """The message of a form, which opens the conversation that its reference promises."""
        return CustomerMessage(
            inbound=_inbound(message_id, reference, form.sender, receive_time),
            sender=form.sender,
            opens_conversation=True,
            subject=form.subject,
            text=form.message,
            category=form.category,
            priority=form.priority,
        )

    def join_conversation(
        self, message: NextMessage, sender: Sender, *, message_id: uuid.UUID, receive_time: datetime
    ) -> CustomerMessage:
        """The next message of whom the reference was promised to; the page does not ask for more than the text."""
        return CustomerMessage(
            inbound=_inbound(message_id, message.reference, sender, receive_time),
            sender=sender,
            opens_conversation=False,
            subject="",
            text=message.text,
            category="",
            priority=None,
        )

    def deliver(self, reply: Reply) -> Outcome:
        """The status page shows the desk's own words, so a reply is delivered when this is committed."""
        return Outcome(DeliveryState.DELIVERED, provider_message_id=str(reply.message_id))

    def condition(self) -> Condition:
        """Well for as long as we are."""
        return Condition.OK


def _inbound(message_id: uuid.UUID, reference: str, sender: Sender, receive_time: datetime) -> InboundMessage:
    # We are the provider here, so our own id is the provider's.
    return InboundMessage(message_id, Channel.WEB_FORM, str(message_id), reference, sender.verified, receive_time)
