"""How channels is put together: the only place that constructs."""

from collections.abc import Mapping

from channels.api import ChannelsApi
from channels.consumers import on_reply_requested
from channels.model import Channel
from channels.operations import Caps, Decisions, Deliveries, Records, Submissions, Watch
from channels.providers.base import Inside
from channels.providers.web import WebForm
from channels.settings import Settings
from fte import descriptors
from fte.access import ACCESS
from fte.channels.v1 import channels_service_pb2
from fte.channels.v1.channels_service_pb2_grpc import add_ChannelsServiceServicer_to_server
from meshkit.clock import Clock, SystemClock
from meshkit.database import Database
from meshkit.outbox import Outbox
from meshkit.pages import PageTokens
from meshkit.promises import StatusTokens
from meshkit.server import Door
from meshkit.service import Service
from meshkit.timers import Timer

_FORGET_SECONDS = 300


def build(settings: Settings, clock: Clock | None = None) -> Service:
    """Channels, ready to run. `clock` stands in for the machine's."""
    clock = clock or SystemClock()
    database = Database.of(settings)
    outbox = Outbox("/fte/channels", clock=clock)
    web = WebForm() if Channel.WEB_FORM in settings.enabled_channels else None
    providers: Mapping[Channel, Inside] = {provider.channel: provider for provider in (web,) if provider is not None}
    submissions = Submissions(
        database,
        outbox,
        clock,
        web,
        StatusTokens(settings.status_token_key),
        Caps.keyed(
            settings.status_token_key,
            per_sender=settings.messages_per_sender_hour,
            per_network=settings.messages_per_address_hour,
        ),
        categories=settings.categories,
        public_url=settings.public_url,
    )
    watch = Watch(database, clock, providers, behind_seconds=settings.stream_behind_seconds)
    api = ChannelsApi(
        submissions,
        None,
        None,
        Records(database, clock, tuple(providers)),
        Decisions(database),
        watch,
        PageTokens(settings.page_token_key),
        settings.trusted_gateways,
    )
    return Service(
        name="channels",
        settings=settings,
        database=database,
        outbox=outbox,
        doors=[
            Door(
                add_ChannelsServiceServicer_to_server,
                api,
                channels_service_pb2.DESCRIPTOR.services_by_name["ChannelsService"],
            )
        ],
        access=ACCESS,
        contracts=descriptors.load(),
        migrations="channels",
        subscriptions=[on_reply_requested(Deliveries(outbox, clock, providers))],
        timers=[Timer("forget", _FORGET_SECONDS, watch.forget)],
    )
