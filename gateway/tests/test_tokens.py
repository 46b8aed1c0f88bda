"""Who is let through: the staff token at the door, and nobody's word about who they are."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Mapping

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.testing import Neighbour, Reply, refusal

pytestmark = pytest.mark.asyncio(loop_scope="session")

STAFF_ONLY = "/api/v1/tickets"
OPEN_TO_ALL = "/api/v1/tickets/TKT-7K3Q9V"
UNKNOWN = Reply(401, 16, "UNAUTHENTICATED", "Sign in first: the token is missing, expired or not one of ours.")

Signed = Callable[..., str]


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def without_signature(signed: Signed) -> str:
    header = encoded(json.dumps({"alg": "none", "typ": "JWT"}).encode())
    return f"{header}.{signed().split('.')[1]}."


def signed_with_the_public_key(signed: Signed, key: ec.EllipticCurvePrivateKey) -> str:
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    header = encoded(json.dumps({"alg": "HS256", "typ": "JWT", "kid": "staff"}).encode())
    content = f"{header}.{signed().split('.')[1]}"
    return f"{content}.{encoded(hmac.digest(public, content.encode(), 'sha256'))}"


@pytest.fixture
def bad_tokens(signed: Signed, staff_key: ec.EllipticCurvePrivateKey) -> Mapping[str, str]:
    """Tokens that nobody may be let in with, by what is wrong with them."""
    return {
        "not a token": "nonsense",
        "not base64": "a.b.c",
        "expired": signed(exp=1_700_000_000),
        "not yet valid": signed(nbf=4_000_000_000),
        "another audience": signed(aud="somebody-else"),
        "another issuer": signed(iss="https://issuer.example"),
        "another key": signed(key=ec.generate_private_key(ec.SECP256R1())),
        "unknown kid": signed(key=ec.generate_private_key(ec.SECP256R1()), kid="other"),
        "alg none": without_signature(signed),
        "HS256 with the public key": signed_with_the_public_key(signed, staff_key),
    }


BAD = (
    "not a token",
    "not base64",
    "expired",
    "not yet valid",
    "another audience",
    "another issuer",
    "another key",
    "unknown kid",
    "alg none",
    "HS256 with the public key",
)


@pytest.mark.parametrize("path", [STAFF_ONLY, OPEN_TO_ALL])
@pytest.mark.parametrize("wrong", BAD)
async def test_a_bad_token_is_refused_even_where_none_is_needed(
    wrong: str,
    path: str,
    http: httpx.AsyncClient,
    neighbours: Mapping[str, Neighbour],
    bad_tokens: Mapping[str, str],
) -> None:
    response = await http.get(path, headers={"authorization": f"Bearer {bad_tokens[wrong]}"})
    assert refusal(response) == UNKNOWN
    assert response.headers["www-authenticate"] == "Bearer"
    assert neighbours["tickets"].calls == []
    assert bad_tokens[wrong] not in str(response.headers)


async def test_without_a_token_staff_paths_are_shut_and_public_ones_open(
    http: httpx.AsyncClient, neighbours: Mapping[str, Neighbour]
) -> None:
    assert refusal(await http.get(STAFF_ONLY)) == UNKNOWN
    assert refusal(await http.post("/api/v1/tickets/TKT-7K3Q9V:escalate", json={})) == UNKNOWN
    assert refusal(await http.get("/api/v1/tickets?state=TICKET_STATE_OPEN")) == UNKNOWN
    assert neighbours["tickets"].calls == []
    assert (await http.get(OPEN_TO_ALL)).status_code == 200
    assert (await http.get(f"{OPEN_TO_ALL}?")).status_code == 200
    assert [call.method for call in neighbours["tickets"].calls] == ["GetTicket", "GetTicket"]


async def test_the_staff_token_reaches_the_service_which_checks_it_again(
    http: httpx.AsyncClient, neighbours: Mapping[str, Neighbour], staff: Mapping[str, str]
) -> None:
    for path in (STAFF_ONLY, OPEN_TO_ALL):
        assert (await http.get(path, headers=staff)).status_code == 200
    for call in neighbours["tickets"].calls:
        assert call.metadata["authorization"] == [staff["authorization"]]


async def test_a_token_in_the_query_is_no_token(http: httpx.AsyncClient, signed: Signed) -> None:
    assert refusal(await http.get(f"{STAFF_ONLY}?access_token={signed()}")) == UNKNOWN


@pytest.mark.parametrize(
    "header",
    [
        "x-jwt-payload",
        "x-staff-sub",
        "x-staff-anything",
        "x-fte-caller",
        "x-fte-anything",
        "x-forwarded-client-cert",
        "x-envoy-original-path",
        "x-envoy-upstream-rq-timeout-ms",
        "x-envoy-retry-on",
        "x-envoy-anything",
    ],
)
async def test_nobody_says_who_they_are_by_a_header(
    header: str, http: httpx.AsyncClient, neighbours: Mapping[str, Neighbour]
) -> None:
    assert (await http.get(OPEN_TO_ALL, headers={header: "forged"})).status_code == 200
    (call,) = neighbours["tickets"].calls
    assert "forged" not in {value for values in call.metadata.values() for value in values}


@pytest.mark.parametrize("header", ["x-envoy-external-address", "x-forwarded-for", "x-client-address"])
async def test_a_client_cannot_choose_the_address_it_is_counted_by(
    header: str, http: httpx.AsyncClient, neighbours: Mapping[str, Neighbour]
) -> None:
    assert (await http.get(OPEN_TO_ALL, headers={header: "203.0.113.7"})).status_code == 200
    metadata = neighbours["tickets"].calls[0].metadata
    assert metadata["x-envoy-external-address"] == ["127.0.0.1"]
    assert "x-client-address" not in metadata
    # Envoy appends its own address where the client is on its own machine.
    assert "203.0.113.7" not in metadata["x-forwarded-for"][-1].rpartition(",")[2]
