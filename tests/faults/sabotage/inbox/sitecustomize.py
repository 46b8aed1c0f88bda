"""Takes the inbox check out of a service, to see that the ledger notices. Python loads it when it is on PYTHONPATH."""

from collections.abc import Collection
from typing import Any

from meshkit import inbox


async def _always(connection: Any, consumer: str, event_id: str) -> bool:
    return True


async def _all(connection: Any, consumer: str, event_ids: Collection[str]) -> set[str]:
    return set(event_ids)


inbox.first_time = _always
inbox.first_times = _all
inbox.mark_dead = _always
