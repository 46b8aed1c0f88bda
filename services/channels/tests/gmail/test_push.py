"""A push is believed when Google signed it for us, and for nothing else."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from channels.errors import BadToken, WebhookUnreadable
from channels.model import Hint
from channels.providers.gmail.push import GmailPush
from meshkit.errors import Unavailable

AUDIENCE = "https://fte.example/api/v1/webhooks/gmail"
ACCOUNT = "pusher@fte.iam.gserviceaccount.com"
MAILBOX = "support@techcorp.example"
KEYS = {kid: rsa.generate_private_key(public_exponent=65537, key_size=2048) for kid in ("first", "second", "foreign")}


class Certs:
    """Where Google publishes its keys: over HTTP, and counted."""

    def __init__(self) -> None:
        self.published = ["first"]
        self.fetched = 0
        self.broken = False
        certs = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                certs.fetched += 1
                keys = [
                    json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEYS[kid].public_key()))
                    | {"kid": kid, "use": "sig", "alg": "RS256"}
                    for kid in certs.published
                ]
                self.send_response(503 if certs.broken else 200)
                self.end_headers()
                self.wfile.write(json.dumps({"keys": keys}).encode())

            def log_message(self, *_: object) -> None:
                """A test says what went wrong."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/certs"


@pytest.fixture
def certs() -> Iterator[Certs]:
    served = Certs()
    yield served
    served.server.shutdown()
    served.server.server_close()


@pytest.fixture
def push(certs: Certs) -> Iterator[GmailPush]:
    made = GmailPush(
        audience=AUDIENCE, service_account=ACCOUNT, keys_url=certs.url, mailbox=MAILBOX, cooldown_seconds=0
    )
    yield made
    made.close()


def token(
    kid: str = "first",
    *,
    without: str = "",
    issued_in: int = 0,
    expires_in: int = 3600,
    headers: dict[str, Any] | None = None,
    **claims: Any,
) -> str:
    """As Google signs one; times in seconds from now."""
    now = int(time.time())
    filled = {
        "iss": "https://accounts.google.com",
        "aud": AUDIENCE,
        "sub": "1234567890",
        "email": ACCOUNT,
        "email_verified": True,
        "iat": now + issued_in,
        "exp": now + expires_in,
    } | claims
    filled.pop(without, None)
    return jwt.encode(filled, KEYS[kid], algorithm="RS256", headers={"kid": kid, **(headers or {})})


def body(address: str = MAILBOX, history_id: object = 4711, **packed: Any) -> bytes:
    change = json.dumps({"emailAddress": address, "historyId": history_id} | packed).encode()
    return json.dumps(
        {
            "message": {
                "data": base64.b64encode(change).decode(),
                "messageId": "1",
                "publishTime": "2026-03-01T12:00Z",
            },
            "subscription": "projects/p/subscriptions/s",
        }
    ).encode()


async def hint(push: GmailPush, bearer: str, said: bytes | None = None) -> Hint | None:
    return await push.hint(f"Bearer {bearer}", body() if said is None else said)


async def test_a_push_that_google_signed_for_us_is_a_hint(push: GmailPush) -> None:
    assert await hint(push, token()) == Hint(MAILBOX, 4711)


async def test_both_spellings_of_googles_issuer_are_its_own(push: GmailPush) -> None:
    assert await hint(push, token(iss="accounts.google.com")) is not None


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://other.example"},
        {"iss": "https://evil.example"},
        {"email": "other@fte.iam.gserviceaccount.com"},
        {"email_verified": False},
        {"email_verified": "true"},
        {"expires_in": -120},
        {"issued_in": 600},
        {"without": "exp"},
        {"without": "email"},
        {"without": "email_verified"},
        {"without": "aud"},
        {"without": "iss"},
    ],
    ids=lambda claims: "-".join(f"{name}={value}" for name, value in claims.items()),
)
async def test_a_token_with_a_wrong_claim_is_refused(push: GmailPush, claims: dict[str, Any]) -> None:
    with pytest.raises(BadToken):
        await hint(push, token(**claims))


async def test_clocks_may_differ_by_less_than_a_minute(push: GmailPush) -> None:
    assert await hint(push, token(expires_in=-10)) is not None
    with pytest.raises(BadToken):
        await hint(push, token(expires_in=-61))


async def test_a_token_that_nobody_signed_is_refused(push: GmailPush, certs: Certs) -> None:
    claims = jwt.decode(token(), options={"verify_signature": False})
    with pytest.raises(BadToken):
        await hint(push, jwt.encode(claims, "", algorithm="none", headers={"kid": "first"}))
    assert certs.fetched == 0


