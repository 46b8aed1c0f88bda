"""The desk's Kafka doors, one for each kind of fact: wire in, one operation."""

from __future__ import annotations

import uuid
from typing import Final

from fte import topics
from fte.channels.v1.channels_events_pb2 import DeliveryChanged, MessageReceived
from meshkit.database import Connection
from meshkit.envelope import Received
from meshkit.subscription import Subscription
from tickets import wire
from tickets.clients import Customers
from tickets.model import DeliveryChange, IncomingMessage
from tickets.operations.dead_letters import apologise, keep_dead_letter
from tickets.operations.deliveries import record_delivery
from tickets.operations.desk import Desk
from tickets.operations.receive import receive

GROUP: Final = "tickets"
"""The desk's consumer group: the name of the service."""


def on_message_received(
    desk: Desk, customers: Customers, *, concurrency: int
) -> Subscription[MessageReceived, tuple[IncomingMessage, uuid.UUID]]:
    """A customer wrote: identity says who it is, then the message is filed."""

    async def prepare(received: Received[MessageReceived]) -> tuple[IncomingMessage, uuid.UUID]:
        incoming = wire.incoming(received.id, received.message)
        return incoming, await customers.resolve(incoming.sender)

    async def apply(
        connection: Connection, _: Received[MessageReceived], prepared: tuple[IncomingMessage, uuid.UUID]
    ) -> None:
        incoming, customer_id = prepared
        await receive(desk, connection, incoming, customer_id)

    return Subscription(
        topic=topics.INCOMING.name,
        message=MessageReceived,
        prepare=prepare,
        apply=apply,
        dead_letter_topic=topics.DEAD_LETTERS.name,
        concurrency=concurrency,
    )


def on_delivery_changed(desk: Desk, customers: Customers) -> Subscription[DeliveryChanged, DeliveryChange]:
    """A message has come further on its way, or an address can be reached no more: identity and the desk note it."""

    async def prepare(received: Received[DeliveryChanged]) -> DeliveryChange:
        change = wire.delivery_change(received.message)
        if change.reached is not None:
            await customers.mark(change.reached, change.time)
        return change

    async def apply(connection: Connection, _: Received[DeliveryChanged], change: DeliveryChange) -> None:
        await record_delivery(desk, connection, change)

    return Subscription(
        topic=topics.DELIVERIES.name,
        message=DeliveryChanged,
        prepare=prepare,
        apply=apply,
        dead_letter_topic=topics.DEAD_LETTERS.name,
    )


def on_dead_letter(desk: Desk) -> Subscription[bytes, None]:
    """Something could not be handled: it is kept, and a customer whose message it is gets an apology."""

    async def apply(connection: Connection, received: Received[bytes], _: None) -> None:
        letter, record = wire.given_up(received, desk.clock.now())
        await keep_dead_letter(desk, connection, letter, record)
        incoming = wire.unfiled(received, topic=topics.INCOMING.name, consumer=GROUP)
        if incoming is not None:
            await apologise(desk, connection, incoming, received.key)

    return Subscription(
        topic=topics.DEAD_LETTERS.name,
        message=None,
        apply=apply,
        # The end of the road: what cannot be kept now is tried until it can.
        dead_letter_topic=None,
    )
