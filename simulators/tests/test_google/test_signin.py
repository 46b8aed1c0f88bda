"""Signing in as a service account, with google-auth."""

import json
import time
from typing import Any

import httpx
import jwt
import pytest
from google.auth.exceptions import RefreshError
from googleapiclient.errors import HttpError

from simulators.google import ServiceAccount
from simulators.google.oauth import JWT_BEARER

from .conftest import ACCOUNT, ADDRESS, Google

READONLY = "https://www.googleapis.com/auth/gmail.readonly"
METADATA = "https://www.googleapis.com/auth/gmail.metadata"


def ask(google: Google, *, key: str = ACCOUNT.key_pem, **claims: Any) -> tuple[int, dict[str, Any]]:
    """What the token endpoint answers to an assertion with these claims in place of the right ones."""
    now = int(time.time())
    right = {
        "iss": ACCOUNT.email,
        "sub": ADDRESS,
        "scope": READONLY,
        "aud": "https://oauth2.googleapis.com/token",
        "iat": now,
        "exp": now + 3600,
    }
    assertion = jwt.encode(right | claims, key, "RS256")
    answer = httpx.post(f"{google.url}/token", data={"grant_type": JWT_BEARER, "assertion": assertion})
    return answer.status_code, answer.json()


def refused(request: Any) -> tuple[int, str]:
    with pytest.raises(HttpError) as error:
        request.execute()
    details: Any = error.value.error_details
    return error.value.status_code, details[0]["reason"]


def test_a_right_assertion_is_worth_a_token(google: Google) -> None:
    status, body = ask(google)
    assert (status, body["token_type"]) == (200, "Bearer")


def test_an_assertion_signed_with_another_key_is_refused(google: Google) -> None:
    status, body = ask(google, key=ServiceAccount.new().key_pem)
    assert (status, body) == (400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})


@pytest.mark.parametrize(
    ("claims", "status", "error"),
    [
        ({"iss": "someone@else.example"}, 400, "invalid_grant"),
        ({"aud": "https://elsewhere.example/token"}, 400, "invalid_grant"),
        ({"exp": 1}, 400, "invalid_grant"),
        ({"exp": int(time.time()) + 86_400}, 400, "invalid_grant"),
        ({"sub": "stranger@techcorp.example"}, 400, "invalid_grant"),
        ({"scope": ""}, 400, "invalid_scope"),
        ({"scope": "https://www.googleapis.com/auth/drive"}, 401, "unauthorized_client"),
    ],
    ids=["issuer", "audience", "expired", "too long", "user", "no scope", "scope not delegated"],
)
def test_a_wrong_claim_is_refused(google: Google, claims: dict[str, Any], status: int, error: str) -> None:
    answered, body = ask(google, **claims)
    assert (answered, body["error"]) == (status, error)


@pytest.mark.parametrize("assertion", ["", "a.b.c", "x"])
def test_what_is_no_assertion_is_refused(google: Google, assertion: str) -> None:
    answer = httpx.post(f"{google.url}/token", data={"grant_type": JWT_BEARER, "assertion": assertion})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_a_client_is_told_that_its_user_is_unknown(google: Google) -> None:
    with pytest.raises(RefreshError, match="invalid_grant"):
        google.gmail(subject="stranger@techcorp.example").getProfile(userId="me").execute()


def test_a_service_account_that_impersonates_nobody_has_no_mailbox(google: Google) -> None:
    assert refused(google.gmail(subject=None).getProfile(userId="me")) == (400, "failedPrecondition")


def test_another_users_mailbox_is_denied(google: Google) -> None:
    assert refused(google.gmail().getProfile(userId="boss@techcorp.example")) == (403, "forbidden")
    assert google.gmail().getProfile(userId=ADDRESS).execute()["emailAddress"] == ADDRESS


def test_a_token_does_what_its_scopes_allow(google: Google) -> None:
    google.control("inbound", {"from": "ada@example.com"})
    reader = google.gmail(READONLY)
    (message,) = reader.messages().list(userId="me").execute()["messages"]
    assert refused(reader.messages().send(userId="me", body={})) == (403, "insufficientPermissions")
    indexer = google.gmail(METADATA)
    assert refused(indexer.messages().get(userId="me", id=message["id"])) == (403, "insufficientPermissions")
    assert indexer.messages().get(userId="me", id=message["id"], format="metadata").execute()["payload"]
    assert refused(indexer.messages().list(userId="me", q="in:inbox")) == (403, "forbidden")


def test_a_client_signs_in_again_when_its_token_has_expired(google: Google) -> None:
    gmail = google.gmail()
    gmail.getProfile(userId="me").execute()
    assert google.control("tokens:expire") == {"expired": 1}
    assert gmail.getProfile(userId="me").execute()["emailAddress"] == ADDRESS


def test_without_a_token_nothing_is_shown(google: Google) -> None:
    answer = httpx.get(f"{google.url}/gmail/v1/users/me/profile")
    assert answer.status_code == 401
    assert answer.json()["error"]["errors"][0]["reason"] == "authError"


def test_the_key_file_can_be_had_for_trying_things_out(google: Google) -> None:
    key_file = google.control("credentials", method="GET")
    assert key_file["client_email"] == ACCOUNT.email
    assert key_file["token_uri"] == f"{google.url}/token"


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"client_email": "a@b.example", "private_key": "none"}'])
def test_a_key_file_that_is_none_is_refused_at_once(text: str) -> None:
    with pytest.raises(ValueError, match="a service account's key is JSON"):
        ServiceAccount.from_json(text)


def test_a_key_file_names_the_account_that_it_was_made_for() -> None:
    assert ServiceAccount.from_json(json.dumps(ACCOUNT.key_file("http://127.0.0.1/token"))) == ACCOUNT
