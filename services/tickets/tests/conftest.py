"""The desk on a real database, behind its real server, with a neighbour that speaks identity's contract."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
import pytest
from google.protobuf.message import Message

from fte.access import ACCESS
from fte.channels.v1 import channels_events_pb2, message_pb2
from fte.identity.v1 import customer_pb2, identity_service_pb2
from fte.identity.v1.identity_service_pb2_grpc import (
    IdentityServiceServicer,
    add_IdentityServiceServicer_to_server,
)
from fte.tickets.v1 import ticket_pb2, tickets_events_pb2
from fte.tickets.v1 import tickets_service_pb2 as pb
from fte.tickets.v1.tickets_service_pb2_grpc import TicketsServiceStub
from local.fixtures import MakeDatabase
from meshkit import inbox
from meshkit.channel import connect
from meshkit.envelope import Received
from meshkit.errors import Failure, Kind, Unavailable
from meshkit.ids import uuid7
from meshkit.migrations import migrate
from meshkit.promises import StatusTokens
from meshkit.server import Door
from meshkit.service import Service
from meshkit.subscription import Subscription
from meshkit.testing import HeldClock, InProcess, serve, settings_for, tokens_for
from tickets.app import build
from tickets.settings import Settings

if TYPE_CHECKING:
    from fte.tickets.v1.tickets_service_pb2_grpc import TicketsServiceAsyncStub

STATUS_KEY = "a status key for tests"
_CUSTOMERS = uuid.UUID("a9b4a1f0-5f7e-4a3c-9d0b-0d7b0a4a1111")
E_ = TypeVar("E_", bound=Message)


class InvalidIdentifier(Failure):
    """What identity answers for an address that cannot exist."""

    kind = Kind.INVALID
    reason = "INVALID_IDENTIFIER"


class Neighbour(IdentityServiceServicer):
    """Identity's contract, answered from nothing but the identifier."""

    def __init__(self) -> None:
        self.asked: list[identity_service_pb2.ResolveCustomerRequest] = []
        self.marked: list[identity_service_pb2.MarkIdentifierRequest] = []
        self.knows_everybody = False
        self.away = False

    async def ResolveCustomer(
        self, request: identity_service_pb2.ResolveCustomerRequest, context: Any
    ) -> identity_service_pb2.ResolveCustomerResponse:
        self.asked.append(request)
        if request.identifier.value == "nobody" and not self.knows_everybody:
            raise InvalidIdentifier("no such address")
        customer = customer_pb2.Customer(name=customer_of(request.identifier.value))
        return identity_service_pb2.ResolveCustomerResponse(customer=customer)

    async def MarkIdentifier(
        self, request: identity_service_pb2.MarkIdentifierRequest, context: Any
    ) -> identity_service_pb2.MarkIdentifierResponse:
        self.marked.append(request)
        if self.away:
            raise Unavailable("away")
        if request.identifier.value == "nobody":
            raise InvalidIdentifier("no such address")
        return identity_service_pb2.MarkIdentifierResponse()

    async def GetCustomer(
        self, request: identity_service_pb2.GetCustomerRequest, context: Any
    ) -> customer_pb2.Customer:
        raise AssertionError("the desk reads no customers")

    async def ListCustomers(
        self, request: identity_service_pb2.ListCustomersRequest, context: Any
    ) -> identity_service_pb2.ListCustomersResponse:
        raise AssertionError("the desk lists no customers")


def customer_of(address: str) -> str:
    return f"customers/{uuid.uuid5(_CUSTOMERS, address)}"


