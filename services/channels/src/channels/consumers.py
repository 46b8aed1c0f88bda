"""Channels' Kafka door: one function for each fact that it hears."""

from channels import wire
from channels.operations import Deliveries
from fte.tickets.v1.tickets_events_pb2 import ReplyRequested
from fte.topics import DEAD_LETTERS, OUTGOING
from meshkit.database import Connection
from meshkit.envelope import Received
from meshkit.subscription import Subscription


def on_reply_requested(deliveries: Deliveries) -> Subscription[ReplyRequested, None]:
    """Something was said to a customer: it is delivered once, however often the fact comes."""

    async def apply(connection: Connection, received: Received[ReplyRequested], _prepared: None) -> None:
        await deliveries.deliver_reply(connection, wire.reply_from_wire(received.message))

    return Subscription(topic=OUTGOING.name, message=ReplyRequested, apply=apply, dead_letter_topic=DEAD_LETTERS.name)
