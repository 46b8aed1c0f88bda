"""What providers send: it reaches channels as it came, since their signatures cover every byte of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import grpc
import httpx
import pytest
from google.api.httpbody_pb2 import HttpBody

from fte.channels.v1.channels_service_pb2 import ReceiveGmailPushRequest
from gateway.testing import Call, Neighbour, failure, message_class, refusal
from local.envoy import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="session")

WHATSAPP = "/api/v1/webhooks/whatsapp"
STATUS = "/api/v1/webhooks/whatsapp/status"
GMAIL = "/api/v1/webhooks/gmail"
FORM_ENCODED = "application/x-www-form-urlencoded"
EMPTY_TWIML = b'<?xml version="1.0" encoding="UTF-8"?><Response/>'
BODIES_MAX = 65_536
WEBHOOKS_AT_ONCE = 40
"""Twice the webhooks in a second that the strict gateway allows to one address."""


async def twiml(request: Any, context: Any) -> HttpBody:
    return HttpBody(content_type="text/xml", data=EMPTY_TWIML)


def only_call(neighbours: Mapping[str, Neighbour]) -> Call:
    (call,) = [call for neighbour in neighbours.values() for call in neighbour.calls]
    return call


@pytest.mark.parametrize(
    "body",
    [
        b"SmsMessageSid=SM1&Body=caf%C3%A9+%2B+more%20words&NumMedia=0&ButtonText=&From=whatsapp%3A%2B15550100",
        b"Body=one&Body=two&Empty=&Body=",
        "Body=raw £ and 😀".encode(),
        b"Body=\xff\xfe\x00",
        b"{",
        b"",
    ],
    ids=["as Twilio sends it", "keys twice and blanks", "UTF-8 unescaped", "no text at all", "half of JSON", "nothing"],
)
@pytest.mark.parametrize("path", [WHATSAPP, STATUS])
async def test_a_form_encoded_body_arrives_byte_for_byte(
    path: str, body: bytes, http: httpx.AsyncClient, neighbours: Mapping[str, Neighbour]
) -> None:
    headers = {"content-type": FORM_ENCODED, "x-twilio-signature": "c2lnbmVk"}
    response = await http.post(path, content=body, headers=headers)
    assert response.status_code == 200, response.text
    call = only_call(neighbours)
    assert call.method == ("ReceiveWhatsappMessage" if path == WHATSAPP else "ReceiveWhatsappStatus")
    assert (call.request.body.content_type, call.request.body.data) == (FORM_ENCODED, body)
    assert call.metadata["x-twilio-signature"] == ["c2lnbmVk"]
    assert call.seconds_left is not None
    assert call.seconds_left <= 10


@pytest.mark.parametrize(
    "content_type", ["application/json", f"{FORM_ENCODED}; charset=UTF-8", "text/plain", "application/octet-stream"]
)
async def test_a_body_of_any_type_arrives_under_its_type(
    content_type: str, http: httpx.AsyncClient, neighbours: Mapping[str, Neighbour]
) -> None:
    body = json.dumps({"message": {"data": base64.b64encode(b"{}").decode()}, "subscription": "s"}).encode()
    assert (await http.post(GMAIL, content=body, headers={"content-type": content_type})).status_code == 200
    call = only_call(neighbours)
    assert (call.request.body.content_type, call.request.body.data) == (content_type, body)


async def test_channels_answer_comes_out_unchanged(
    http: httpx.AsyncClient, neighbours: Mapping[str, Neighbour]
) -> None:
    neighbours["channels"].answers["ReceiveWhatsappMessage"] = twiml
    response = await http.post(WHATSAPP, content=b"Body=hello", headers={"content-type": FORM_ENCODED})
    assert (response.status_code, response.headers["content-type"]) == (200, "text/xml")
    assert response.content == EMPTY_TWIML
    assert [name for name in response.headers if name.startswith("grpc-")] == []


@pytest.mark.parametrize(
    "query",
    [
        "bodySHA256=5ccde7145dfb8f56479710896586cb9d5911809d83afbe34627818790db0aec9",
        "a=1&a=2&b=",
        "na%6De=%C3%A9+%2B",
        "body.data=Zm9yZ2Vk&body.content_type=text%2Fplain",
        "body=x",
    ],
)
async def test_the_query_reaches_channels_as_sent_and_changes_no_field(
    query: str, http: httpx.AsyncClient, neighbours: Mapping[str, Neighbour]
) -> None:
    response = await http.post(f"{WHATSAPP}?{query}", content=b'{"a": 1}', headers={"content-type": "application/json"})
    assert response.status_code == 200, response.text
    call = only_call(neighbours)
    assert call.metadata["x-original-path"] == [f"{WHATSAPP}?{query}"]
    assert (call.request.body.content_type, call.request.body.data) == ("application/json", b'{"a": 1}')


async def test_a_client_cannot_say_which_path_was_asked_for(
    http: httpx.AsyncClient, neighbours: Mapping[str, Neighbour]
) -> None:
    await http.post(f"{WHATSAPP}?x=1", content=b"Body=x", headers={"x-original-path": "/forged"})
    assert only_call(neighbours).metadata["x-original-path"] == [f"{WHATSAPP}?x=1"]


async def test_a_providers_bearer_goes_on_under_its_own_name_and_is_nobodys_here(
    http: httpx.AsyncClient, neighbours: Mapping[str, Neighbour]
) -> None:
    # A token that the gateway's own issuer never signed: on any other path it is refused.
    headers = {"authorization": "Bearer from.another.issuer", "x-provider-authorization": "Bearer forged"}
    assert (await http.post(GMAIL, json={}, headers=headers)).status_code == 200
    call = only_call(neighbours)
    assert call.metadata["x-provider-authorization"] == ["Bearer from.another.issuer"]
    assert "authorization" not in call.metadata


async def test_a_staff_token_makes_no_caller_of_a_webhook(
    http: httpx.AsyncClient, neighbours: Mapping[str, Neighbour], staff: Mapping[str, str]
) -> None:
    assert (await http.post(GMAIL, json={}, headers=staff)).status_code == 200
    assert "authorization" not in only_call(neighbours).metadata


async def test_without_a_bearer_channels_hears_of_none(
    http: httpx.AsyncClient, neighbours: Mapping[str, Neighbour]
) -> None:
    assert (await http.post(GMAIL, json={}, headers={"x-provider-authorization": "forged"})).status_code == 200
    assert "x-provider-authorization" not in only_call(neighbours).metadata


@pytest.mark.parametrize("path", ["/api/v1/support/form", "/api/v1/tickets/TKT-7K3Q9V/messages"])
async def test_nobody_brings_a_providers_bearer_by_another_path(
    path: str, http: httpx.AsyncClient, neighbours: Mapping[str, Neighbour]
) -> None:
    await http.post(path, json={}, headers={"X-Provider-Authorization": "Bearer forged"})
    assert "x-provider-authorization" not in only_call(neighbours).metadata


async def test_nobody_brings_a_providers_bearer_by_grpc(gateway: Gateway, neighbours: Mapping[str, Neighbour]) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
        call = channel.unary_unary(
            "/fte.channels.v1.ChannelsService/ReceiveGmailPush",
            request_serializer=ReceiveGmailPushRequest.SerializeToString,
            response_deserializer=message_class(
                ReceiveGmailPushRequest.DESCRIPTOR.file.services_by_name["ChannelsService"].methods_by_name[
                    "ReceiveGmailPush"
                ],
                answer=True,
            ).FromString,
        )
        await call(ReceiveGmailPushRequest(), metadata=(("x-provider-authorization", "Bearer forged"),), timeout=5)
    assert "x-provider-authorization" not in only_call(neighbours).metadata


async def test_several_bearers_are_not_made_into_a_good_one(
    http: httpx.AsyncClient, neighbours: Mapping[str, Neighbour]
) -> None:
    headers = [("authorization", "Bearer one"), ("authorization", "Bearer two"), ("content-type", "application/json")]
    await http.post(GMAIL, content=b"{}", headers=headers)
    # Whichever is passed on is checked like any other; none is left for a caller's.
    metadata = only_call(neighbours).metadata
    assert "authorization" not in metadata
    assert len(metadata["x-provider-authorization"]) == 1


async def test_the_largest_webhook_passes_and_one_byte_more_does_not(
    http: httpx.AsyncClient, neighbours: Mapping[str, Neighbour]
) -> None:
    headers = {"content-type": FORM_ENCODED}
    assert (await http.post(WHATSAPP, content=b"x" * BODIES_MAX, headers=headers)).status_code == 200
    assert len(only_call(neighbours).request.body.data) == BODIES_MAX
    late = await http.post(WHATSAPP, content=b"x" * (BODIES_MAX + 1), headers=headers)
    assert refusal(late).reason == "REQUEST_TOO_LARGE"
    assert len(neighbours["channels"].calls) == 1


@pytest.mark.parametrize("path", [WHATSAPP, STATUS, GMAIL])
async def test_a_webhook_is_posted(path: str, http: httpx.AsyncClient, neighbours: Mapping[str, Neighbour]) -> None:
    response = await http.get(path)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert not neighbours["channels"].calls


async def test_a_bad_signature_comes_out_as_channels_says_it(
    http: httpx.AsyncClient, neighbours: Mapping[str, Neighbour]
) -> None:
    neighbours["channels"].fail("ReceiveWhatsappMessage", failure(grpc.StatusCode.PERMISSION_DENIED, "BAD_SIGNATURE"))
    response = await http.post(WHATSAPP, content=b"Body=x", headers={"content-type": FORM_ENCODED})
    assert response.status_code == 403
    assert response.json()["details"][0]["reason"] == "BAD_SIGNATURE"


async def test_one_that_speaks_for_many_customers_is_not_told_to_wait(
    strict_http: httpx.AsyncClient,
) -> None:
    # Two in a second are allowed to one address on other paths. Nobody is behind this gateway, which is not the point.
    headers = {"x-forwarded-for": "203.0.113.77"}
    replies = [await strict_http.post(WHATSAPP, content=b"Body=x", headers=headers) for _ in range(20)]
    assert 429 not in {reply.status_code for reply in replies}
    # Nor do its calls count against what else comes from there.
    assert (await strict_http.get("/mark.svg", headers=headers)).status_code == 200


async def test_webhooks_have_a_limit_of_their_own(strict_http: httpx.AsyncClient) -> None:
    headers = {"x-forwarded-for": "203.0.113.78"}
    replies = [await strict_http.post(STATUS, content=b"", headers=headers) for _ in range(WEBHOOKS_AT_ONCE + 20)]
    late = next(reply for reply in replies if reply.status_code == 429)
    assert refusal(late).reason == "RATE_LIMITED"
    assert 429 not in {reply.status_code for reply in replies[:WEBHOOKS_AT_ONCE]}
