"""What went through: messages, deliveries and their counts, for staff."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from channels import store
from channels.errors import DeliveryNotFound, InboundMessageNotFound
from channels.model import Channel, ChannelCounts, Delivery, DeliveryState, InboundMessage
from meshkit.clock import Clock
from meshkit.database import Database


@dataclass(frozen=True, slots=True)
class ChannelMetrics:
    """The counts of each open channel in a window of time."""

    channels: Sequence[ChannelCounts]
    start: datetime
    end: datetime


class Records:
    """Reads what channels keeps."""

    def __init__(self, database: Database, clock: Clock, channels: Sequence[Channel]) -> None:
        self._database = database
        self._clock = clock
        self._channels = channels

    async def get_inbound_message(self, message_id: uuid.UUID) -> InboundMessage:
        """One message that came in. Raises InboundMessageNotFound."""
        async with self._database.connection() as connection:
            message = await store.get_inbound_message(connection, message_id)
        if message is None:
            raise InboundMessageNotFound(message_id)
        return message

    async def list_inbound_messages(
        self, before: store.Position | None, channel: Channel | None, limit: int
    ) -> list[InboundMessage]:
        """Up to `limit` messages that came in before the given one, newest first."""
        async with self._database.connection() as connection:
            return await store.list_inbound_messages(connection, before, channel, limit)

    async def get_delivery(self, delivery_id: uuid.UUID) -> Delivery:
        """One delivery. Raises DeliveryNotFound."""
        async with self._database.connection() as connection:
            delivery = await store.get_delivery(connection, delivery_id)
        if delivery is None:
            raise DeliveryNotFound(delivery_id)
        return delivery

    async def list_deliveries(
        self, before: store.Position | None, channel: Channel | None, state: DeliveryState | None, limit: int
    ) -> list[Delivery]:
        """Up to `limit` deliveries that were asked for before the given one, newest first."""
        async with self._database.connection() as connection:
            return await store.list_deliveries(connection, before, channel, state, limit)

    async def count_channels(self, window: timedelta) -> ChannelMetrics:
        """What went through each open channel in the window that ends now, a channel without traffic as zeros."""
        end = self._clock.now()
        start = end - window
        async with self._database.connection() as connection:
            counts = await store.count_channels(connection, start, end)
        return ChannelMetrics([counts.get(channel, ChannelCounts(channel)) for channel in self._channels], start, end)
