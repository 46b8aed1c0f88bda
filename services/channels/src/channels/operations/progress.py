"""How far a delivery has come: written, and told to the desk in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence

from channels import events, store
from channels.model import Channel, Delivery, DeliveryKind, DeliveryState, Reachability, Sender
from meshkit.clock import Clock
from meshkit.database import Connection
from meshkit.outbox import Outbox


class Progress:
    """Moves deliveries, and keeps the list of whom not to write to."""

    def __init__(self, outbox: Outbox, clock: Clock) -> None:
        self._outbox = outbox
        self._clock = clock

    async def begin(self, connection: Connection, delivery: Delivery) -> bool:
        """Whether the delivery is new: then it is written with its parts, and the desk is told how it stands."""
        if not await store.insert_delivery(connection, delivery):
            return False
        await self._tell(connection, delivery, None)
        return True

    async def move(
        self,
        connection: Connection,
        before: Delivery,
        after: Delivery,
        *,
        due_seconds: float = 0.0,
        requeued: bool = False,
        reachability: Reachability | None = None,
    ) -> None:
        """Writes what has changed of a delivery that is locked, and tells the desk what is news to it.

        `due_seconds` is when it is to go on, if it is to; `requeued` puts it into the queue anew. `reachability` is
        what this says about its recipient.
        """
        due = due_seconds if after.is_open else None
        await store.save_delivery(connection, before, after, due_seconds=due, requeued=requeued)
        news = None
        if reachability is not None and after.recipient is not None:
            marked = await store.mark_correspondent(connection, after.channel, after.recipient.key, reachability)
            news = reachability if marked else None
        if _as_told(after) != _as_told(before) or news is not None:
            await self._tell(connection, after, news)

    async def learn(
        self, connection: Connection, channel: Channel, recipient: Sender, reachability: Reachability
    ) -> None:
        """Keeps in mind that this address or number is not to be written to, and tells the desk if that is news."""
        if await store.mark_correspondent(connection, channel, recipient.key, reachability):
            await self._tell_reachability(connection, channel, recipient, reachability)

    async def lift(
        self, connection: Connection, channel: Channel, recipient: Sender, reasons: Sequence[Reachability]
    ) -> None:
        """Takes back these reasons not to write to this address or number, and tells the desk if one stood."""
        for reason in reasons:
            if await store.clear_correspondent(connection, channel, recipient.key, reason):
                await self._tell_reachability(connection, channel, recipient, Reachability.REACHABLE)

    async def _tell(self, connection: Connection, delivery: Delivery, news: Reachability | None) -> None:
        if delivery.kind is DeliveryKind.REPLY:
            # That it is being sent is no news: the desk hears how that ended.
            if delivery.state is not DeliveryState.CLAIMED or news is not None:
                await self._outbox.publish(connection, events.delivery_changed(delivery, news))
        elif news is not None and delivery.recipient is not None:
            await self._tell_reachability(connection, delivery.channel, delivery.recipient, news)

    async def _tell_reachability(
        self, connection: Connection, channel: Channel, recipient: Sender, reachability: Reachability
    ) -> None:
        event = events.reachability_changed(channel, recipient, reachability, self._clock.now())
        await self._outbox.publish(connection, event)


def _as_told(delivery: Delivery) -> tuple[object, ...]:
    # A delivery that goes back into the queue for another try is nothing the desk would show.
    state = DeliveryState.CLAIMED if delivery.is_open else delivery.state
    return state, delivery.failure_reason, delivery.provider_message_id, delivery.sent_thread


def refusal(correspondent: store.Correspondent, delivery: Delivery) -> str | None:
    """Why this recipient is not written to, as an upper-case word; None when they are.

    Who opted out of our mails and writes to us afterwards asks for an answer, and has it; a form's mails nobody asked
    for stay away. On WhatsApp the provider itself would refuse both.
    """
    reachability = correspondent.reachability
    if reachability is None:
        return None
    asked_again = (
        correspondent.heard_time is not None
        and correspondent.reachability_time is not None
        and correspondent.heard_time > correspondent.reachability_time
    )
    is_answer = delivery.channel is Channel.EMAIL and delivery.kind is DeliveryKind.REPLY
    if reachability is Reachability.OPTED_OUT and is_answer and asked_again:
        return None
    return reachability.upper()
