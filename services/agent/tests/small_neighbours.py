"""The agent's neighbours as small servers of their contracts, each with its own truth."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agent.model import Filed
from fte.channels.v1 import message_pb2
from fte.knowledge.v1 import article_pb2, knowledge_service_pb2
from fte.knowledge.v1.knowledge_service_pb2_grpc import (
    KnowledgeServiceServicer,
)
from fte.tickets.v1 import ticket_pb2, tickets_service_pb2
from fte.tickets.v1.tickets_service_pb2_grpc import TicketsServiceServicer
from meshkit import context
from meshkit.errors import Failure, Kind, Unavailable
from meshkit.ids import uuid7

RESET = (
    "articles/product-docs/versions/1/passages/2",
    "Reset a forgotten password",
    "You can reset a forgotten password yourself from the sign-in page in about two minutes.\n\n"
    "1. Open the sign-in page and select Forgot password.\n"
    "2. Enter the email address of your Planwright account.\n"
    "3. Open the email from no-reply@techcorp.example and select Choose a new password.\n"
    "4. Enter the new password twice and select Save.\n\n"
    "A password reset link is valid for 60 minutes and works once.\n"
    "If the reset email does not arrive within 10 minutes, look in the spam folder and request a new link.\n",
)
EXPORT = (
    "articles/product-docs/versions/1/passages/40",
    "Export a workspace",
    "An export of the whole workspace is made by an owner.\nThe download link is valid for 7 days.\n",
)


def refusal(reason: str, kind: Kind = Kind.PRECONDITION) -> Failure:
    """A failure with a reason of the desk's contract."""
    made = type("DeskRefusal", (Failure,), {"kind": kind, "reason": reason})
    failure: Failure = made("the desk refuses")
    return failure


@dataclass
class Told:
    """One command that the desk was given."""

    method: str
    ticket: str
    request: Any
    request_id: str
    accepted: bool = False


