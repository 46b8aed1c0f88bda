"""Google's accounts: access tokens for service accounts, and the keys and tokens by which pushes prove themselves."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from jwt.algorithms import RSAAlgorithm

from simulators.google.errors import GrantError, insufficient_scope, invalid_credentials, no_mailbox

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_AUDIENCES = ("https://oauth2.googleapis.com/token", "https://www.googleapis.com/oauth2/v4/token")
ISSUER = "https://accounts.google.com"
TOKEN_SECONDS = 3600
_ASSERTION_SECONDS_MAX = 3600
_LEEWAY_SECONDS = 60
_TOKENS_MAX = 10_000

MAIL = "https://mail.google.com/"
MODIFY = "https://www.googleapis.com/auth/gmail.modify"
READONLY = "https://www.googleapis.com/auth/gmail.readonly"
METADATA = "https://www.googleapis.com/auth/gmail.metadata"
SEND = "https://www.googleapis.com/auth/gmail.send"
COMPOSE = "https://www.googleapis.com/auth/gmail.compose"
LABELS = "https://www.googleapis.com/auth/gmail.labels"
GMAIL_SCOPES = frozenset({MAIL, MODIFY, READONLY, METADATA, SEND, COMPOSE, LABELS})


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """Who may ask for access tokens: its address, its key as PEM (the public part is enough), its delegated scopes."""

    email: str
    key_pem: str
    scopes: frozenset[str] = GMAIL_SCOPES

    @classmethod
    def new(cls, email: str = "fte@fte-local.iam.gserviceaccount.com") -> ServiceAccount:
        """An account with a fresh key."""
        key = generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return cls(email, pem.decode())

    @classmethod
    def from_json(cls, text: str) -> ServiceAccount:
        """The account of a key file. Raises ValueError for what is none."""
        try:
            key_file = json.loads(text)
            account = cls(str(key_file["client_email"]), str(key_file["private_key"]))
            account.public_key()
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError("a service account's key is JSON with client_email and private_key, in PEM") from error
        return account

    def key_file(self, token_url: str) -> dict[str, str]:
        """The account's key file, as client libraries read it. Raises ValueError when only the public key is known."""
        if "PRIVATE" not in self.key_pem:
            raise ValueError("only the public part of the key is known")
        return {
            "type": "service_account",
            "project_id": self.email.partition("@")[2].partition(".")[0],
            "private_key_id": hashlib.sha256(self.key_pem.encode()).hexdigest()[:40],
            "private_key": self.key_pem,
            "client_email": self.email,
            "client_id": str(int.from_bytes(hashlib.sha256(self.email.encode()).digest()[:8])),
            "token_uri": token_url,
        }

    def public_key(self) -> RSAPublicKey:
        """The key that its assertions are checked with. Raises ValueError for a PEM that is no RSA key."""
        pem = self.key_pem.encode()
        key = load_pem_private_key(pem, None).public_key() if b"PRIVATE" in pem else load_pem_public_key(pem)
        if not isinstance(key, RSAPublicKey):
            raise ValueError("a service account's key is an RSA key")
        return key


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What was granted to whom; `subject` is the impersonated user, empty for the service account itself."""

    subject: str
    scopes: frozenset[str]
    expires: float


@dataclass(slots=True)
class TokenEndpoint:
    """Grants access tokens for assertions that the account signed (RFC 7523), and knows what each one allows."""

    account: ServiceAccount
    users: Collection[str]
    clock: Callable[[], float] = time.time
    _granted: OrderedDict[str, AccessToken] = field(default_factory=OrderedDict)

    def grant(self, form: Mapping[str, str], own_url: str) -> dict[str, Any]:
        """The answer to a token request. Raises GrantError."""
        if form.get("grant_type") != JWT_BEARER:
            raise GrantError("unsupported_grant_type", f"Invalid grant_type: {form.get('grant_type', '')[:80]}")
        claims = self._claims(form.get("assertion", ""), own_url)
        scopes = frozenset(str(claims.get("scope", "")).split())
        if not scopes:
            raise GrantError("invalid_scope", "Empty or missing scope not allowed.")
        subject = str(claims.get("sub", ""))
        subject = "" if subject == self.account.email else subject
        if subject and subject.lower() not in self.users:
            raise GrantError("invalid_grant", "Invalid email or User ID")
        if subject and not scopes <= self.account.scopes:
            raise GrantError(
                "unauthorized_client",
                "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any "
                "of the scopes requested.",
            )
        token = "ya29." + secrets.token_urlsafe(32)
        self._granted[token] = AccessToken(subject, scopes, self.clock() + TOKEN_SECONDS)
        while len(self._granted) > _TOKENS_MAX:
            self._granted.popitem(last=False)
        return {"access_token": token, "expires_in": TOKEN_SECONDS - 1, "token_type": "Bearer"}

    def user(self, authorization: str, *allowed: str) -> AccessToken:
        """Whose token an Authorization header holds.

        Raises ApiError: 401 for a token that is unknown or expired, 403 when none of the allowed scopes was granted,
        400 when it impersonates nobody.
        """
        scheme, _, token = authorization.partition(" ")
        granted = self._granted.get(token.strip()) if scheme.lower() == "bearer" else None
        if granted is None or granted.expires <= self.clock():
            raise invalid_credentials()
        if not granted.scopes & {MAIL, *allowed}:
            raise insufficient_scope()
        if not granted.subject:
            raise no_mailbox()
        return granted

    def expire(self) -> int:
        """Lets all access tokens expire now; returns how many there were."""
        count = len(self._granted)
        self._granted.clear()
        return count

    def _claims(self, assertion: str, own_url: str) -> dict[str, Any]:
        try:
            # The signature only: times and audience are checked below, to say in Google's words what is wrong.
            claims: dict[str, Any] = json.loads(
                jwt.PyJWS().decode(assertion, self.account.public_key(), algorithms=["RS256"])
            )
        except jwt.InvalidSignatureError:
            raise GrantError("invalid_grant", "Invalid JWT Signature.") from None
        except (jwt.PyJWTError, ValueError):
            raise GrantError("invalid_grant", "Bad Request") from None
        if not isinstance(claims, dict):
            raise GrantError("invalid_grant", "Bad Request")
        self._check(claims, own_url)
        return claims

    def _check(self, claims: Mapping[str, Any], own_url: str) -> None:
        if claims.get("iss") != self.account.email:
            raise GrantError("invalid_grant", "Invalid grant: account not found")
        if claims.get("aud") not in (*TOKEN_AUDIENCES, own_url):
            raise GrantError("invalid_grant", "Invalid JWT: Failed audience check")
        issued, expires, now = claims.get("iat"), claims.get("exp"), self.clock()
        if (
            not isinstance(issued, int | float)
            or not isinstance(expires, int | float)
            or not issued - _LEEWAY_SECONDS <= now < expires + _LEEWAY_SECONDS
            or expires - issued > _ASSERTION_SECONDS_MAX + _LEEWAY_SECONDS
        ):
            raise GrantError(
                "invalid_grant",
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
                "Check your iat and exp values in the JWT claim.",
            )


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key of Google's own, with the id that tokens name it by."""

    kid: str
    key: RSAPrivateKey


