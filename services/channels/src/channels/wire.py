"""Proto ⇄ model."""

from datetime import datetime, timedelta

from channels.model import (
    NO_THREAD,
    Channel,
    ChannelCounts,
    CustomerMessage,
    Delivery,
    DeliveryKind,
    DeliveryState,
    EdgeHealth,
    Form,
    InboundMessage,
    NextMessage,
    Priority,
    Promise,
    Reachability,
    Reply,
    Sender,
    SenderType,
    Suppression,
    Thread,
)
from fte.channels.v1 import channels_events_pb2 as events_pb
from fte.channels.v1 import channels_service_pb2 as service_pb
from fte.channels.v1 import message_pb2 as pb
from fte.identity.v1 import customer_pb2 as identity_pb
from fte.tickets.v1 import tickets_events_pb2 as tickets_pb
from meshkit.errors import InvalidArgument
from meshkit.ids import ResourceName
from meshkit.timestamps import moment, timestamp

INBOUND_MESSAGES = ResourceName("inboundMessages")
DELIVERIES = ResourceName("deliveries")
MESSAGES = ResourceName("messages")
CONVERSATIONS = ResourceName("conversations")

_CHANNELS = {
    pb.CHANNEL_WEB_FORM: Channel.WEB_FORM,
    pb.CHANNEL_EMAIL: Channel.EMAIL,
    pb.CHANNEL_WHATSAPP: Channel.WHATSAPP,
}
_WIRE_CHANNELS = {channel: number for number, channel in _CHANNELS.items()}
_PRIORITIES = {
    pb.PRIORITY_LOW: Priority.LOW,
    pb.PRIORITY_MEDIUM: Priority.MEDIUM,
    pb.PRIORITY_HIGH: Priority.HIGH,
}
_WIRE_PRIORITIES = {priority: number for number, priority in _PRIORITIES.items()}
_SENDER_TYPES = {
    identity_pb.IDENTIFIER_TYPE_EMAIL: SenderType.EMAIL,
    identity_pb.IDENTIFIER_TYPE_PHONE: SenderType.PHONE,
}
_WIRE_SENDER_TYPES = {type_: number for number, type_ in _SENDER_TYPES.items()}
_STATES = {
    pb.DELIVERY_STATE_CLAIMED: DeliveryState.CLAIMED,
    pb.DELIVERY_STATE_SENT: DeliveryState.SENT,
    pb.DELIVERY_STATE_DELIVERED: DeliveryState.DELIVERED,
    pb.DELIVERY_STATE_READ: DeliveryState.READ,
    pb.DELIVERY_STATE_FAILED: DeliveryState.FAILED,
    pb.DELIVERY_STATE_QUEUED: DeliveryState.QUEUED,
    pb.DELIVERY_STATE_UNCERTAIN: DeliveryState.UNCERTAIN,
}
_WIRE_STATES = {state: number for number, state in _STATES.items()}
_WIRE_KINDS = {
    DeliveryKind.REPLY: pb.DELIVERY_KIND_REPLY,
    DeliveryKind.FORM_RECEIPT: pb.DELIVERY_KIND_FORM_RECEIPT,
    DeliveryKind.ANSWER_NOTICE: pb.DELIVERY_KIND_ANSWER_NOTICE,
}
_WIRE_SUPPRESSIONS = {
    None: pb.SUPPRESSION_UNSPECIFIED,
    Suppression.AUTOMATIC: pb.SUPPRESSION_AUTOMATIC,
    Suppression.OWN_MAIL: pb.SUPPRESSION_OWN_MAIL,
    Suppression.BOUNCE: pb.SUPPRESSION_BOUNCE,
    Suppression.OPT_OUT: pb.SUPPRESSION_OPT_OUT,
    Suppression.OPT_IN: pb.SUPPRESSION_OPT_IN,
    Suppression.RATE_CAP: pb.SUPPRESSION_RATE_CAP,
}
_WIRE_REACHABILITIES = {
    Reachability.REACHABLE: identity_pb.REACHABILITY_REACHABLE,
    Reachability.UNDELIVERABLE: identity_pb.REACHABILITY_UNDELIVERABLE,
    Reachability.OPTED_OUT: identity_pb.REACHABILITY_OPTED_OUT,
}


