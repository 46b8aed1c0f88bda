"""A reply goes out on the channel that the question came by."""

from __future__ import annotations

from collections.abc import Mapping

from channels import events, store
from channels.errors import ChannelDisabled
from channels.model import Channel, Delivery, DeliveryState, Outcome, Reply
from channels.providers.base import Inside
from meshkit.clock import Clock
from meshkit.database import Connection
from meshkit.ids import uuid7
from meshkit.outbox import Outbox


class Deliveries:
    """Delivers replies by the providers of the channels that are open."""

    def __init__(self, outbox: Outbox, clock: Clock, providers: Mapping[Channel, Inside]) -> None:
        self._outbox = outbox
        self._clock = clock
        self._providers = providers

    async def deliver_reply(self, connection: Connection, reply: Reply) -> None:
        """Claims the delivery, hands the reply over, records how that ended and tells the desk.

        In the caller's transaction. A message whose delivery was claimed before is left alone: it is a repeat. A reply
        for a channel that is switched off fails, so that a person sees it.
        """
        now = self._clock.now()
        delivery = Delivery.claimed(uuid7(), reply, now)
        if not await store.claim_delivery(connection, delivery):
            return
        delivery = delivery.after(self._hand_over(reply), now)
        await store.record_delivery(connection, delivery)
        await self._outbox.publish(connection, events.delivery_changed(delivery))

    def _hand_over(self, reply: Reply) -> Outcome:
        provider = self._providers.get(reply.channel)
        if provider is None:
            return Outcome(DeliveryState.FAILED, failure_reason=ChannelDisabled.reason)
        return provider.deliver(reply)
