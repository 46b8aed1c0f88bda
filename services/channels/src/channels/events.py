"""The facts channels publishes."""

from channels import wire
from channels.model import CustomerMessage, Delivery
from fte.topics import DELIVERIES, INCOMING
from meshkit.envelope import Event


def message_received(message: CustomerMessage, sender_key: str) -> Event:
    """A customer wrote to us. Keyed by the sender in one spelling, so that their messages stay in order."""
    fact = wire.message_received_to_wire(message)
    return Event(topic=INCOMING.name, key=sender_key, subject=fact.inbound_message, message=fact)


def delivery_changed(delivery: Delivery) -> Event:
    """A delivery has moved forward. Keyed by conversation, so that its states arrive in order."""
    fact = wire.delivery_changed_to_wire(delivery)
    return Event(topic=DELIVERIES.name, key=fact.conversation, subject=fact.delivery, message=fact)
