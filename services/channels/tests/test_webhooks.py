"""Providers' calls at the real door: proved by their own signatures, taken once, refused without a trace."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlencode

import grpc
import pytest
from google.api.httpbody_pb2 import HttpBody
from services.channels.tests.conftest import Running, StartChannels
from services.channels.tests.scripted import Scripted, dispatching, reply
from services.channels.tests.test_deliveries import apply
from services.channels.tests.test_dispatch import QUICK, ended, states
from twilio.request_validator import RequestValidator

from channels.errors import BadSignature, ChannelDisabled, WebhookUnreadable, WrongAccount
from fte.channels.v1 import channels_service_pb2 as pb
from fte.channels.v1.message_pb2 import CHANNEL_WHATSAPP, DELIVERY_STATE_DELIVERED
from meshkit.testing import refused

SID = "SM" + "0" * 31
PATH = "/api/v1/webhooks/whatsapp"
TWILIO: dict[str, Any] = {
    "enabled_channels": ("web_form", "whatsapp"),
    "public_url": "https://support.techcorp.example",
    "twilio_account_sid": "AC1",
    "twilio_auth_token": "a token for tests only",
    "twilio_whatsapp_from": "+14155550100",
}
MESSAGE = {
    "MessageSid": SID + "1",
    "AccountSid": "AC1",
    "From": "whatsapp:+14155550111",
    "To": "whatsapp:+14155550100",
    "Body": "How do I export?",
    "ProfileName": "Bob",
    "NumMedia": "0",
}


@pytest.fixture
async def channels(start_channels: StartChannels) -> Running:
    return await start_channels(outsides=[Scripted(prefix=SID)], **QUICK, **TWILIO)


def signed(path: str, fields: dict[str, str], *, token: str = TWILIO["twilio_auth_token"]) -> dict[str, Any]:
    """The call that Twilio makes, as the gateway passes it on."""
    signature = RequestValidator(token).compute_signature(TWILIO["public_url"] + path, fields)
    return {
        "body": HttpBody(content_type="application/x-www-form-urlencoded", data=urlencode(fields).encode()),
        "metadata": (("x-twilio-signature", signature), ("x-original-path", path)),
    }


async def hear(channels: Running, fields: dict[str, str], **options: Any) -> HttpBody:
    call = signed(PATH, fields, **options)
    request = pb.ReceiveWhatsappMessageRequest(body=call["body"])
    answer: HttpBody = await (await channels.stub()).ReceiveWhatsappMessage(request, metadata=call["metadata"])
    return answer


async def test_a_signed_message_is_filed_and_answered_with_nothing_to_say(channels: Running) -> None:
    answer = await hear(channels, MESSAGE)
    assert answer.content_type == "text/xml"
    assert answer.data.endswith(b"<Response/>")
    (fact,) = await channels.received()
    assert (fact.channel, fact.sender.value, fact.sender.verified) == (CHANNEL_WHATSAPP, "+14155550111", True)
    assert fact.text == "How do I export?"


async def test_a_thousand_of_the_same_at_once_are_one_row_and_one_event(channels: Running) -> None:
    await asyncio.gather(*(hear(channels, MESSAGE) for _ in range(1000)))
    assert await channels.count("inbound") == len(await channels.received()) == 1


async def test_a_call_that_is_not_proved_leaves_no_row(channels: Running) -> None:
    failure = await refused(hear(channels, MESSAGE, token="another token"))
    assert (failure.code, failure.reason) == (grpc.StatusCode.PERMISSION_DENIED, BadSignature.reason)
    stub = await channels.stub()
    failure = await refused(stub.ReceiveWhatsappMessage(pb.ReceiveWhatsappMessageRequest()))
    assert failure.reason == BadSignature.reason
    failure = await refused(hear(channels, {**MESSAGE, "AccountSid": "AC2"}))
    assert failure.reason == WrongAccount.reason
    failure = await refused(hear(channels, {name: MESSAGE[name] for name in MESSAGE if name != "From"}))
    assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, WebhookUnreadable.reason)
    assert await channels.count("inbound") == 0


async def test_a_receipt_moves_its_delivery_on(channels: Running) -> None:
    await apply(channels, reply(channels))
    async with dispatching(channels):
        await ended(channels)
    call = signed(f"{PATH}/status", {"MessageSid": SID + "1", "AccountSid": "AC1", "MessageStatus": "delivered"})
    stub = await channels.stub()
    await stub.ReceiveWhatsappStatus(pb.ReceiveWhatsappStatusRequest(body=call["body"]), metadata=call["metadata"])
    assert (await states(channels))[-1] == DELIVERY_STATE_DELIVERED


async def test_webhooks_of_a_channel_that_is_off_are_refused(start_channels: StartChannels) -> None:
    channels = await start_channels()
    stub = await channels.stub()
    for call in (
        stub.ReceiveWhatsappMessage(pb.ReceiveWhatsappMessageRequest()),
        stub.ReceiveWhatsappStatus(pb.ReceiveWhatsappStatusRequest()),
        stub.ReceiveGmailPush(pb.ReceiveGmailPushRequest()),
    ):
        failure = await refused(call)
        assert (failure.code, failure.reason) == (grpc.StatusCode.FAILED_PRECONDITION, ChannelDisabled.reason)
