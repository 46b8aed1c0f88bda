"""What every operation works with."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from meshkit.clock import Clock
from meshkit.database import Connection, Database
from meshkit.ids import uuid7
from meshkit.outbox import Outbox
from meshkit.promises import StatusTokens
from tickets import store
from tickets.errors import TicketNotFound
from tickets.model import Actor, Case, TimelineEntry, TimelineKind

TicketName: TypeAlias = uuid.UUID | str
"""A ticket's id, or its reference in upper case."""


@dataclass(frozen=True, slots=True)
class Desk:
    """The desk's store, outbox, clock and words. `overdue_after` is how long a message may lie without an ending."""

    database: Database
    outbox: Outbox
    clock: Clock
    status_tokens: StatusTokens
    escalation_message: str
    apology_message: str
    overdue_after: timedelta
    overdue_batch_max: int

    @asynccontextmanager
    async def changing(self, ticket: TicketName) -> AsyncIterator[tuple[Connection, Case]]:
        """A transaction with the ticket and its conversation, both locked. Raises TicketNotFound."""
        async with self.database.transaction() as connection:
            case = await store.lock_case(connection, ticket)
            if case is None:
                raise TicketNotFound
            yield connection, case


def happened(
    case: Case,
    kind: TimelineKind,
    by: Actor,
    *,
    message_id: uuid.UUID | None = None,
    facts: dict[str, str] | None = None,
) -> TimelineEntry:
    """The timeline entry of what has just been done to a case."""
    ticket = case.ticket
    return TimelineEntry(
        uuid7(), ticket.id, case.conversation.update_time, kind, by.label, ticket.state, message_id, facts or {}
    )
