"""Pub/Sub's pushes: what they say, how they prove themselves, and how often they come."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from google.auth import jwt as google_jwt
from googleapiclient.errors import HttpError

from simulators.google import Pushing

from .conftest import ADDRESS, AUDIENCE, PUSH_ACCOUNT, Endpoint, Google

TOPIC = "projects/fte-local/topics/gmail"


def notice(request: tuple[dict[str, str], bytes]) -> dict[str, Any]:
    """What a push says."""
    found: dict[str, Any] = json.loads(base64.b64decode(json.loads(request[1])["message"]["data"]))
    return found


def message_id(request: tuple[dict[str, str], bytes]) -> str:
    return str(json.loads(request[1])["message"]["messageId"])


def claims(google: Google, request: tuple[dict[str, str], bytes]) -> dict[str, Any]:
    """What the push's token says, checked with the key that is published under its id."""
    token = request[0]["authorization"].removeprefix("Bearer ")
    published = {key["kid"]: key for key in httpx.get(f"{google.url}/oauth2/v3/certs").json()["keys"]}
    key = jwt.PyJWK(published[jwt.get_unverified_header(token)["kid"]])
    found: dict[str, Any] = jwt.decode(token, key, algorithms=["RS256"], audience=AUDIENCE)
    return found


def watch(google: Google, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = google.gmail().watch(userId="me", body={"topicName": TOPIC, **options}).execute()
    return found


def test_a_mail_is_pushed_while_its_label_is_watched(google: Google, endpoint: Endpoint) -> None:
    inbound = {"from": "ada@example.com"}
    assert google.control("inbound", inbound)["push"] is None
    watch(google, labelIds=["INBOX"])
    endpoint.wait_for(1)
    arrived = google.control("inbound", inbound)
    assert arrived["push"]["status"] == 204
    assert google.control("inbound", inbound | {"labels": ["SPAM"]})["push"] is None
    assert google.control("inbound", inbound | {"push": False})["push"] is None
    pushes = endpoint.wait_for(2)
    assert [notice(push)["emailAddress"] for push in pushes] == [ADDRESS, ADDRESS]
    assert notice(pushes[1])["historyId"] == arrived["messages"][0]["historyId"]


def test_a_push_has_the_documented_body(google: Google, endpoint: Endpoint) -> None:
    google.control("push", {})
    (headers, body) = endpoint.wait_for(1)[0]
    push = json.loads(body)
    assert push["subscription"] == "projects/fte-local/subscriptions/gmail-push"
    assert sorted(push["message"]) == ["data", "messageId", "message_id", "publishTime", "publish_time"]
    assert push["message"]["messageId"] == push["message"]["message_id"]
    assert headers["content-type"] == "application/json"


def test_many_mails_stand_behind_one_push(google: Google, endpoint: Endpoint) -> None:
    watch(google)
    endpoint.wait_for(1)
    arrived = google.control("inbound", {"from": "ada@example.com", "count": 10})
    pushes = endpoint.wait_for(2)
    assert len(pushes) == 2
    assert notice(pushes[1])["historyId"] == arrived["messages"][-1]["historyId"]


def test_a_push_proves_itself_with_an_identity_token(google: Google, endpoint: Endpoint) -> None:
    google.control("push", {})
    found = claims(google, endpoint.wait_for(1)[0])
    assert (found["iss"], found["email"], found["email_verified"]) == (
        "https://accounts.google.com",
        PUSH_ACCOUNT,
        True,
    )
    assert found["exp"] - found["iat"] == 3600


def test_googles_own_library_accepts_the_token(google: Google, endpoint: Endpoint) -> None:
    google.control("push", {})
    token = endpoint.wait_for(1)[0][0]["authorization"].removeprefix("Bearer ")
    (key,) = httpx.get(f"{google.url}/oauth2/v3/certs").json()["keys"]
    pem = jwt.PyJWK(key).key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    found: Any = google_jwt.decode(  # type: ignore[no-untyped-call] # google-auth's own
        token, certs={key["kid"]: pem}, audience=AUDIENCE
    )
    assert found["email"] == PUSH_ACCOUNT


def test_claims_can_be_forged_for_a_test(google: Google, endpoint: Endpoint) -> None:
    google.control("push", {"claims": {"email_verified": False, "sub": None}})
    google.control("push", {"token": ""})
    forged, bare = endpoint.wait_for(2)
    found = claims(google, forged)
    assert found["email_verified"] is False
    assert "sub" not in found
    assert "authorization" not in bare[0]


def test_after_a_rotation_the_key_before_is_published_for_a_while(google: Google, endpoint: Endpoint) -> None:
    google.control("push", {})
    google.control("keys:rotate", {})
    google.control("push", {})
    before, after = endpoint.wait_for(2)
    assert claims(google, before)
    assert claims(google, after)
    google.control("keys:rotate", {"keepPrevious": False})
    with pytest.raises(KeyError):
        claims(google, after)


def test_a_push_comes_again_until_it_is_acknowledged(google: Google, endpoint: Endpoint) -> None:
    endpoint.answers += [500, 403, 302]
    assert google.control("push", {})["pushes"][0]["status"] == 500
    pushes = endpoint.wait_for(4)
    assert len({message_id(push) for push in pushes}) == 1
    assert google.control("push", {})["pushes"][0]["status"] == 204
    assert len(endpoint.wait_for(5)) == 5


def test_a_push_that_nobody_takes_is_given_up(start: Callable[..., Google], endpoint: Endpoint) -> None:
    endpoint.answers += [503] * 1000
    google = start(pushing=Pushing(endpoint.url, AUDIENCE, backoff_min_seconds=0.02, retention_seconds=2))
    google.control("push", {})
    deadline = time.monotonic() + 30
    while (state := google.control("state", method="GET")["pushes"])["outstanding"]:
        assert time.monotonic() < deadline
    assert state == {"acknowledged": 0, "outstanding": 0, "dropped": 1}
    assert 1 < len(endpoint.requests) < 12


def test_the_same_push_can_come_many_times(google: Google, endpoint: Endpoint) -> None:
    google.control("push", {"messageId": "77", "historyId": 5, "times": 20})
    pushes = endpoint.wait_for(20)
    assert {(message_id(push), notice(push)["historyId"]) for push in pushes} == {("77", "5")}


def test_a_duplicate_comes_besides(google: Google, endpoint: Endpoint) -> None:
    google.control("faults", {"on": "push", "kind": "duplicate"})
    google.control("push", {})
    first, second = endpoint.wait_for(2)
    assert message_id(first) == message_id(second)


def test_a_push_can_be_overtaken_by_the_next(google: Google, endpoint: Endpoint) -> None:
    google.control("faults", {"on": "push", "kind": "reorder"})
    watch(google)
    google.control("push", {"messageId": "later", "historyId": 1})
    first, second = endpoint.wait_for(2)
    assert message_id(first) == "later"
    assert message_id(second) != "later"


def test_a_watch_lasts_seven_days_and_ends_when_it_expires(google: Google) -> None:
    expiration_seconds = int(watch(google)["expiration"]) / 1000 - time.time()
    assert expiration_seconds == pytest.approx(7 * 86_400, abs=60)
    assert google.control("watch:expire") == {"expired": True}
    assert google.control("inbound", {"from": "ada@example.com"})["push"] is None


def test_a_stopped_watch_announces_nothing(google: Google) -> None:
    watch(google)
    google.gmail().stop(userId="me").execute()
    assert google.control("inbound", {"from": "ada@example.com"})["push"] is None


def test_excluded_labels_are_not_announced(google: Google) -> None:
    watch(google, labelIds=["SPAM"], labelFilterBehavior="exclude")
    assert google.control("inbound", {"from": "a@example.com", "labels": ["SPAM"]})["push"] is None
    assert google.control("inbound", {"from": "a@example.com"})["push"] is not None


@pytest.mark.parametrize(
    ("topic", "status"), [("gmail", 400), ("projects/another-one/topics/gmail", 403)], ids=["malformed", "not granted"]
)
def test_a_topic_that_gmail_may_not_publish_to_is_refused(google: Google, topic: str, status: int) -> None:
    with pytest.raises(HttpError) as error:
        google.gmail().watch(userId="me", body={"topicName": topic}).execute()
    assert error.value.status_code == status
