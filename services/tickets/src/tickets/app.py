"""How the desk is put together: the only place that constructs."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from fte import descriptors
from fte.access import ACCESS
from fte.tickets.v1 import tickets_service_pb2
from fte.tickets.v1.tickets_service_pb2_grpc import add_TicketsServiceServicer_to_server
from meshkit.callers import Tokens, TokenSource
from meshkit.channel import connect
from meshkit.clock import Clock, SystemClock
from meshkit.database import Database
from meshkit.outbox import Outbox
from meshkit.pages import PageTokens
from meshkit.promises import StatusTokens
from meshkit.server import Door
from meshkit.service import Service
from meshkit.timers import Timer
from tickets.api import TicketsApi
from tickets.clients import SAFE_TO_REPEAT, Customers
from tickets.consumers import GROUP, on_dead_letter, on_delivery_changed, on_message_received
from tickets.operations.desk import Desk
from tickets.operations.escalate import escalate_overdue
from tickets.settings import Settings


def build(settings: Settings, clock: Clock | None = None, tokens: Tokens | None = None) -> Service:
    """The desk, ready to run. `clock` stands in for the machine's, `tokens` for those made with the service's key."""
    clock = clock or SystemClock()
    database = Database.of(settings)
    outbox = Outbox("/fte/tickets", clock=clock)
    identity = connect(
        settings.identity_address,
        settings=settings,
        service=GROUP,
        tokens=tokens or TokenSource(settings, GROUP),
        safe_to_repeat=SAFE_TO_REPEAT,
        deadline_seconds=settings.identity_deadline_seconds,
    )
    desk = Desk(
        database=database,
        outbox=outbox,
        clock=clock,
        status_tokens=StatusTokens(settings.status_token_key),
        escalation_message=settings.escalation_message,
        apology_message=settings.apology_message,
        overdue_after=timedelta(seconds=settings.answer_overdue_seconds),
        overdue_batch_max=settings.overdue_batch_max,
    )
    customers = Customers(identity)
    return Service(
        name=GROUP,
        settings=settings,
        database=database,
        outbox=outbox,
        doors=[
            Door(
                add_TicketsServiceServicer_to_server,
                TicketsApi(desk, PageTokens(settings.page_token_key)),
                tickets_service_pb2.DESCRIPTOR.services_by_name["TicketsService"],
            )
        ],
        access=ACCESS,
        contracts=descriptors.load(),
        migrations="tickets",
        subscriptions=[
            on_message_received(desk, customers, concurrency=settings.incoming_concurrency),
            on_delivery_changed(desk, customers),
            on_dead_letter(desk),
        ],
        timers=[Timer("overdue", settings.overdue_check_seconds, partial(escalate_overdue, desk))],
        resources=[identity],
    )
