"""What only a person may decide about a delivery: that it is sent again, or that it has arrived."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime

from channels import store
from channels.errors import DeliveryNotFound, DeliverySettled
from channels.model import Delivery
from channels.operations.progress import Progress
from meshkit.clock import Clock
from meshkit.database import Database


class Decisions:
    """Carries out what people decide."""

    def __init__(self, database: Database, clock: Clock, progress: Progress) -> None:
        self._database = database
        self._clock = clock
        self._progress = progress

    async def retry(self, delivery_id: uuid.UUID) -> Delivery:
        """The delivery, in the queue again: its parts that the provider is not known to have will be sent.

        Raises DeliveryNotFound, and DeliverySettled unless it has failed or is uncertain and its words are still kept.
        """
        needed = "FAILED or UNCERTAIN, with its words still kept,"
        return await self._decide(delivery_id, Delivery.retried, needed=needed, requeued=True)

    async def confirm(self, delivery_id: uuid.UUID) -> Delivery:
        """The delivery, sent by a person's word; parts that come after it go on.

        Raises DeliveryNotFound, and DeliverySettled unless it is uncertain.
        """
        return await self._decide(delivery_id, Delivery.confirmed, needed="UNCERTAIN", requeued=False)

    async def _decide(
        self,
        delivery_id: uuid.UUID,
        decide: Callable[[Delivery, datetime], Delivery | None],
        *,
        needed: str,
        requeued: bool,
    ) -> Delivery:
        async with self._database.transaction() as connection:
            before = await store.lock_delivery(connection, delivery_id)
            if before is None:
                raise DeliveryNotFound(delivery_id)
            after = decide(before, self._clock.now())
            if after is None:
                raise DeliverySettled(delivery_id, before.state, needed=needed)
            await self._progress.move(connection, before, after, requeued=requeued)
            # Once more, with the time it is due at, which is the database's own.
            decided = await store.get_delivery(connection, delivery_id)
        assert decided is not None
        return decided
