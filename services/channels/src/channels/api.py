"""Channels' gRPC door: wire in, one operation, wire out."""

import functools
import ipaddress
from collections.abc import Sequence
from typing import Any, TypeVar
from urllib.parse import unquote

from google.api.httpbody_pb2 import HttpBody

from channels import wire
from channels.errors import ChannelDisabled
from channels.model import Channel, Condition, client_network
from channels.operations import Decisions, GmailWebhooks, Origin, Records, Submissions, Watch, WhatsappWebhooks
from fte.channels.v1 import channels_service_pb2 as pb
from fte.channels.v1 import message_pb2
from fte.channels.v1.channels_service_pb2_grpc import ChannelsServiceServicer
from meshkit.errors import InvalidArgument
from meshkit.pages import PageTokens, page_size
from meshkit.timestamps import timestamp

# Metadata, which over REST are the headers of the same names.
IDEMPOTENCY_KEY = "idempotency-key"
STATUS_TOKEN = "x-status-token"
TWILIO_SIGNATURE = "x-twilio-signature"
# Where the gateway puts what came as `Authorization`: that one is for callers of our own.
PROVIDER_AUTHORIZATION = "x-provider-authorization"
# Path and query as they were sent, before the gateway routed them: signatures cover them.
ORIGINAL_PATH = "x-original-path"
EXTERNAL_ADDRESS = "x-envoy-external-address"
FORWARDED_FOR = "x-forwarded-for"
# The gateway makes it the HTTP status: gRPC answers OK, because how we are is the answer and not a failure to answer.
HTTP_STATUS = "x-http-status"

# TwiML that says nothing: the answer follows when there is one.
_NO_TWIML = b'<?xml version="1.0" encoding="UTF-8"?><Response/>'

W = TypeVar("W")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class ChannelsApi(ChannelsServiceServicer):
    """Serves `fte.channels.v1.ChannelsService`. The webhooks of a channel are None while it is switched off."""

    def __init__(
        self,
        submissions: Submissions,
        whatsapp: WhatsappWebhooks | None,
        gmail: GmailWebhooks | None,
        records: Records,
        decisions: Decisions,
        watch: Watch,
        pages: PageTokens,
        gateways: Sequence[Network],
    ) -> None:
        self._submissions = submissions
        self._whatsapp = whatsapp
        self._gmail = gmail
        self._records = records
        self._decisions = decisions
        self._watch = watch
        self._pages = pages
        self._clients = _Clients(gateways)

    async def SubmitForm(self, request: pb.SubmitFormRequest, context: Any) -> pb.SubmitFormResponse:
        """Takes the web form."""
        promise = await self._submissions.submit_form(wire.form_from_wire(request), self._origin(context))
        return wire.promise_to_wire(promise)

    async def SubmitMessage(self, request: pb.SubmitMessageRequest, context: Any) -> pb.SubmitMessageResponse:
        """Takes the customer's next message."""
        submission = await self._submissions.submit_message(
            wire.next_message_from_wire(request), _single(context, STATUS_TOKEN) or "", self._origin(context)
        )
        return pb.SubmitMessageResponse(reference=submission.reference, receive_time=timestamp(submission.receive_time))

    async def ReceiveWhatsappMessage(self, request: pb.ReceiveWhatsappMessageRequest, context: Any) -> HttpBody:
        """Takes a message that Twilio passes on."""
        await _opened(self._whatsapp, Channel.WHATSAPP).receive_message(*_signed_by_twilio(request.body, context))
        return HttpBody(content_type="text/xml", data=_NO_TWIML)

    async def ReceiveWhatsappStatus(self, request: pb.ReceiveWhatsappStatusRequest, context: Any) -> HttpBody:
        """Takes Twilio's word on how far a message has come."""
        await _opened(self._whatsapp, Channel.WHATSAPP).receive_status(*_signed_by_twilio(request.body, context))
        return HttpBody(content_type="text/xml", data=_NO_TWIML)

    async def ReceiveGmailPush(self, request: pb.ReceiveGmailPushRequest, context: Any) -> pb.ReceiveGmailPushResponse:
        """Takes the hint that a mailbox has changed."""
        gmail = _opened(self._gmail, Channel.EMAIL)
        await gmail.receive_push(_single(context, PROVIDER_AUTHORIZATION) or "", request.body.data)
        return pb.ReceiveGmailPushResponse()

    async def GetHealth(self, request: pb.GetHealthRequest, context: Any) -> pb.GetHealthResponse:
        """Tells how the edge is."""
        health = await self._watch.check_health()
        if health.status is Condition.DOWN:
            await context.send_initial_metadata(((HTTP_STATUS, "503"),))
        return wire.health_to_wire(health)

    async def GetChannelMetrics(
        self, request: pb.GetChannelMetricsRequest, context: Any
    ) -> pb.GetChannelMetricsResponse:
        """Counts what went through."""
        metrics = await self._records.count_channels(wire.window_from_wire(request))
        return pb.GetChannelMetricsResponse(
            channels=[wire.counts_to_wire(counts) for counts in metrics.channels],
            start_time=timestamp(metrics.start),
            end_time=timestamp(metrics.end),
        )

    async def GetInboundMessage(self, request: pb.GetInboundMessageRequest, context: Any) -> message_pb2.InboundMessage:
        """Reads one message that came in."""
        message = await self._records.get_inbound_message(wire.INBOUND_MESSAGES.parse(request.name))
        return wire.inbound_message_to_wire(message)

    async def ListInboundMessages(
        self, request: pb.ListInboundMessagesRequest, context: Any
    ) -> pb.ListInboundMessagesResponse:
        """Reads a page of messages that came in."""
        scope = f"ListInboundMessages channel={request.channel}"
        size = page_size(request.page_size)
        found = await self._records.list_inbound_messages(
            self._pages.decode_place(request.page_token, scope=scope), wire.channel_from_wire(request.channel), size + 1
        )
        page = found[:size]
        return pb.ListInboundMessagesResponse(
            inbound_messages=[wire.inbound_message_to_wire(message) for message in page],
            next_page_token=(
                self._pages.encode_place(page[-1].receive_time, page[-1].id, scope=scope) if len(found) > size else ""
            ),
        )

    async def GetDelivery(self, request: pb.GetDeliveryRequest, context: Any) -> message_pb2.Delivery:
        """Reads one delivery."""
        delivery = await self._records.get_delivery(wire.DELIVERIES.parse(request.name))
        return wire.delivery_to_wire(delivery)

    async def ListDeliveries(self, request: pb.ListDeliveriesRequest, context: Any) -> pb.ListDeliveriesResponse:
        """Reads a page of deliveries."""
        scope = f"ListDeliveries channel={request.channel} state={request.state}"
        size = page_size(request.page_size)
        found = await self._records.list_deliveries(
            self._pages.decode_place(request.page_token, scope=scope),
            wire.channel_from_wire(request.channel),
            wire.state_from_wire(request.state),
            size + 1,
        )
        page = found[:size]
        return pb.ListDeliveriesResponse(
            deliveries=[wire.delivery_to_wire(delivery) for delivery in page],
            next_page_token=(
                self._pages.encode_place(page[-1].create_time, page[-1].id, scope=scope) if len(found) > size else ""
            ),
        )

    async def RetryDelivery(self, request: pb.RetryDeliveryRequest, context: Any) -> message_pb2.Delivery:
        """Sends again what a person decided to send again."""
        return wire.delivery_to_wire(await self._decisions.retry(wire.DELIVERIES.parse(request.name)))

    async def ConfirmDelivery(self, request: pb.ConfirmDeliveryRequest, context: Any) -> message_pb2.Delivery:
        """Takes a person's word that the provider has it."""
        return wire.delivery_to_wire(await self._decisions.confirm(wire.DELIVERIES.parse(request.name)))

    def _origin(self, context: Any) -> Origin:
        return Origin(_single(context, IDEMPOTENCY_KEY), self._clients.network(context))