def form_from_wire(request: service_pb.SubmitFormRequest) -> Form:
    """The form as filled in; a priority that was left out is MEDIUM."""
    return Form(
        name=request.name,
        email=request.email,
        subject=request.subject,
        category=request.category,
        priority=_PRIORITIES.get(request.priority, Priority.MEDIUM),
        message=request.message,
        website=request.website,
    )


def next_message_from_wire(request: service_pb.SubmitMessageRequest) -> NextMessage:
    """The customer's next message; references are written in upper case."""
    return NextMessage(request.reference.upper(), request.text)


def reply_from_wire(event: tickets_pb.ReplyRequested) -> Reply:
    """The reply to deliver. Raises InvalidArgument naming the field of an event that cannot be one."""
    channel = _CHANNELS.get(event.channel)
    if channel is None:
        raise InvalidArgument.of("channel", "must be the channel that the question came by")
    return Reply(
        message_id=MESSAGES.parse(event.message, field="message"),
        conversation_id=CONVERSATIONS.parse(event.conversation, field="conversation"),
        reference=event.reference,
        channel=channel,
        recipient=_sender(event.recipient),
        subject=event.subject,
        text=event.text,
        create_time=moment(event.create_time),
        thread=Thread(
            event.thread.provider_thread_id,
            event.thread.message_id,
            event.thread.in_reply_to,
            tuple(event.thread.references),
        ),
    )


def channel_from_wire(number: pb.Channel.ValueType) -> Channel | None:
    """The channel to filter by, None for all."""
    return _CHANNELS.get(number)


def state_from_wire(number: pb.DeliveryState.ValueType) -> DeliveryState | None:
    """The state to filter by, None for all."""
    return _STATES.get(number)


def promise_to_wire(promise: Promise) -> service_pb.SubmitFormResponse:
    """The answer to a form."""
    return service_pb.SubmitFormResponse(
        reference=promise.reference, status_token=promise.status_token, status_url=promise.status_url
    )


def health_to_wire(health: EdgeHealth) -> service_pb.GetHealthResponse:
    """How the edge is, in the contract's words."""
    return service_pb.GetHealthResponse(status=health.status, checks=health.checks)


def counts_to_wire(counts: ChannelCounts) -> service_pb.ChannelMetrics:
    """The counts of one channel."""
    return service_pb.ChannelMetrics(
        channel=_WIRE_CHANNELS[counts.channel],
        received=counts.received,
        deliveries=counts.deliveries,
        sent=counts.sent,
        failed=counts.failed,
    )


def window_from_wire(request: service_pb.GetChannelMetricsRequest) -> timedelta:
    """How far back to count; a day where it is left out."""
    return request.window.ToTimedelta() if request.HasField("window") else timedelta(days=1)


def inbound_message_to_wire(message: InboundMessage) -> pb.InboundMessage:
    """The message as the contract shows it."""
    return pb.InboundMessage(
        name=INBOUND_MESSAGES.format(message.id),
        channel=_WIRE_CHANNELS[message.channel],
        provider_message_id=message.provider_message_id,
        reference=message.reference,
        sender_verified=message.sender_verified,
        receive_time=timestamp(message.receive_time),
        suppression=_WIRE_SUPPRESSIONS[message.suppression],
    )