async def test_the_public_key_is_no_secret_to_sign_with(push: GmailPush) -> None:
    public = KEYS["first"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    claims = jwt.decode(token(), options={"verify_signature": False})
    head = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "kid": "first"}).encode()).rstrip(b"=")
    said = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=")

    # By hand: the library refuses to sign with a public key.
    signature = base64.urlsafe_b64encode(hmac.digest(public, head + b"." + said, hashlib.sha256)).rstrip(b"=")
    with pytest.raises(BadToken):
        await hint(push, b".".join([head, said, signature]).decode())


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer ", "Basic abc", "Bearer a.b.c", "Bearer !!.!!.!!", "x" * 9000]
)
async def test_what_is_no_token_is_refused(push: GmailPush, authorization: str) -> None:
    with pytest.raises(BadToken):
        await push.hint(authorization, body())


async def test_a_token_by_a_key_of_another_is_refused(push: GmailPush, certs: Certs) -> None:
    with pytest.raises(BadToken):
        await hint(push, token("foreign"))
    forged = token("foreign", headers={"kid": "first"})
    with pytest.raises(BadToken):
        await hint(push, forged)


async def test_a_changed_token_is_refused_also_after_the_sound_one(push: GmailPush) -> None:
    sound = token()
    await hint(push, sound)
    head, claims, signature = sound.split(".")
    flipped = "B" if signature[10] == "A" else "A"
    with pytest.raises(BadToken):
        await hint(push, f"{head}.{claims}.{signature[:10]}{flipped}{signature[11:]}")


async def test_a_new_key_is_fetched_when_it_signs_for_the_first_time(push: GmailPush, certs: Certs) -> None:
    await hint(push, token())
    certs.published = ["first", "second"]
    assert await hint(push, token("second")) is not None
    assert certs.fetched == 2


async def test_unknown_keys_do_not_flood_google(certs: Certs) -> None:
    push = GmailPush(audience=AUDIENCE, service_account=ACCOUNT, keys_url=certs.url, mailbox=MAILBOX)
    await hint(push, token())
    for number in range(20):
        with pytest.raises(BadToken):
            await hint(push, token("foreign", headers={"kid": f"unknown-{number}"}))
    assert certs.fetched == 1
    push.close()


async def test_many_pushes_at_once_fetch_the_keys_once(push: GmailPush, certs: Certs) -> None:
    shown = token()
    hints = await asyncio.gather(*(hint(push, shown) for _ in range(100)))
    assert all(each is not None for each in hints)
    assert certs.fetched == 1


async def test_without_keys_the_push_is_to_come_again(push: GmailPush, certs: Certs) -> None:
    certs.broken = True
    with pytest.raises(Unavailable):
        await hint(push, token())
    certs.broken = False
    assert await hint(push, token()) is not None


async def test_another_mailboxs_push_is_passed_over(push: GmailPush) -> None:
    assert await hint(push, token(), body("somebody@techcorp.example")) is None
    assert await hint(push, token(), body(MAILBOX.upper())) is not None


@pytest.mark.parametrize("history_id", [4711, "4711"])
async def test_a_history_id_may_be_a_number_or_a_string(push: GmailPush, history_id: object) -> None:
    assert await hint(push, token(), body(history_id=history_id, unknown={"x": 1})) == Hint(MAILBOX, 4711)


async def test_base64_of_either_alphabet_without_padding_is_read(push: GmailPush) -> None:
    change = json.dumps({"emailAddress": MAILBOX, "historyId": 1, "x": "\u00ff\u00fe?>~~"}, ensure_ascii=False).encode()
    packed = base64.urlsafe_b64encode(change).decode().rstrip("=")
    assert await hint(push, token(), json.dumps({"message": {"data": packed}}).encode()) is not None


@pytest.mark.parametrize(
    ("said", "field"),
    [
        (b"", "body"),
        (b"\xff\xfe", "body"),
        (b"[" * 100_000, "body"),
        (b"[]", "message.data"),
        (b'{"message": "x"}', "message.data"),
        (b'{"message": {"data": 7}}', "message.data"),
        (b'{"message": {"data": "%%%"}}', "message.data"),
        (b'{"message": {"data": "\xc3\xa4"}}', "message.data"),
        (b'{"message": {"data": "bm8ganNvbg=="}}', "message.data"),
        (b'{"message": {"data": "W10="}}', "message.data.emailAddress"),
        (body(address=""), None),
        (body(history_id=-1), "message.data.historyId"),
        (body(history_id=1.5), "message.data.historyId"),
        (body(history_id=True), "message.data.historyId"),
        (body(history_id="9" * 5000), "message.data.historyId"),
        (body(history_id="\u0664\u0662"), "message.data.historyId"),
        (body(history_id=2**63), "message.data.historyId"),
    ],
)
async def test_a_proved_push_that_cannot_be_read_names_the_field(
    push: GmailPush, said: bytes, field: str | None
) -> None:
    if field is None:
        assert await hint(push, token(), said) is None
        return
    with pytest.raises(WebhookUnreadable) as refusal:
        await hint(push, token(), said)
    assert refusal.value.violations[0].field == field


async def test_nothing_of_a_push_is_read_before_it_is_proved(push: GmailPush) -> None:
    with pytest.raises(BadToken):
        await push.hint("Bearer no", b"not json")