class _Clients:
    """Which network a call came from: by the gateway's word where the gateway calls, else by the connection itself."""

    def __init__(self, gateways: Sequence[Network]) -> None:
        self._gateways = tuple(gateways)
        self._is_gateway = functools.lru_cache(maxsize=1024)(self._looks_like_gateway)

    def network(self, context: Any) -> str | None:
        """The network; None where the connection has no address, as a Unix socket."""
        peer = _peer_address(context.peer())
        if not self._is_gateway(peer):
            return client_network(peer)
        return client_network(_address_told(context) or peer)

    def _looks_like_gateway(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._gateways)


def _peer_address(peer: str) -> str:
    # gRPC writes ipv4:127.0.0.1:40000 and ipv6:%5B::1%5D:40000.
    return unquote(peer).partition(":")[2].rpartition(":")[0].strip("[]")


def _address_told(context: Any) -> str:
    """The client's address as the gateway tells it; empty when it does not.

    Envoy sets the first header for clients from outside; to the second it appends whom it talked to, so that only the
    last entry is its own word.
    """
    forwarded = ""
    for key, value in context.invocation_metadata() or ():
        if key == EXTERNAL_ADDRESS:
            return str(value)
        if key == FORWARDED_FOR:
            forwarded = str(value)
    return forwarded.rpartition(",")[2].strip()


def _opened(webhooks: W | None, channel: Channel) -> W:
    if webhooks is None:
        raise ChannelDisabled(channel)
    return webhooks


def _signed_by_twilio(body: HttpBody, context: Any) -> tuple[bytes, str, str, str]:
    return (
        body.data,
        body.content_type,
        _single(context, ORIGINAL_PATH) or "",
        _single(context, TWILIO_SIGNATURE) or "",
    )


def _single(context: Any, name: str) -> str | None:
    """The value of a metadata key, None when it is not sent. Raises InvalidArgument when it is sent twice."""
    values = [str(value) for key, value in context.invocation_metadata() or () if key == name]
    if len(values) > 1:
        raise InvalidArgument.of(name, "must be sent once, not several times")
    return values[0] if values else None
