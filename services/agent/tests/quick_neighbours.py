"""The desk and the knowledge base in this very process, for thousands of runs: they refuse what the contract does."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.errors import NothingOwed
from agent.model import (
    Author,
    Conversation,
    Escalation,
    Filed,
    Findings,
    History,
    Message,
    Passage,
    Reason,
    Reply,
    Ticket,
    TicketState,
    Triage,
)
from agent.thinking.case import Case, Limits
from agent.thinking.rules import Policy
from meshkit.clock import SystemClock
from meshkit.ids import uuid7


@dataclass
class QuickDesk:
    """One ticket's desk. `told` is every command in order, `accepted` those that took effect."""

    ticket_id: uuid.UUID
    verified: bool
    told: list[tuple[str, object]] = field(default_factory=list)
    endings: list[Reply | Escalation] = field(default_factory=list)
    triaged: bool = False

    async def history(self, ticket_id: uuid.UUID, /) -> History:
        """Nothing, and withheld from whoever is not verified."""
        await self._hear("history", ticket_id)
        return History((), withheld=not self.verified)

    async def triage(self, ticket_id: uuid.UUID, triage: Triage, /) -> None:
        """Opens the ticket."""
        await self._hear("triage", ticket_id, triage)
        self.triaged = True

    async def reply(self, reply: Reply, /) -> uuid.UUID | None:
        """Says the reply, once."""
        await self._hear("reply", reply.filed.ticket_id, reply)
        return self._end(reply)

    async def escalate(self, escalation: Escalation, /) -> Reason:
        """Calls a person, once."""
        await self._hear("escalate", escalation.filed.ticket_id, escalation)
        self._end(escalation)
        return escalation.reason

    async def _hear(self, method: str, ticket_id: uuid.UUID, command: object = None) -> None:
        assert ticket_id == self.ticket_id, "it reached another ticket"
        self.told.append((method, command))
        # A real desk is elsewhere: whatever runs beside this call gets its turn here.
        await asyncio.sleep(0)

    def _end(self, ending: Reply | Escalation) -> uuid.UUID:
        if not self.triaged or self.endings:
            raise NothingOwed("TICKET_NOT_TRIAGED" if not self.triaged else "CONVERSATION_MOVED")
        self.endings.append(ending)
        return uuid7()


@dataclass
class QuickKnowledge:
    """Finds the passages whose key word stands in the query."""

    passages: dict[str, Passage]
    queries: list[str] = field(default_factory=list)

    async def search(self, query: str, /) -> Findings:
        """The passages whose key word the query holds."""
        self.queries.append(query)
        await asyncio.sleep(0)
        return Findings(tuple(passage for word, passage in self.passages.items() if word in query.casefold()))


def quick_case(
    policy: Policy,
    passages: dict[str, Passage],
    texts: Sequence[str],
    *,
    channel: str = "WEB_FORM",
    verified: bool = True,
    subject: str = "",
    earlier: Sequence[Message] = (),
    limits: Limits | None = None,
) -> tuple[Case, QuickDesk, QuickKnowledge]:
    """A case over a new conversation, and its neighbours."""
    messages = (*earlier, *(Message(Author.CUSTOMER, text) for text in texts))
    ticket = Ticket(uuid7(), subject, TicketState.NEW, sender_verified=verified)
    conversation = Conversation(uuid7(), channel, len(messages), 0, ticket, messages)
    desk, knowledge = QuickDesk(ticket.id, verified), QuickKnowledge(passages)
    filed = Filed(uuid7(), uuid7(), conversation.id, ticket.id, len(messages))
    return Case(filed, conversation, desk, knowledge, policy, limits or Limits(), SystemClock()), desk, knowledge