@dataclass
class SmallDesk(TicketsServiceServicer):
    """Answers as the desk's contract says, and keeps all it was told. `refuse` maps methods to what they answer."""

    conversations: dict[str, ticket_pb2.Conversation] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    refuse: dict[str, Failure] = field(default_factory=dict)
    refuse_after: dict[str, Failure] = field(default_factory=dict)
    history: list[ticket_pb2.Ticket] = field(default_factory=list)
    # Who was quicker than the run: the desk's own timer, or a person.
    escalated_meanwhile: ticket_pb2.EscalationReason.ValueType | None = None
    # What happens at the desk while a run sorts its ticket.
    meanwhile: Callable[[], object] | None = None
    # How late the answer to a reply comes, after the reply has taken effect.
    slow_seconds: float = 0.0
    # How many conversations it gives before it stops answering for them.
    reads_max: int | None = None
    pages_asked: list[tickets_service_pb2.ListConversationsRequest] = field(default_factory=list)

    def file(
        self,
        text: str | Sequence[str],
        *,
        subject: str = "",
        verified: bool = False,
        category: str = "",
        channel: message_pb2.Channel.ValueType = message_pb2.CHANNEL_WEB_FORM,
    ) -> Filed:
        """A customer's message, or several, in a new conversation with a new ticket."""
        texts = [text] if isinstance(text, str) else text
        filed = Filed(uuid7(), uuid7(), uuid7(), uuid7(), len(texts))
        name = f"conversations/{filed.conversation_id}"
        self.conversations[name] = ticket_pb2.Conversation(
            name=name,
            channel=channel,
            version=len(texts),
            ticket=ticket_pb2.Ticket(
                name=f"tickets/{filed.ticket_id}",
                subject=subject,
                category=category,
                state=ticket_pb2.TICKET_STATE_NEW,
                sender_verified=verified,
            ),
            messages=[
                ticket_pb2.Message(author=ticket_pb2.AUTHOR_CUSTOMER, text=each, name=f"messages/{uuid7()}")
                for each in texts[:-1]
            ],
        )
        newest = ticket_pb2.Message(
            author=ticket_pb2.AUTHOR_CUSTOMER, text=texts[-1], name=f"messages/{filed.message_id}"
        )
        self.conversations[name].messages.append(newest)
        return filed

    def goes_on(self, filed: Filed, text: str) -> Filed:
        """The customer's next message in the same conversation."""
        conversation = self.conversation_of(filed)
        message_id = uuid7()
        conversation.messages.append(
            ticket_pb2.Message(author=ticket_pb2.AUTHOR_CUSTOMER, text=text, name=f"messages/{message_id}")
        )
        conversation.version += 1
        return replace(filed, run_id=uuid7(), message_id=message_id, version=conversation.version)

    def conversation_of(self, filed: Filed) -> ticket_pb2.Conversation:
        return self.conversations[f"conversations/{filed.conversation_id}"]

    def endings(self, filed: Filed) -> list[Told]:
        """The commands that would end this message."""
        ticket = f"tickets/{filed.ticket_id}"
        return [
            told for told in self.told if told.ticket == ticket and told.method in ("CreateMessage", "EscalateTicket")
        ]

    async def GetConversation(
        self, request: tickets_service_pb2.GetConversationRequest, _context: Any
    ) -> ticket_pb2.Conversation:
        self._hear("GetConversation", request.name, request)
        if self.reads_max is not None:
            self.reads_max -= 1
            if self.reads_max < 0:
                # Until its caller gives up.
                await asyncio.Event().wait()
        if request.name not in self.conversations:
            raise refusal("CONVERSATION_NOT_FOUND", Kind.NOT_FOUND)
        return self.conversations[request.name]

    async def ListConversations(
        self, request: tickets_service_pb2.ListConversationsRequest, _context: Any
    ) -> tickets_service_pb2.ListConversationsResponse:
        self.pages_asked.append(request)
        newest = list(reversed(self.conversations.values()))
        start = int(request.page_token or 0)
        end = start + request.page_size
        return tickets_service_pb2.ListConversationsResponse(
            conversations=newest[start:end], next_page_token=str(end) if end < len(newest) else ""
        )

    async def ListCustomerHistory(
        self, request: tickets_service_pb2.ListCustomerHistoryRequest, _context: Any
    ) -> tickets_service_pb2.ListCustomerHistoryResponse:
        self._hear("ListCustomerHistory", request.ticket, request)
        if not self._of(request.ticket).ticket.sender_verified:
            return tickets_service_pb2.ListCustomerHistoryResponse(withheld=True)
        return tickets_service_pb2.ListCustomerHistoryResponse(tickets=self.history)

    async def TriageTicket(self, request: tickets_service_pb2.TriageTicketRequest, context: Any) -> ticket_pb2.Ticket:
        self._hear("TriageTicket", request.ticket, request)
        if self.meanwhile is not None:
            self.meanwhile()
        ticket = self._of(request.ticket).ticket
        if ticket.state == ticket_pb2.TICKET_STATE_NEW:
            ticket.state = ticket_pb2.TICKET_STATE_OPEN
            ticket.category = request.category or ticket.category
            ticket.priority = request.priority or ticket.priority
        return ticket

    async def CreateMessage(
        self, request: tickets_service_pb2.CreateMessageRequest, _context: Any
    ) -> ticket_pb2.Message:
        told = self._hear("CreateMessage", request.ticket, request)
        conversation = self._of(request.ticket)
        if conversation.ticket.state == ticket_pb2.TICKET_STATE_NEW:
            raise refusal("TICKET_NOT_TRIAGED")
        message = self._say(conversation, request, request.text, request.citations)
        conversation.ticket.state = ticket_pb2.TICKET_STATE_WAITING_ON_CUSTOMER
        told.accepted = True
        await asyncio.sleep(self.slow_seconds)
        self._after("CreateMessage")
        return message

    async def EscalateTicket(
        self, request: tickets_service_pb2.EscalateTicketRequest, _context: Any
    ) -> ticket_pb2.Ticket:
        told = self._hear("EscalateTicket", request.ticket, request)
        conversation = self._of(request.ticket)
        ticket = conversation.ticket
        if self.escalated_meanwhile is not None:
            ticket.state = ticket_pb2.TICKET_STATE_ESCALATED
            ticket.escalation.reason = self.escalated_meanwhile
        if ticket.state != ticket_pb2.TICKET_STATE_ESCALATED:
            self._say(conversation, request, request.message, ())
            ticket.state = ticket_pb2.TICKET_STATE_ESCALATED
            ticket.escalation.reason = request.reason
            told.accepted = True
        self._after("EscalateTicket")
        return ticket

    def _say(
        self, conversation: ticket_pb2.Conversation, request: Any, text: str, citations: Iterable[ticket_pb2.Citation]
    ) -> ticket_pb2.Message:
        if (
            request.conversation_version != conversation.version
            or conversation.answered_version >= conversation.version
        ):
            raise refusal("CONVERSATION_MOVED", Kind.CONFLICT)
        if conversation.ticket.assignee:
            raise refusal("TICKET_TAKEN_OVER")
        conversation.answered_version = conversation.version
        message = ticket_pb2.Message(
            author=ticket_pb2.AUTHOR_AGENT, text=text, run=request.run, citations=citations, name=f"messages/{uuid7()}"
        )
        conversation.messages.append(message)
        return message

    def _of(self, ticket: str) -> ticket_pb2.Conversation:
        for conversation in self.conversations.values():
            if conversation.ticket.name == ticket:
                return conversation
        raise refusal("TICKET_NOT_FOUND", Kind.NOT_FOUND)

    def _hear(self, method: str, name: str, request: Any) -> Told:
        told = Told(method, name, request, context.current().request_id)
        self.told.append(told)
        if failure := self.refuse.get(method):
            raise failure
        return told

    def _after(self, method: str) -> None:
        if failure := self.refuse_after.pop(method, None):
            raise failure


@dataclass
class SmallKnowledge(KnowledgeServiceServicer):
    """Finds the passages whose key word stands in the query, and keeps the queries."""

    passages: dict[str, tuple[str, str, str]] = field(default_factory=lambda: {"password": RESET, "export": EXPORT})
    score: float = 0.8
    queries: list[str] = field(default_factory=list)
    request_ids: list[str] = field(default_factory=list)
    away: bool = False
    # What happens while it searches, and has to come to its end before it answers.
    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def SearchPassages(
        self, request: knowledge_service_pb2.SearchPassagesRequest, _context: Any
    ) -> knowledge_service_pb2.SearchPassagesResponse:
        self.queries.append(request.query)
        self.request_ids.append(context.current().request_id)
        if self.away:
            raise Unavailable("away")
        if self.meanwhile is not None:
            await self.meanwhile()
        return knowledge_service_pb2.SearchPassagesResponse(
            matches=[
                knowledge_service_pb2.PassageMatch(
                    passage=article_pb2.Passage(name=name, heading=heading, text=text), score=self.score
                )
                for word, (name, heading, text) in self.passages.items()
                if word in request.query.casefold()
            ],
            searched_query=request.query,
        )

    async def GetPassage(self, request: knowledge_service_pb2.GetPassageRequest, _context: Any) -> article_pb2.Passage:
        for name, heading, text in self.passages.values():
            if name == request.name:
                return article_pb2.Passage(name=name, heading=heading, text=text)
        raise refusal("PASSAGE_NOT_FOUND", Kind.NOT_FOUND)
