"""The facts channels publishes."""

from datetime import datetime

from channels import wire
from channels.model import Channel, CustomerMessage, Delivery, Reachability, Sender
from fte.topics import DELIVERIES, INCOMING
from meshkit.envelope import Event


def message_received(message: CustomerMessage, sender_key: str) -> Event:
    """A customer wrote to us. Keyed by the sender in one spelling, so that their messages stay in order."""
    fact = wire.message_received_to_wire(message)
    return Event(topic=INCOMING.name, key=sender_key, subject=fact.inbound_message, message=fact)


def delivery_changed(delivery: Delivery, reachability: Reachability | None = None) -> Event:
    """A delivery has moved forward, and what that says about its recipient, if anything.

    Keyed by conversation, so that its states arrive in order.
    """
    fact = wire.delivery_changed_to_wire(delivery, reachability)
    return Event(topic=DELIVERIES.name, key=fact.conversation, subject=fact.delivery, message=fact)


def reachability_changed(channel: Channel, recipient: Sender, reachability: Reachability, time: datetime) -> Event:
    """It has become known whether somebody can be written to. Keyed by the address or number in one spelling."""
    fact = wire.reachability_changed_to_wire(channel, recipient, reachability, time)
    return Event(topic=DELIVERIES.name, key=recipient.key, subject="", message=fact)
