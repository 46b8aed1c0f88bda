"""The agent's neighbours in its own words: the desk and the knowledge base."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable
from typing import Final, TypeVar

import grpc

from agent import wire
from agent.errors import NeighbourRefused, NothingOwed
from agent.model import Conversation, Escalation, Findings, History, Passage, Reason, Reply, Triage
from fte.knowledge.v1 import knowledge_service_pb2
from fte.knowledge.v1.knowledge_service_pb2_grpc import KnowledgeServiceStub
from fte.tickets.v1 import tickets_service_pb2
from fte.tickets.v1.error_reason_pb2 import ErrorReason
from fte.tickets.v1.tickets_service_pb2_grpc import TicketsServiceStub
from meshkit import crashpoints
from meshkit.errors import reason_name
from meshkit.status import from_rpc_error

SAFE_TO_REPEAT: Final = frozenset(
    {
        "/fte.tickets.v1.TicketsService/GetConversation",
        "/fte.tickets.v1.TicketsService/ListConversations",
        "/fte.tickets.v1.TicketsService/ListCustomerHistory",
        # The three commands: the desk answers a repeat with what already is.
        "/fte.tickets.v1.TicketsService/TriageTicket",
        "/fte.tickets.v1.TicketsService/CreateMessage",
        "/fte.tickets.v1.TicketsService/EscalateTicket",
        "/fte.knowledge.v1.KnowledgeService/SearchPassages",
        "/fte.knowledge.v1.KnowledgeService/GetPassage",
    }
)

_NOTHING_OWED: Final = frozenset(
    reason_name(ErrorReason, reason)
    for reason in (
        ErrorReason.ERROR_REASON_CONVERSATION_MOVED,
        ErrorReason.ERROR_REASON_TICKET_ESCALATED,
        ErrorReason.ERROR_REASON_TICKET_TAKEN_OVER,
        ErrorReason.ERROR_REASON_TICKET_RESOLVED,
        ErrorReason.ERROR_REASON_TICKET_CLOSED,
        # Another attempt of the same message has said its reply already, in other words.
        ErrorReason.ERROR_REASON_REQUEST_ID_REUSED,
    )
)
_HISTORY_MAX: Final = 10
_QUERY_CHARACTERS_MAX: Final = 1000
_PAGE_MAX: Final = 200

Answer = TypeVar("Answer")


class Desk:
    """The desk. Each call raises a Failure when the desk is away, late or refuses what it never should."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = TicketsServiceStub(channel)

    async def conversation(self, conversation_id: uuid.UUID) -> Conversation:
        """Returns the conversation as it stands."""
        name = wire.CONVERSATIONS.format(conversation_id)
        request = tickets_service_pb2.GetConversationRequest(name=name)
        return wire.conversation_from_wire(await _answer("tickets", self._stub.GetConversation(request)))

    async def newest_conversations(self, limit: int) -> tuple[uuid.UUID, ...]:
        """Returns the conversations that began last, newest first: `limit` at most, and of those no more than 200."""
        request = tickets_service_pb2.ListConversationsRequest(page_size=limit)
        answer = await _answer("tickets", self._stub.ListConversations(request))
        return tuple(wire.CONVERSATIONS.parse(conversation.name) for conversation in answer.conversations)

    async def conversation_pages(self, limit: int) -> AsyncIterator[tuple[uuid.UUID, ...]]:
        """Returns all conversations, newest first, in pages of `limit` at most, and of those no more than 200."""
        token = ""
        while True:
            request = tickets_service_pb2.ListConversationsRequest(page_size=min(limit, _PAGE_MAX), page_token=token)
            answer = await _answer("tickets", self._stub.ListConversations(request))
            yield tuple(wire.CONVERSATIONS.parse(conversation.name) for conversation in answer.conversations)
            token = answer.next_page_token
            if not token:
                return

    async def history(self, ticket_id: uuid.UUID) -> History:
        """Returns what the ticket's customer asked before, as far as the desk lets us see it."""
        request = tickets_service_pb2.ListCustomerHistoryRequest(
            ticket=wire.TICKETS.format(ticket_id), page_size=_HISTORY_MAX
        )
        answer = await _answer("tickets", self._stub.ListCustomerHistory(request))
        crashpoints.reached("agent.after_history")
        return History(tuple(map(wire.earlier_ticket_from_wire, answer.tickets)), answer.withheld)

    async def triage(self, ticket_id: uuid.UUID, triage: Triage) -> None:
        """Sorts the ticket and opens it; changes nothing when it is past that."""
        await _answer("tickets", self._stub.TriageTicket(wire.triage_to_wire(ticket_id, triage)))
        crashpoints.reached("agent.after_triage")

    async def reply(self, reply: Reply) -> uuid.UUID:
        """Says the reply, once however often it is asked for, and returns the id of the message that it became.

        Raises NothingOwed when the desk wants no reply any more.
        """
        said = await _answer("tickets", self._stub.CreateMessage(wire.reply_to_wire(reply)))
        crashpoints.reached("agent.after_reply")
        return wire.MESSAGES.parse(said.name)

    async def escalate(self, escalation: Escalation) -> Reason:
        """Calls a person and tells the customer; returns the reason that stands.

        That is another one when somebody has escalated the ticket before: then nothing changed.
        Raises NothingOwed when the desk wants no ending any more.
        """
        ticket = await _answer("tickets", self._stub.EscalateTicket(wire.escalation_to_wire(escalation)))
        crashpoints.reached("agent.after_escalate")
        return wire.reason_from_wire(ticket.escalation.reason) or escalation.reason


class Knowledge:
    """The knowledge base. Each call raises a Failure when it is away, late or refuses what it never should."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = KnowledgeServiceStub(channel)

    async def search(self, query: str) -> Findings:
        """Returns the passages that answer the question best, and how likely any does."""
        request = knowledge_service_pb2.SearchPassagesRequest(query=query[:_QUERY_CHARACTERS_MAX])
        answer = await _answer("knowledge", self._stub.SearchPassages(request))
        crashpoints.reached("agent.after_search")
        return wire.findings_from_wire(answer)

    async def passage(self, name: str) -> Passage:
        """Returns one passage by its name, which never changes."""
        request = knowledge_service_pb2.GetPassageRequest(name=name)
        return wire.named_passage_from_wire(await _answer("knowledge", self._stub.GetPassage(request)))


async def _answer(neighbour: str, call: Awaitable[Answer]) -> Answer:
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        refusal = from_rpc_error(error)
        if refusal.reason in _NOTHING_OWED:
            raise NothingOwed(refusal.reason) from error
        raise refusal.as_failure() or NeighbourRefused(neighbour, refusal.reason or refusal.code.name) from error
