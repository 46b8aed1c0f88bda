"""Has channels send again what it does not remember sending, as a sender does that only records afterwards."""

from channels.model import Delivery, DeliveryState, Outcome, Part
from channels.operations.send import Sending


async def _blindly(self: Sending, delivery: Delivery, part: Part) -> bool:
    return await self._record(delivery, part, Outcome(DeliveryState.QUEUED))


Sending._look_up = _blindly  # type: ignore[method-assign]  # this is the sabotage