def delivery_to_wire(delivery: Delivery) -> pb.Delivery:
    """The delivery as the contract shows it."""
    return pb.Delivery(
        name=DELIVERIES.format(delivery.id),
        channel=_WIRE_CHANNELS[delivery.channel],
        message=MESSAGES.format(delivery.message_id) if delivery.message_id else "",
        reference=delivery.reference,
        state=_WIRE_STATES[delivery.state],
        provider_message_id=delivery.provider_message_id,
        failure_reason=delivery.failure_reason,
        create_time=timestamp(delivery.create_time),
        update_time=timestamp(delivery.update_time),
        kind=_WIRE_KINDS[delivery.kind],
        parts=[
            pb.DeliveryPart(
                state=_WIRE_STATES[part.state],
                provider_message_id=part.provider_message_id,
                failure_reason=part.failure_reason,
                attempts=part.attempts,
            )
            for part in delivery.parts
        ],
        due_time=timestamp(delivery.due_time) if delivery.due_time else None,
    )


def message_received_to_wire(message: CustomerMessage) -> events_pb.MessageReceived:
    """The fact that a customer wrote."""
    inbound, sender = message.inbound, message.sender
    return events_pb.MessageReceived(
        inbound_message=INBOUND_MESSAGES.format(inbound.id),
        channel=_WIRE_CHANNELS[inbound.channel],
        provider_message_id=inbound.provider_message_id,
        sender=_sender_to_wire(sender),
        subject=message.subject,
        text=message.text,
        reference=inbound.reference,
        opens_conversation=message.opens_conversation,
        category=message.category,
        priority=pb.PRIORITY_UNSPECIFIED if message.priority is None else _WIRE_PRIORITIES[message.priority],
        receive_time=timestamp(inbound.receive_time),
        thread=_thread_to_wire(message.thread),
        attachments=[
            pb.Attachment(
                file_name=each.file_name, media_type=each.media_type, size_bytes=each.size_bytes, sha256=each.sha256
            )
            for each in message.attachments
        ],
    )


def delivery_changed_to_wire(delivery: Delivery, reachability: Reachability | None) -> events_pb.DeliveryChanged:
    """The fact that a delivery has moved forward; with `reachability` what that says about its recipient."""
    fact = events_pb.DeliveryChanged(
        delivery=DELIVERIES.format(delivery.id),
        message=MESSAGES.format(delivery.message_id) if delivery.message_id else "",
        conversation=CONVERSATIONS.format(delivery.conversation_id) if delivery.conversation_id else "",
        channel=_WIRE_CHANNELS[delivery.channel],
        state=_WIRE_STATES[delivery.state],
        provider_message_id=delivery.provider_message_id,
        failure_reason=delivery.failure_reason,
        change_time=timestamp(delivery.update_time),
    )
    if delivery.sent_thread != NO_THREAD:
        fact.thread.CopyFrom(_thread_to_wire(delivery.sent_thread))
    if reachability is not None and delivery.recipient is not None:
        fact.recipient.CopyFrom(_sender_to_wire(delivery.recipient))
        fact.reachability = _WIRE_REACHABILITIES[reachability]
    return fact


def reachability_changed_to_wire(
    channel: Channel, recipient: Sender, reachability: Reachability, time: datetime
) -> events_pb.DeliveryChanged:
    """The fact that somebody can, or cannot, be written to, where it comes with no delivery."""
    return events_pb.DeliveryChanged(
        channel=_WIRE_CHANNELS[channel],
        change_time=timestamp(time),
        recipient=_sender_to_wire(recipient),
        reachability=_WIRE_REACHABILITIES[reachability],
    )


def _thread_to_wire(thread: Thread) -> pb.Thread:
    return pb.Thread(
        provider_thread_id=thread.provider_thread_id,
        message_id=thread.message_id,
        in_reply_to=thread.in_reply_to,
        references=thread.references,
    )


def _sender_to_wire(sender: Sender) -> pb.Sender:
    return pb.Sender(
        type=_WIRE_SENDER_TYPES[sender.type],
        value=sender.value,
        display_name=sender.display_name,
        verified=sender.verified,
    )


def _sender(sender: pb.Sender) -> Sender:
    type_ = _SENDER_TYPES.get(sender.type)
    if type_ is None:
        raise InvalidArgument.of("recipient.type", "must say what sort of identifier the recipient is")
    return Sender(type_, sender.value, sender.display_name, sender.verified)
