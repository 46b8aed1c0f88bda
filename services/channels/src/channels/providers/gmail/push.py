"""Pub/Sub's push: proved by an OIDC token of Google's, and no more than a hint that the mailbox has changed."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt

from channels.errors import BadToken, WebhookUnreadable
from channels.model import Hint
from meshkit.errors import Unavailable

# Both spellings are in use: Google's page on verifying ID tokens names them.
_ISSUERS = ("https://accounts.google.com", "accounts.google.com")
_LEEWAY_SECONDS = 30
_TOKEN_CHARACTERS_MAX = 8192
_TOKENS_REMEMBERED_MAX = 256
_FETCH_SECONDS = 5.0
# Google rotates every few days, and publishes a key long before it signs with it.
_KEYS_KEPT_SECONDS = 3600.0
_HISTORY_ID_MAX = 2**63 - 1


class GmailPush:
    """Tells Pub/Sub's pushes from anybody else's.

    `mailbox` is the address whose changes matter, `keys_url` where Google publishes the keys that it signs with. The
    token says nothing of the body, so a replayed push is good for one superfluous look into the mailbox, no more.
    """

    def __init__(
        self, *, audience: str, service_account: str, keys_url: str, mailbox: str, cooldown_seconds: float = 30.0
    ) -> None:
        self._audience = audience
        self._service_account = service_account
        self._mailbox = mailbox.lower()
        # An unknown key id has the keys fetched again, at most once in a cooldown: forged ids must not flood Google.
        self._keys = jwt.PyJWKClient(
            keys_url, lifespan=_KEYS_KEPT_SECONDS, timeout=_FETCH_SECONDS, cooldown_duration=cooldown_seconds
        )
        # One thread: whoever waits for keys waits for the same fetch.
        self._fetcher = ThreadPoolExecutor(1, thread_name_prefix="push-keys")
        self._known: dict[str, float] = {}

    async def hint(self, authorization: str, body: bytes) -> Hint | None:
        """The hint that a proved push brings; None for another mailbox. `authorization` is `Bearer` and the token.

        Raises BadToken, whatever is wrong with the token; WebhookUnreadable, naming the field; Unavailable while
        Google's keys cannot be had, so that Pub/Sub comes again.
        """
        await self._prove(authorization)
        hint = _parsed(body)
        return hint if hint.mailbox.lower() == self._mailbox else None

    def close(self) -> None:
        """Lets go of the thread that fetches keys."""
        self._fetcher.shutdown(wait=False, cancel_futures=True)

    async def _prove(self, authorization: str) -> None:
        # By the whole header: Pub/Sub shows one token for up to an hour, and a signature costs more than a look.
        expiry = self._known.get(authorization)
        if expiry is not None:
            if time.time() < expiry:
                return
            del self._known[authorization]
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not 0 < len(token) <= _TOKEN_CHARACTERS_MAX:
            raise BadToken
        try:
            expiry = self._checked(token, await self._key(token))
        except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
            # One answer for all: which check failed would help only whoever forges.
            raise BadToken from error
        if len(self._known) >= _TOKENS_REMEMBERED_MAX:
            del self._known[next(iter(self._known))]
        self._known[authorization] = expiry

    async def _key(self, token: str) -> jwt.PyJWK:
        header = jwt.get_unverified_header(token)
        # Before any key is looked for, so that `none` and HMAC with the public key end here.
        if header.get("alg") != "RS256" or not isinstance(header.get("kid"), str):
            raise BadToken
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._fetcher, self._keys.get_signing_key, header["kid"]
            )
        except (jwt.exceptions.PyJWKClientConnectionError, OSError) as error:
            raise Unavailable("the keys that prove pushes cannot be fetched now") from error

    def _checked(self, token: str, key: jwt.PyJWK) -> float:
        claims: dict[str, Any] = jwt.decode(
            token,
            key=key.key,
            algorithms=["RS256"],
            audience=self._audience,
            issuer=_ISSUERS,
            leeway=_LEEWAY_SECONDS,
            options={"require": ["exp", "iat", "iss", "aud"]},
        )
        email = claims["email"]
        # Anyone with an account at Google can have a token for our audience: only the address says whose this is.
        if claims["email_verified"] is not True or not hmac.compare_digest(
            str(email).encode(), self._service_account.encode()
        ):
            raise BadToken
        return float(claims["exp"])


def _parsed(body: bytes) -> Hint:
    """The hint in a push: `{"message": {"data": base64 of {"emailAddress", "historyId"}}}`.

    Lenient where Google is: unknown fields are passed over, historyId is a number or a string, base64 has either
    alphabet and may lack its padding.
    """
    try:
        push = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise WebhookUnreadable("body", "must be JSON, as Pub/Sub pushes it") from error
    message = push.get("message") if isinstance(push, dict) else None
    packed = message.get("data") if isinstance(message, dict) else None
    if not isinstance(packed, str):
        raise WebhookUnreadable("message.data", "must be there, as base64")
    try:
        padded = packed.rstrip("=") + "=" * (-len(packed.rstrip("=")) % 4)
        change = json.loads(base64.b64decode(padded.translate(_STANDARD_ALPHABET), validate=True))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise WebhookUnreadable("message.data", "must be base64 of JSON") from error
    if not isinstance(change, dict) or not isinstance(change.get("emailAddress"), str):
        raise WebhookUnreadable("message.data.emailAddress", "must be the address of the mailbox")
    return Hint(change["emailAddress"], _history_id(change.get("historyId")))


_STANDARD_ALPHABET = str.maketrans("-_", "+/")


def _history_id(value: object) -> int:
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    # Before int(): it takes other scripts' digits, and its time grows with the square of the length.
    if text.isascii() and text.isdigit() and len(text) <= 19 and int(text) <= _HISTORY_ID_MAX:
        return int(text)
    raise WebhookUnreadable("message.data.historyId", "must be a whole number of at most 19 digits")