def new_key() -> SigningKey:
    """A fresh RSA key of 2048 bits."""
    return SigningKey(secrets.token_hex(20), generate_private_key(public_exponent=65537, key_size=2048))


@dataclass(slots=True)
class SigningKeys:
    """The keys that identity tokens are signed with: the newest signs, the one before is still published."""

    _keys: list[SigningKey] = field(default_factory=list)

    @property
    def newest_first(self) -> list[SigningKey]:
        """The published keys."""
        # Made when it is first needed: a key takes longer than all else that a start does.
        self._keys = self._keys or [new_key()]
        return self._keys

    def rotate(self, *, keep_previous: bool = True) -> str:
        """Signs with a new key from now on; returns its id. `keep_previous` publishes the last one for a while yet."""
        self._keys = [new_key(), *(self.newest_first[:1] if keep_previous else ())]
        return self._keys[0].kid

    def published(self) -> dict[str, Any]:
        """The public keys as a JSON Web Key Set, as at `/oauth2/v3/certs`."""
        return {"keys": [self._public(key) for key in self.newest_first]}

    def identity_token(self, audience: str, account: str, *, now: float, claims: Mapping[str, Any]) -> str:
        """A token such as Pub/Sub sends with a push; `claims` replace its own, a null leaves one out."""
        subject = str(int.from_bytes(hashlib.sha256(account.encode()).digest()[:8]))
        own = {
            "aud": audience,
            "azp": subject,
            "email": account,
            "email_verified": True,
            "exp": int(now) + TOKEN_SECONDS,
            "iat": int(now),
            "iss": ISSUER,
            "sub": subject,
        }
        kept = {name: value for name, value in {**own, **claims}.items() if value is not None}
        signing = self.newest_first[0]
        return jwt.encode(kept, signing.key, algorithm="RS256", headers={"kid": signing.kid})

    @staticmethod
    def _public(key: SigningKey) -> dict[str, Any]:
        public = RSAAlgorithm.to_jwk(key.key.public_key(), as_dict=True)
        return {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": key.kid, "n": public["n"], "e": public["e"]}
