"""What is heard later of a message that was sent: receipts of its provider, and reports that it came back."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from prometheus_client import Counter

from channels import store
from channels.model import (
    Bounce,
    Channel,
    Delivery,
    DeliveryState,
    Outcome,
    Reachability,
    Receipt,
)
from channels.operations.progress import Progress
from meshkit.clock import Clock
from meshkit.database import Connection, Database

RECEIPTS = Counter(
    "channels_receipts_total",
    "What was heard of sent messages, by channel and outcome (applied, known, early).",
    ("channel", "outcome"),
)
BOUNCED = "BOUNCED"

# What a receipt says first: a message that was delivered cannot fail any more.
_ORDER = (DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.READ, DeliveryState.FAILED)


class Receipts:
    """Takes down what is heard of messages of ours. It only ever moves a delivery forward."""

    def __init__(self, database: Database, clock: Clock, progress: Progress) -> None:
        self._database = database
        self._clock = clock
        self._progress = progress

    async def note(self, channel: Channel, receipt: Receipt) -> bool:
        """Whether the receipt told something new of a message that is known.

        One for a message that is not known is kept for a day, because it may have overtaken the record of its send;
        it changes nothing else. Raises Unavailable.
        """
        if receipt.state not in _ORDER:
            return False
        async with self._database.transaction() as connection:
            await store.hold_provider_message(connection, channel, receipt.provider_message_id)
            found = await store.find_part(connection, channel, receipt.provider_message_id)
            if found is None:
                await store.keep_receipt(connection, channel, receipt)
                applied = None
            else:
                applied = await self._apply(connection, *found, receipt)
        outcome = "early" if applied is None else "applied" if applied else "known"
        RECEIPTS.labels(channel, outcome).inc()
        return bool(applied)

    async def note_bounce(self, bounce: Bounce) -> None:
        """Fails the mail of ours that the report names, and marks its recipient if no mail reaches it at all.

        The recipient is the one that the mail was sent to, whatever the report says: anybody can write a report. One
        that names no mail of ours changes nothing. Raises Unavailable.
        """
        async with self._database.transaction() as connection:
            found = await self._bounced_mail(connection, bounce)
            if found is None:
                return
            reachability = Reachability.UNDELIVERABLE if bounce.undeliverable else None
            receipt = Receipt("", DeliveryState.FAILED, BOUNCED, reachability)
            applied = await self._apply(connection, *found, receipt)
        RECEIPTS.labels(Channel.EMAIL, "applied" if applied else "known").inc()

    async def _apply(self, connection: Connection, delivery_id: uuid.UUID, number: int, receipt: Receipt) -> bool:
        delivery = await store.lock_delivery(connection, delivery_id)
        if delivery is None:
            return False
        after, reachability = apply_receipts(delivery, number, [receipt], self._clock.now())
        if after == delivery:
            return False
        await self._progress.move(connection, delivery, after, reachability=reachability)
        return True

    async def _bounced_mail(self, connection: Connection, bounce: Bounce) -> tuple[uuid.UUID, int] | None:
        named, _, number = bounce.parcel_key.partition(".")
        try:
            delivery_id = uuid.UUID(named)
        except ValueError:
            if not bounce.message_id:
                return None
            found = await store.find_mail(connection, bounce.message_id)
            return None if found is None else (found, 1)
        delivery = await store.get_delivery(connection, delivery_id)
        if delivery is None or delivery.channel is not Channel.EMAIL:
            return None
        # Mail goes out in one part; what else a report says of ours is its own invention.
        parts = {str(part.number): part.number for part in delivery.parts}
        return (delivery_id, parts[number]) if number in parts else None


def apply_receipts(
    delivery: Delivery, number: int, receipts: Sequence[Receipt], now: datetime
) -> tuple[Delivery, Reachability | None]:
    """The delivery with these receipts for one of its parts, and what they say of its recipient.

    In whatever order they came, they only move it forward; one that does not says nothing.
    """
    reachability: Reachability | None = None
    part = next((each for each in delivery.parts if each.number == number), None)
    if part is None:
        return delivery, None
    for receipt in sorted(receipts, key=lambda each: _ORDER.index(each.state)):
        moved = part.after(Outcome(receipt.state, failure_reason=receipt.failure_reason))
        if moved != part:
            reachability = receipt.reachability or reachability
        part = moved
    return delivery if part in delivery.parts else delivery.with_part(part, now), reachability
