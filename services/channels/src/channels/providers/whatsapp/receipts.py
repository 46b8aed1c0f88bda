"""Status callbacks, as Twilio's page "Outbound message status in status callbacks" describes them."""

from __future__ import annotations

from channels.errors import WebhookUnreadable
from channels.model import DeliveryState, Receipt
from channels.providers.whatsapp.codes import cause, state
from channels.providers.whatsapp.inbound import message_sid
from channels.providers.whatsapp.signature import Parameters

_DIGITS_MAX = 5


def read_receipt(parameters: Parameters) -> Receipt:
    """How far a message has come, by a callback that is proved. Raises WebhookUnreadable."""
    sid = message_sid(parameters)
    status = parameters.one("MessageStatus") or parameters.one("SmsStatus")
    if not status:
        raise WebhookUnreadable("MessageStatus", "must say how far the message has come, such as delivered")
    reached = state(status)
    if reached is not DeliveryState.FAILED:
        return Receipt(sid, reached)
    why = cause(_number(parameters.one("ErrorCode")), otherwise="NOT_DELIVERED")
    return Receipt(sid, reached, why.reason, why.reachability)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX else None