@dataclass
class Office:
    """The desk at work: what events do to it, what it publishes, and stubs for any caller."""

    service: Service
    server: InProcess
    clock: HeldClock
    neighbour: Neighbour
    dsn: str
    _open: list[grpc.aio.Channel] = field(default_factory=list)

    async def stub(self, caller: str, *, subject: str = "ada") -> TicketsServiceAsyncStub:
        channel = connect(
            self.server.address,
            settings=self.server.settings,
            service=caller,
            tokens=tokens_for(caller, subject=subject),
        )
        self._open.append(channel)
        return TicketsServiceStub(channel)

    async def close(self) -> None:
        for channel in self._open:
            await channel.close()

    def subscription(self, topic: str) -> Subscription[Any, Any]:
        return next(each for each in self.service.subscriptions if each.topic == topic)

    async def handle(self, received: Received[Any]) -> bool:
        """Does with an event what the consumer does: prepare, then inbox and apply in one transaction."""
        subscription = self.subscription(received.topic)
        prepared = await subscription.prepare(received) if subscription.prepare else None
        async with self.service.database.transaction() as connection:
            if not await inbox.first_time(connection, "tickets", received.inbox_key):
                return False
            await subscription.apply(connection, received, prepared)
        return True

    async def hear(self, message: channels_events_pb2.MessageReceived) -> None:
        """A customer's message arrives."""
        await self.handle(event(message, "fte.tickets.incoming", key=message.sender.value))

    async def form(self, text: str = "How do I reset my password?", **changes: Any) -> ticket_pb2.Ticket:
        """A form arrives; the ticket as staff see it."""
        message = form(text, **changes)
        await self.hear(message)
        return await self.ticket(message.reference)

    async def ticket(self, name: str) -> ticket_pb2.Ticket:
        return await (await self.stub("staff")).GetTicket(pb.GetTicketRequest(ticket=name))

    async def conversation(self, name: str) -> ticket_pb2.Conversation:
        return await (await self.stub("agent")).GetConversation(pb.GetConversationRequest(name=name))

    async def triage(self, ticket: str) -> ticket_pb2.Ticket:
        return await (await self.stub("agent")).TriageTicket(pb.TriageTicketRequest(ticket=ticket))

    async def reply(self, ticket: str, version: int, text: str = "Select Forgot password.") -> ticket_pb2.Message:
        """The agent replies."""
        stub = await self.stub("agent")
        return await stub.CreateMessage(
            pb.CreateMessageRequest(ticket=ticket, text=text, conversation_version=version, request_id=str(uuid7()))
        )

    async def escalate(self, ticket: str, version: int, **changes: Any) -> ticket_pb2.Ticket:
        """The agent escalates."""
        given: dict[str, Any] = {
            "ticket": ticket,
            "conversation_version": version,
            "reason": ticket_pb2.ESCALATION_REASON_NO_ANSWER_FOUND,
            "summary": "Two searches found nothing.",
            "message": "A colleague will answer you.",
        }
        return await (await self.stub("agent")).EscalateTicket(pb.EscalateTicketRequest(**(given | changes)))

    async def timeline(self, ticket: str) -> list[ticket_pb2.TimelineEntry]:
        stub = await self.stub("staff")
        page = await stub.ListTimelineEntries(pb.ListTimelineEntriesRequest(ticket=ticket))
        return list(page.timeline_entries)

    async def kinds(self, ticket: str) -> list[str]:
        """What happened to a ticket, as words."""
        return [
            ticket_pb2.TimelineKind.Name(entry.kind).removeprefix("TIMELINE_KIND_")
            for entry in await self.timeline(ticket)
        ]

    async def published(self, kind: type[E_]) -> list[E_]:
        """The facts of this kind that the desk has published, in their order."""
        return [message for message, _ in await self.published_with_keys(kind)]

    async def published_with_keys(self, kind: type[E_]) -> list[tuple[E_, str]]:
        async with self.service.database.connection() as connection:
            rows = await connection.fetch("select key, value, header_names, header_values from outbox order by id")
        found = []
        for row in rows:
            headers = dict(zip(row["header_names"], row["header_values"], strict=True))
            if headers.get("ce_type") == kind.DESCRIPTOR.full_name.encode():
                found.append((kind.FromString(row["value"]), row["key"].decode()))
        return found

    async def look_for_overdue(self) -> None:
        """One tick of the desk's timer."""
        (timer,) = self.service.timers
        await timer.run()

    async def filed(self) -> list[tickets_events_pb2.MessageFiled]:
        return await self.published(tickets_events_pb2.MessageFiled)

    async def replies(self) -> list[tickets_events_pb2.ReplyRequested]:
        return await self.published(tickets_events_pb2.ReplyRequested)

    async def fetch(self, query: str, *arguments: Any) -> list[Any]:
        async with self.service.database.connection() as connection:
            return list(await connection.fetch(query, *arguments))


