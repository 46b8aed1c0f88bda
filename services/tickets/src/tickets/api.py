"""The desk's gRPC door: wire in, one operation, wire out."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar

import grpc

from fte.tickets.v1 import ticket_pb2, tickets_service_pb2
from fte.tickets.v1.tickets_service_pb2_grpc import TicketsServiceServicer
from meshkit import context
from meshkit.callers import PUBLIC
from meshkit.errors import InvalidArgument, PermissionDenied
from meshkit.pages import PageTokens, page_size
from tickets import wire
from tickets.model import Actor, ActorKind, is_visible
from tickets.operations import dead_letters, escalate, read, resolve, say, takeover, triage
from tickets.operations.desk import Desk
from tickets.store import Place

_STATUS_TOKEN_KEY = "x-status-token"
_AGENT = "agent"

AnyContext = grpc.aio.ServicerContext[Any, Any]


class _Timed(Protocol):
    @property
    def id(self) -> uuid.UUID: ...
    @property
    def create_time(self) -> datetime: ...


T = TypeVar("T", bound=_Timed)


class TicketsApi(TicketsServiceServicer):
    """Serves `fte.tickets.v1.TicketsService`. Who may call what is decided before; GetTicket alone looks closer."""

    def __init__(self, desk: Desk, pages: PageTokens) -> None:
        self._desk = desk
        self._pages = pages

    async def GetTicket(
        self, request: tickets_service_pb2.GetTicketRequest, grpc_context: AnyContext
    ) -> ticket_pb2.Ticket:
        """Shows a ticket: all of it to staff and the agent, its status to whoever holds the token."""
        name = wire.ticket_name(request.ticket)
        caller = context.current().caller or PUBLIC
        if caller.kind == "staff" or caller.label == _AGENT:
            ticket, messages = await read.show_ticket(self._desk, name)
            return wire.ticket(ticket, messages)
        return wire.status(await read.show_status(self._desk, name, _status_token(grpc_context)))

    async def ListTickets(
        self, request: tickets_service_pb2.ListTicketsRequest, grpc_context: AnyContext
    ) -> tickets_service_pb2.ListTicketsResponse:
        """Shows a page of tickets."""
        scope = f"ListTickets state={request.state} customer={request.customer}"
        size = page_size(request.page_size)
        found = await read.list_tickets(
            self._desk,
            state=wire.STATE_WORD.get(request.state),
            customer_id=_customer_id(request.customer),
            after=self._place(request.page_token, scope),
            limit=size + 1,
        )
        return tickets_service_pb2.ListTicketsResponse(
            tickets=[wire.ticket(ticket) for ticket in found[:size]],
            next_page_token=self._next(found, size, scope),
        )

    async def GetConversation(
        self, request: tickets_service_pb2.GetConversationRequest, grpc_context: AnyContext
    ) -> ticket_pb2.Conversation:
        """Shows a conversation."""
        case, messages = await read.show_conversation(self._desk, wire.CONVERSATIONS.parse(request.name))
        return wire.conversation(case, messages)

    async def ListConversations(
        self, request: tickets_service_pb2.ListConversationsRequest, grpc_context: AnyContext
    ) -> tickets_service_pb2.ListConversationsResponse:
        """Shows a page of conversations."""
        scope = f"ListConversations customer={request.customer} channel={request.channel}"
        size = page_size(request.page_size)
        found = await read.list_conversations(
            self._desk,
            customer_id=_customer_id(request.customer),
            channel=wire.CHANNEL_WORD.get(request.channel),
            after=self._place(request.page_token, scope),
            limit=size + 1,
        )
        return tickets_service_pb2.ListConversationsResponse(
            conversations=[wire.conversation(case) for case in found[:size]],
            next_page_token=self._next([case.conversation for case in found], size, scope),
        )

    async def GetMessage(
        self, request: tickets_service_pb2.GetMessageRequest, grpc_context: AnyContext
    ) -> ticket_pb2.Message:
        """Shows a message."""
        return wire.message(await read.show_message(self._desk, wire.MESSAGES.parse(request.name)))

    async def ListMessages(
        self, request: tickets_service_pb2.ListMessagesRequest, grpc_context: AnyContext
    ) -> tickets_service_pb2.ListMessagesResponse:
        """Shows a page of a conversation's messages."""
        name = wire.ticket_name(request.ticket)
        scope = f"ListMessages ticket={name}"
        size = page_size(request.page_size)
        after = int(self._pages.decode(request.page_token, scope=scope)[0]) if request.page_token else 0
        found = await read.list_messages(self._desk, name, after=after, limit=size + 1)
        more = len(found) > size
        return tickets_service_pb2.ListMessagesResponse(
            messages=[wire.message(message) for message in found[:size]],
            next_page_token=self._pages.encode([found[size - 1].sequence], scope=scope) if more else "",
        )

    async def ListTimelineEntries(
        self, request: tickets_service_pb2.ListTimelineEntriesRequest, grpc_context: AnyContext
    ) -> tickets_service_pb2.ListTimelineEntriesResponse:
        """Shows a page of what happened to a ticket."""
        name = wire.ticket_name(request.ticket)
        scope = f"ListTimelineEntries ticket={name}"
        size = page_size(request.page_size)
        after = self._place(request.page_token, scope)
        found = await read.list_timeline(self._desk, name, after=after, limit=size + 1)
        return tickets_service_pb2.ListTimelineEntriesResponse(
            timeline_entries=[wire.timeline_entry(entry) for entry in found[:size]],
            next_page_token=self._next(found, size, scope),
        )

    async def ListCustomerHistory(
        self, request: tickets_service_pb2.ListCustomerHistoryRequest, grpc_context: AnyContext
    ) -> tickets_service_pb2.ListCustomerHistoryResponse:
        """Shows a page of what a ticket's customer asked before, or says that it is withheld."""
        name = wire.ticket_name(request.ticket)
        scope = f"ListCustomerHistory ticket={name}"
        size = page_size(request.page_size)
        after = self._place(request.page_token, scope)
        found = await read.list_history(self._desk, name, after=after, limit=size + 1)
        if found is None:
            return tickets_service_pb2.ListCustomerHistoryResponse(withheld=True)
        return tickets_service_pb2.ListCustomerHistoryResponse(
            tickets=[wire.ticket(ticket) for ticket in found[:size]],
            next_page_token=self._next(found, size, scope),
        )

    async def TriageTicket(
        self, request: tickets_service_pb2.TriageTicketRequest, grpc_context: AnyContext
    ) -> ticket_pb2.Ticket:
        """Opens a NEW ticket with what triage found."""
        ticket = await triage.triage(
            self._desk,
            _actor(),
            wire.ticket_name(request.ticket),
            subject=request.subject,
            category=request.category,
            priority=wire.PRIORITY_WORD[request.priority],
        )
        return wire.ticket(ticket)

    async def CreateMessage(
        self, request: tickets_service_pb2.CreateMessageRequest, grpc_context: AnyContext
    ) -> ticket_pb2.Message:
        """Says something to the customer."""
        actor = _actor()
        _require_version(actor, request.conversation_version)
        _require_visible("text", request.text, "write the answer")
        reply = say.Reply(
            request.request_id,
            request.text,
            version=request.conversation_version,
            citations=wire.citations(request.citations),
            run_id=_run_id(request.run),
        )
        return wire.message(await say.say(self._desk, actor, wire.ticket_name(request.ticket), reply))

    async def EscalateTicket(
        self, request: tickets_service_pb2.EscalateTicketRequest, grpc_context: AnyContext
    ) -> ticket_pb2.Ticket:
        """Hands the ticket to a person."""
        actor = _actor()
        _require_version(actor, request.conversation_version)
        if request.message:
            _require_visible("message", request.message, "leave it empty for the desk's own words")
        handover = escalate.Handover(
            wire.REASON_WORD[request.reason],
            request.summary,
            message=request.message,
            version=request.conversation_version,
            run_id=_run_id(request.run),
        )
        return wire.ticket(await escalate.escalate(self._desk, actor, wire.ticket_name(request.ticket), handover))

    async def TakeOverTicket(
        self, request: tickets_service_pb2.TakeOverTicketRequest, grpc_context: AnyContext
    ) -> ticket_pb2.Ticket:
        """Makes the caller the one who answers."""
        return wire.ticket(await takeover.take_over(self._desk, _actor(), wire.ticket_name(request.ticket)))

    async def HandBackTicket(
        self, request: tickets_service_pb2.HandBackTicketRequest, grpc_context: AnyContext
    ) -> ticket_pb2.Ticket:
        """Gives the ticket back to the agent."""
        return wire.ticket(await takeover.hand_back(self._desk, _actor(), wire.ticket_name(request.ticket)))

    async def ResolveTicket(
        self, request: tickets_service_pb2.ResolveTicketRequest, grpc_context: AnyContext
    ) -> ticket_pb2.Ticket:
        """Marks the ticket as done."""
        return wire.ticket(await resolve.resolve(self._desk, _actor(), wire.ticket_name(request.ticket)))

    async def GetDeadLetter(
        self, request: tickets_service_pb2.GetDeadLetterRequest, grpc_context: AnyContext
    ) -> ticket_pb2.DeadLetter:
        """Shows a dead letter."""
        letter_id = wire.DEAD_LETTERS.parse(request.name)
        return wire.dead_letter(await dead_letters.show_dead_letter(self._desk, letter_id))

    async def ListDeadLetters(
        self, request: tickets_service_pb2.ListDeadLettersRequest, grpc_context: AnyContext
    ) -> tickets_service_pb2.ListDeadLettersResponse:
        """Shows a page of dead letters."""
        scope = f"ListDeadLetters state={request.state} topic={request.topic}"
        size = page_size(request.page_size)
        found = await dead_letters.list_dead_letters(
            self._desk,
            state=wire.DEAD_LETTER_STATE_WORD.get(request.state),
            topic=request.topic or None,
            after=self._place(request.page_token, scope),
            limit=size + 1,
        )
        return tickets_service_pb2.ListDeadLettersResponse(
            dead_letters=[wire.dead_letter(letter) for letter in found[:size]],
            next_page_token=self._next(found, size, scope),
        )

    async def RedriveDeadLetter(
        self, request: tickets_service_pb2.RedriveDeadLetterRequest, grpc_context: AnyContext
    ) -> ticket_pb2.DeadLetter:
        """Sends a dead letter round again."""
        letter_id = wire.DEAD_LETTERS.parse(request.name)
        return wire.dead_letter(await dead_letters.redrive_dead_letter(self._desk, letter_id))

    async def DropDeadLetter(
        self, request: tickets_service_pb2.DropDeadLetterRequest, grpc_context: AnyContext
    ) -> ticket_pb2.DeadLetter:
        """Decides that a dead letter is not needed."""
        letter_id = wire.DEAD_LETTERS.parse(request.name)
        return wire.dead_letter(await dead_letters.drop_dead_letter(self._desk, letter_id))

    def _place(self, page_token: str, scope: str) -> Place:
        return self._pages.decode_place(page_token, scope=scope)

    def _next(self, found: Sequence[T], size: int, scope: str) -> str:
        # One row more than was asked for says that there is a next page.
        if len(found) <= size:
            return ""
        last = found[size - 1]
        return self._pages.encode_place(last.create_time, last.id, scope=scope)


def _actor() -> Actor:
    caller = context.current().caller or PUBLIC
    if caller.kind == "staff":
        return Actor(ActorKind.STAFF, caller.name)
    if caller.kind == "service":
        return Actor(ActorKind.AGENT, caller.name)
    # The access table lets no one else come this far; should it ever, nobody speaks without a name.
    raise PermissionDenied("this caller may not change tickets")


def _require_version(actor: Actor, version: int) -> None:
    if not version and not actor.is_staff:
        raise InvalidArgument.of(
            "conversation_version", "is required of the agent; send the version of the conversation that was read"
        )


def _require_visible(field: str, text: str, mend: str) -> None:
    if not is_visible(text):
        raise InvalidArgument.of(field, f"must hold something that can be seen; {mend}")


def _customer_id(name: str) -> uuid.UUID | None:
    return wire.CUSTOMERS.parse(name, field="customer") if name else None


def _run_id(name: str) -> uuid.UUID | None:
    return wire.RUNS.parse(name, field="run") if name else None


def _status_token(grpc_context: AnyContext) -> str:
    for key, value in grpc_context.invocation_metadata() or ():
        if key == _STATUS_TOKEN_KEY:
            return value if isinstance(value, str) else ""
    return ""
