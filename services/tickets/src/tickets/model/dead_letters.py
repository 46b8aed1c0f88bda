"""Dead letters, and what may be decided about them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from tickets import errors
from tickets.model.vocabulary import DeadLetterState


@dataclass(frozen=True, slots=True)
class DeadRecord:
    """The event itself, byte for byte as it was given up, its headers included."""

    key: bytes | None
    value: bytes
    headers: Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that could not be handled: who gave it up, where, why, and what a person decided since."""

    id: uuid.UUID
    state: DeadLetterState
    topic: str
    partition: int
    offset: int
    consumer: str
    reason: str
    attempts: int
    event_type: str
    event_id: str
    redrive_count: int
    size_bytes: int
    create_time: datetime
    update_time: datetime

    def redriven(self, now: datetime) -> Self:
        """Sent round again; nothing changes if it was already. Raises DeadLetterSettled when it was dropped."""
        return self._settled(DeadLetterState.REDRIVEN, now)

    def dropped(self, now: datetime) -> Self:
        """Not needed; nothing changes if that was said already. Raises DeadLetterSettled when it was redriven."""
        return self._settled(DeadLetterState.DROPPED, now)

    def _settled(self, state: DeadLetterState, now: datetime) -> Self:
        if self.state is state:
            return self
        if self.state is not DeadLetterState.WAITING:
            raise errors.DeadLetterSettled(self.state)
        return replace(self, state=state, update_time=now)