def event(message: Message, topic: str, *, key: str = "", headers: Any = (), **changes: Any) -> Received[Any]:
    given: dict[str, Any] = {
        "id": uuid7(),
        "type": message.DESCRIPTOR.full_name,
        "source": "/fte/channels",
        "time": datetime.now(UTC),
        "subject": "",
        "key": key,
        "message": message,
        "traceparent": None,
        "request_id": "a-request",
        "sequence": 1,
        "redrive": 0,
        "topic": topic,
        "partition": 0,
        "offset": 0,
        "headers": tuple(headers),
    }
    return Received(**(given | changes))


_references = iter(f"TKT-{number:06d}" for number in range(1_000_000))


def new_reference() -> str:
    return next(_references)


def form(text: str, **changes: Any) -> channels_events_pb2.MessageReceived:
    """A form as channels takes it in."""
    given: dict[str, Any] = {
        "channel": message_pb2.CHANNEL_WEB_FORM,
        "provider_message_id": str(uuid7()),
        "sender": message_pb2.Sender(
            type=customer_pb2.IDENTIFIER_TYPE_EMAIL, value="anna@customer.example", display_name="Anna"
        ),
        "subject": "Sign-in",
        "text": text,
        "reference": "",
        "opens_conversation": True,
        "category": "technical",
        "priority": message_pb2.PRIORITY_MEDIUM,
    }
    given |= changes
    given["reference"] = given["reference"] or new_reference()
    return channels_events_pb2.MessageReceived(**given)


def follow_up(text: str, reference: str) -> channels_events_pb2.MessageReceived:
    """What a customer writes on the status page."""
    return form(text, reference=reference, opens_conversation=False, subject="", category="")


def mail(text: str, *, sender: str = "anna@customer.example", verified: bool = True, **thread: Any) -> Any:
    """A mail as channels takes it in."""
    return channels_events_pb2.MessageReceived(
        channel=message_pb2.CHANNEL_EMAIL,
        provider_message_id=str(uuid7()),
        sender=message_pb2.Sender(type=customer_pb2.IDENTIFIER_TYPE_EMAIL, value=sender, verified=verified),
        subject="Question",
        text=text,
        thread=message_pb2.Thread(**thread),
    )


def whatsapp(text: str, *, sender: str = "+14155550123") -> channels_events_pb2.MessageReceived:
    """A WhatsApp message as channels takes it in."""
    return channels_events_pb2.MessageReceived(
        channel=message_pb2.CHANNEL_WHATSAPP,
        provider_message_id=str(uuid7()),
        sender=message_pb2.Sender(type=customer_pb2.IDENTIFIER_TYPE_PHONE, value=sender, verified=True),
        text=text,
    )


def status_token(reference: str) -> tuple[tuple[str, str], ...]:
    return (("x-status-token", StatusTokens(STATUS_KEY).issue(reference)),)


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def kafka_servers() -> str:
    """Where Kafka is: nowhere, unless a test file says otherwise."""
    return "127.0.0.1:1"


@pytest.fixture
async def office(make_database: MakeDatabase, clock: HeldClock, kafka_servers: str) -> AsyncIterator[Office]:
    dsn = make_database("tickets")
    await migrate(dsn, schema="tickets", package="tickets")
    neighbour = Neighbour()
    door = Door(
        add_IdentityServiceServicer_to_server,
        neighbour,
        identity_service_pb2.DESCRIPTOR.services_by_name["IdentityService"],
    )
    async with serve([door], ACCESS, service="identity") as identity:
        settings = settings_for(
            Settings,
            database_url=dsn,
            status_token_key=STATUS_KEY,
            identity_address=identity.address,
            overdue_batch_max=3,
            kafka_bootstrap_servers=kafka_servers,
        )
        service = build(settings, clock, tokens_for("tickets"))
        await service.database.open()
        try:
            async with serve(service.doors, ACCESS, service="tickets", settings=settings) as server:
                office = Office(service, server, clock, neighbour, dsn)
                yield office
                await office.close()
                for resource in service.resources:
                    await resource.__aexit__(None, None, None)
        finally:
            await service.database.close()
