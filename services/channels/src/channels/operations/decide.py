"""What only a person may decide about a delivery: that it is sent again, or that it has arrived."""

from __future__ import annotations

import uuid

from channels import store
from channels.errors import DeliveryNotFound, DeliverySettled
from channels.model import Delivery
from meshkit.database import Database


class Decisions:
    """Carries out what people decide."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def retry(self, delivery_id: uuid.UUID) -> Delivery:
        """The delivery, on its way again. Raises DeliveryNotFound, DeliverySettled."""
        return await self._undecided(delivery_id, needed="FAILED or UNCERTAIN")

    async def confirm(self, delivery_id: uuid.UUID) -> Delivery:
        """The delivery, sent by a person's word. Raises DeliveryNotFound, DeliverySettled."""
        return await self._undecided(delivery_id, needed="UNCERTAIN")

    async def _undecided(self, delivery_id: uuid.UUID, *, needed: str) -> Delivery:
        async with self._database.connection() as connection:
            delivery = await store.get_delivery(connection, delivery_id)
        if delivery is None:
            raise DeliveryNotFound(delivery_id)
        raise DeliverySettled(delivery_id, delivery.state, needed=needed)
