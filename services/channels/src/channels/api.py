"""Channels' gRPC door: wire in, one operation, wire out."""

import functools
import ipaddress
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

from channels import wire
from channels.model import Condition, client_network
from channels.operations import Origin, Records, Submissions, Watch
from fte.channels.v1 import channels_service_pb2 as pb
from fte.channels.v1 import message_pb2
from fte.channels.v1.channels_service_pb2_grpc import ChannelsServiceServicer
from meshkit.errors import InvalidArgument
from meshkit.pages import PageTokens, page_size
from meshkit.timestamps import timestamp

# Metadata, which over REST are the headers of the same names.
IDEMPOTENCY_KEY = "idempotency-key"
STATUS_TOKEN = "x-status-token"
EXTERNAL_ADDRESS = "x-envoy-external-address"
FORWARDED_FOR = "x-forwarded-for"
# The gateway makes it the HTTP status: gRPC answers OK, because how we are is the answer and not a failure to answer.
HTTP_STATUS = "x-http-status"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class ChannelsApi(ChannelsServiceServicer):
    """Serves `fte.channels.v1.ChannelsService`."""

    def __init__(
        self, submissions: Submissions, records: Records, watch: Watch, pages: PageTokens, gateways: Sequence[Network]
    ) -> None:
        self._submissions = submissions
        self._records = records
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


def _single(context: Any, name: str) -> str | None:
    """The value of a metadata key, None when it is not sent. Raises InvalidArgument when it is sent twice."""
    values = [str(value) for key, value in context.invocation_metadata() or () if key == name]
    if len(values) > 1:
        raise InvalidArgument.of(name, "must be sent once, not several times")
    return values[0] if values else None
