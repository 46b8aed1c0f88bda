"""The agent between two real servers of its neighbours' contracts, each with its own truth, and its own database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from agents import Model

from agent.app import build
from agent.clients import Desk, Knowledge
from agent.model import Filed
from agent.operations import Answers, Costs, Policies
from agent.settings import Settings
from agent.thinking import rules
from agent.thinking.case import Limits
from agent.thinking.instructions import instructions
from agent.thinking.local_rules import NAME, LocalRulesModel, Thresholds
from agent.thinking.models import Models
from agent.thinking.spending import Spending
from agent.thinking.thinker import Budget, Thinker
from fte.access import ACCESS
from fte.channels.v1 import message_pb2
from fte.knowledge.v1 import article_pb2, knowledge_service_pb2
from fte.knowledge.v1.knowledge_service_pb2_grpc import (
    KnowledgeServiceServicer,
    add_KnowledgeServiceServicer_to_server,
)
from fte.tickets.v1 import ticket_pb2, tickets_service_pb2
from fte.tickets.v1.tickets_service_pb2_grpc import TicketsServiceServicer, add_TicketsServiceServicer_to_server
from local.fixtures import MakeDatabase
from meshkit import context
from meshkit.clock import SystemClock
from meshkit.database import Database
from meshkit.errors import Failure, Kind, Unavailable
from meshkit.ids import uuid7
from meshkit.migrations import migrate
from meshkit.outbox import Outbox
from meshkit.server import Door
from meshkit.service import Service
from meshkit.testing import serve, settings_for, tokens_for

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


@dataclass
class Neighbours:
    """The desk and the knowledge base, and where they are."""

    desk: SmallDesk
    knowledge: SmallKnowledge
    tickets_address: str
    knowledge_address: str
    desk_client: Desk
    knowledge_client: Knowledge

    def answers(
        self,
        model: Model | None = None,
        *,
        limits: Limits | None = None,
        budget: Budget | None = None,
        models: Models | None = None,
        runs_max: int = 32,
        traced: bool = False,
    ) -> Answers:
        """The agent's answering with this model; the local rules when it is left out."""
        limits = limits or Limits()
        chain = [(NAME, LocalRulesModel(Thresholds()))] if model is None else [("test-model", model)]
        thinker = Thinker(
            models or Models(chain, call_seconds=10),
            budget or Budget(turns=10, seconds=10),
            runs_max=runs_max,
            instructions=instructions(categories=limits.categories, words_max=limits.reply_words_max),
            traced=traced,
        )
        clock = SystemClock()
        # Without a budget and without prices nothing is written, and no database is asked.
        database = Database("postgresql://nobody@127.0.0.1:1/none")
        costs = Costs(database, Spending(0, clock), clock)
        return Answers(
            Outbox("/fte/agent"),
            clock,
            self.desk_client,
            self.knowledge_client,
            thinker,
            Policies(rules.load(), database, clock),
            limits,
            costs,
        )


@pytest.fixture
async def neighbours() -> AsyncIterator[Neighbours]:
    """Both neighbours behind real servers in this process."""
    # What they do not serve, no run asks for; it would be UNIMPLEMENTED.
    desk = SmallDesk()  # type: ignore[abstract]
    knowledge = SmallKnowledge()  # type: ignore[abstract]  # as above
    desk_door = Door(
        add_TicketsServiceServicer_to_server, desk, tickets_service_pb2.DESCRIPTOR.services_by_name["TicketsService"]
    )
    knowledge_door = Door(
        add_KnowledgeServiceServicer_to_server,
        knowledge,
        knowledge_service_pb2.DESCRIPTOR.services_by_name["KnowledgeService"],
    )
    async with (
        serve([desk_door], ACCESS, service="tickets") as tickets,
        serve([knowledge_door], ACCESS, service="knowledge") as passages,
    ):
        yield Neighbours(
            desk,
            knowledge,
            tickets.address,
            passages.address,
            Desk(await tickets.connect("agent")),
            Knowledge(await passages.connect("agent")),
        )


@pytest.fixture
async def database(make_database: MakeDatabase) -> AsyncIterator[Database]:
    """The agent's own schema, migrated and empty."""
    dsn = make_database("agent")
    await migrate(dsn, schema="agent", package="agent")
    opened = Database(dsn)
    await opened.open()
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture
def overrides() -> dict[str, Any]:
    """Settings of the service that a test file wants otherwise."""
    return {}


@pytest.fixture
async def service(
    make_database: MakeDatabase, neighbours: Neighbours, tmp_path: Path, overrides: dict[str, Any]
) -> AsyncIterator[Service]:
    """The agent as `app.build` makes it, its database open, between its neighbours."""
    dsn = make_database("agent")
    await migrate(dsn, schema="agent", package="agent")
    tokens = tokens_for("agent")
    assert tokens is not None
    token_file = tmp_path / "token"
    token_file.write_text(tokens.token())
    settings = settings_for(
        Settings,
        database_url=dsn,
        tickets_address=neighbours.tickets_address,
        knowledge_address=neighbours.knowledge_address,
        service_token_file=token_file,
        **overrides,
    )
    built = build(settings)
    await built.database.open()
    try:
        yield built
    finally:
        for resource in reversed(built.resources):
            await resource.__aexit__(None, None, None)
        await built.database.close()
