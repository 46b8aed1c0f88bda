"""How channels is put together: the only place that constructs."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager

from channels.api import ChannelsApi
from channels.consumers import on_reply_requested
from channels.model import Channel
from channels.operations import (
    Caps,
    Decisions,
    Deliveries,
    Dispatcher,
    GmailWebhooks,
    Intake,
    Mailbox,
    Notices,
    Patience,
    Progress,
    Receipts,
    Records,
    Sending,
    Submissions,
    Watch,
    WhatsappWebhooks,
)
from channels.providers.base import Inside, Outside, Provider, PushEar, WhatsappEar
from channels.providers.gmail.client import GmailClient
from channels.providers.gmail.mailbox import GmailMailbox
from channels.providers.gmail.mouth import Gmail
from channels.providers.gmail.push import GmailPush
from channels.providers.web import WebForm
from channels.providers.whatsapp import TwilioEar, WhatsApp
from channels.settings import Settings
from fte import descriptors
from fte.access import ACCESS
from fte.channels.v1 import channels_service_pb2
from fte.channels.v1.channels_service_pb2_grpc import add_ChannelsServiceServicer_to_server
from meshkit.breaker import Breaker
from meshkit.clock import Clock, SystemClock
from meshkit.database import Database
from meshkit.outbox import Outbox
from meshkit.pages import PageTokens
from meshkit.promises import StatusTokens
from meshkit.server import Door
from meshkit.service import Service, Worker
from meshkit.timers import Timer

_FORGET_SECONDS = 300
_COUNT_QUEUE_SECONDS = 5


def build(settings: Settings, clock: Clock | None = None, outsides: Sequence[Outside] | None = None) -> Service:
    """Channels, ready to run. `clock` stands in for the machine's, `outsides` for the providers' clients."""
    clock = clock or SystemClock()
    database = Database.of(settings)
    outbox = Outbox("/fte/channels", clock=clock)
    progress = Progress(outbox, clock)
    tokens = StatusTokens(settings.status_token_key)
    web = WebForm() if Channel.WEB_FORM in settings.enabled_channels else None
    insides: Mapping[Channel, Inside] = {} if web is None else {web.channel: web}
    gmail = _gmail_client(settings) if Channel.EMAIL in settings.enabled_channels else None
    mouths = {mouth.channel: mouth for mouth in (_mouths(settings, gmail) if outsides is None else outsides)}
    providers: Mapping[Channel, Provider] = {**insides, **mouths}

    intake = Intake(
        database,
        outbox,
        clock,
        progress,
        secret=settings.status_token_key,
        mails_per_hour=settings.mails_answered_per_sender_hour,
    )
    receipts = Receipts(database, clock, progress)
    notices = None
    if settings.form_mails and settings.form_mails_per_address_hour and Channel.EMAIL in mouths:
        notices = Notices(
            progress,
            clock,
            mouths[Channel.EMAIL],
            tokens,
            secret=settings.status_token_key,
            public_url=settings.public_url,
            per_address_hour=settings.form_mails_per_address_hour,
        )
    sendings = [
        Sending(
            database,
            clock,
            progress,
            mouth,
            Breaker(failures_max=settings.breaker_failures, open_seconds=settings.breaker_open_seconds),
            Patience(settings.send_lookup_seconds, settings.send_attempts_max, settings.send_give_up_seconds),
            notices if mouth.channel is Channel.EMAIL else None,
        )
        for mouth in mouths.values()
    ]
    mailbox = None
    if gmail is not None:
        mailbox = Mailbox(
            database,
            clock,
            GmailMailbox(gmail, address=settings.gmail_address, label=settings.gmail_label, topic=settings.gmail_topic),
            file=intake.file,
            note_bounce=receipts.note_bounce,
            poll_seconds=settings.gmail_poll_seconds,
        )
    workers: list[Worker] = [
        Dispatcher(settings.direct_url(), database, sending, concurrency=settings.send_concurrency)
        for sending in sendings
    ]
    if mailbox is not None:
        workers.append(mailbox)
    watch = Watch(
        database,
        clock,
        providers,
        {sending.channel: sending for sending in sendings},
        behind_seconds=settings.stream_behind_seconds,
    )
    api = ChannelsApi(
        Submissions(
            database,
            outbox,
            clock,
            web,
            tokens,
            Caps.keyed(
                settings.status_token_key,
                per_sender=settings.messages_per_sender_hour,
                per_network=settings.messages_per_address_hour,
            ),
            categories=settings.categories,
            public_url=settings.public_url,
            confirms=notices is not None,
        ),
        _whatsapp_webhooks(settings, intake, receipts),
        None if mailbox is None else GmailWebhooks(_push_ear(settings), notice=mailbox.notice),
        Records(database, clock, tuple(providers)),
        Decisions(database, clock, progress),
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
        subscriptions=[on_reply_requested(Deliveries(progress, clock, insides, mouths, notices))],
        timers=[
            Timer("forget", _FORGET_SECONDS, watch.forget),
            Timer("count_queue", _COUNT_QUEUE_SECONDS, watch.count_queue),
        ],
        workers=workers,
        resources=[mouth for mouth in mouths.values() if isinstance(mouth, AbstractAsyncContextManager)],
    )


def _gmail_client(settings: Settings) -> GmailClient:
    return GmailClient(
        credentials=settings.gmail_credentials.get_secret_value(),
        address=settings.gmail_address,
        api_url=settings.gmail_api_url,
        units_per_second=settings.gmail_units_per_second,
        deadline_seconds=settings.send_deadline_seconds,
    )


def _mouths(settings: Settings, gmail: GmailClient | None) -> list[Outside]:
    mouths: list[Outside] = []
    if gmail is not None:
        mouths.append(
            Gmail(
                gmail,
                address=settings.gmail_address,
                company=settings.company_name,
                words_max=settings.max_response_lengths["email"],
                units_per_second=settings.gmail_units_per_second,
            )
        )
    if Channel.WHATSAPP in settings.enabled_channels:
        mouths.append(
            WhatsApp(
                account_sid=settings.twilio_account_sid,
                auth_token=settings.twilio_auth_token.get_secret_value(),
                own_number=settings.twilio_whatsapp_from,
                content_sid=settings.twilio_content_sid,
                public_url=settings.public_url,
                api_url=settings.twilio_api_url,
                characters_max=settings.max_response_lengths["whatsapp"],
                messages_per_second=settings.twilio_messages_per_second,
                deadline_seconds=settings.send_deadline_seconds,
            )
        )
    return mouths


def _whatsapp_webhooks(settings: Settings, intake: Intake, receipts: Receipts) -> WhatsappWebhooks | None:
    if Channel.WHATSAPP not in settings.enabled_channels:
        return None
    tokens = (settings.twilio_auth_token, settings.twilio_auth_token_previous)
    ear: WhatsappEar = TwilioEar(
        public_url=settings.public_url,
        account_sid=settings.twilio_account_sid,
        tokens=[token.get_secret_value() for token in tokens if token.get_secret_value()],
        own_number=settings.twilio_whatsapp_from,
    )
    return WhatsappWebhooks(ear, file=intake.file, note=receipts.note)


def _push_ear(settings: Settings) -> PushEar:
    return GmailPush(
        audience=settings.pubsub_audience,
        service_account=settings.pubsub_service_account,
        keys_url=settings.pubsub_keys_url,
        mailbox=settings.gmail_address,
    )
