"""A reply goes out on the channel that the question came by."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from channels import store
from channels.errors import ChannelDisabled
from channels.model import Channel, Delivery, DeliveryKind, DeliveryState, Outcome, Reply
from channels.operations.notices import Notices
from channels.operations.progress import Progress, refusal
from channels.providers.base import Inside, Letter, Outside, Refused
from meshkit.clock import Clock
from meshkit.database import Connection
from meshkit.ids import uuid7


class Deliveries:
    """Delivers replies by the providers of the open channels: at once within our own walls, else by a queue."""

    def __init__(
        self,
        progress: Progress,
        clock: Clock,
        insides: Mapping[Channel, Inside],
        outsides: Mapping[Channel, Outside],
        notices: Notices | None,
    ) -> None:
        self._progress = progress
        self._clock = clock
        self._insides = insides
        self._outsides = outsides
        self._notices = notices

    async def deliver_reply(self, connection: Connection, reply: Reply) -> None:
        """Hands the reply over, or puts it into the queue in the parts it is to be sent in; the desk is told.

        In the caller's transaction. A message that has a delivery is left alone: it is a repeat. A reply for a channel
        that is switched off fails, so that a person sees it; so does one to a recipient who is not to be written to.
        """
        outside = self._outsides.get(reply.channel)
        if outside is not None:
            await self._enqueue(connection, outside, reply)
            return
        if await self._progress.begin(connection, self._handed_over(reply)) and self._notices is not None:
            await self._notices.announce_answer(connection, reply)

    def _handed_over(self, reply: Reply) -> Delivery:
        now = self._clock.now()
        delivery = Delivery.of_reply(uuid7(), reply, DeliveryState.CLAIMED, now)
        # Nothing is sent to it: the address need not be kept once more.
        delivery = dataclasses.replace(delivery, recipient=None)
        provider = self._insides.get(reply.channel)
        if provider is None:
            return delivery.after(Outcome(DeliveryState.FAILED, failure_reason=ChannelDisabled.reason), now)
        return delivery.after(provider.deliver(reply), now)

    async def _enqueue(self, connection: Connection, provider: Outside, reply: Reply) -> None:
        delivery = Delivery.of_reply(uuid7(), reply, DeliveryState.QUEUED, self._clock.now())
        correspondent = await store.get_correspondent(connection, reply.channel, reply.recipient.key)
        letter = Letter(
            delivery_id=delivery.id,
            kind=DeliveryKind.REPLY,
            reference=reply.reference,
            recipient=reply.recipient,
            subject=reply.subject,
            text=reply.text,
            now=correspondent.now,
            thread=reply.thread,
            last_heard=correspondent.heard_time,
            last_written=correspondent.written_time,
        )
        reason = refusal(correspondent, delivery)
        try:
            delivery = delivery.in_parts(provider.compose(letter))
        except Refused as refused:
            reason = reason or refused.reason
        if reason is not None:
            delivery = delivery.after(Outcome(DeliveryState.FAILED, failure_reason=reason), delivery.update_time)
        await self._progress.begin(connection, delivery)
