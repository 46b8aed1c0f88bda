"""A desk that writes down what a run tells it, in the place of the one that would tell the customer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol
from uuid import UUID

from agent.model import Escalation, Findings, History, Passage, Reason, Reply, Triage
from evaluation.goals import Call, Tool


@dataclass
class RecordingDesk:
    """Accepts every command of one run, keeps it as the call that it came from, and says nothing to anybody."""

    withheld: bool = False
    calls: list[Call] = field(default_factory=list)
    category: str = ""
    ended: Reply | Escalation | None = None

    @property
    def said(self) -> list[str]:
        """What the customer would have read."""
        texts = {Tool.SEND_RESPONSE: "body", Tool.ESCALATE_TO_HUMAN: "message"}
        return [call.arguments[texts[call.tool]] for call in self.calls if call.tool in texts]

    async def history(self, ticket_id: UUID, /) -> History:
        """Nothing: every customer of the sets writes for the first time."""
        self.calls.append(Call(Tool.GET_CUSTOMER_HISTORY, {"ticket": str(ticket_id)}))
        return History((), withheld=self.withheld)

    async def triage(self, ticket_id: UUID, triage: Triage, /) -> None:
        """Keeps the category."""
        self.category = triage.category
        arguments = {"subject": triage.subject, "category": triage.category, "priority": str(triage.priority or "")}
        self.calls.append(Call(Tool.CREATE_TICKET, arguments))

    async def reply(self, reply: Reply, /) -> None:
        """Keeps the reply as the ending."""
        self.ended = reply
        arguments = {"body": reply.text, "citations": [passage.name for passage in reply.citations]}
        self.calls.append(Call(Tool.SEND_RESPONSE, arguments))

    async def escalate(self, escalation: Escalation, /) -> Reason:
        """Keeps the escalation as the ending."""
        self.ended = escalation
        arguments = {"reason": escalation.reason.value, "summary": escalation.summary, "message": escalation.message}
        self.calls.append(Call(Tool.ESCALATE_TO_HUMAN, arguments))
        return escalation.reason


class Library(Protocol):
    """What answers searches: the knowledge service, or a double in a test."""

    async def search(self, query: str, /) -> Findings: ...


@dataclass
class RecordingLibrary:
    """Hands a run's searches on, writes them down beside its commands, and finds `planted` before anything else."""

    library: Library
    desk: RecordingDesk
    planted: tuple[Passage, ...] = ()

    async def search(self, query: str, /) -> Findings:
        """What was planted, then what is found."""
        self.desk.calls.append(Call(Tool.SEARCH_KNOWLEDGE_BASE, {"query": query}))
        found = await self.library.search(query)
        return replace(found, passages=(*self.planted, *found.passages))
