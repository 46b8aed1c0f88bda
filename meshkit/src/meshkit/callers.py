"""Who calls: tokens made and verified, and the one table that says who may call what."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from meshkit.errors import PermissionDenied, Unauthenticated, Unavailable
from meshkit.settings import ServiceSettings, SettingsError

PUBLIC_NAME = "public"
STAFF_NAME = "staff"

# Only public-key algorithms: with HS256 on the list, anyone could sign with a public key as the secret.
_ALGORITHMS = ("ES256", "ES384", "RS256", "RS384", "RS512", "PS256", "EdDSA")
_LEEWAY_SECONDS = 30
_TOKEN_CHARACTERS_MAX = 8192
_CACHED_TOKENS_MAX = 4096
_KEYS_REREAD_SECONDS = 10.0
_SUBJECT_CHARACTERS_MAX = 128
_MINTED_SECONDS = 300
_RENEW_BEFORE_SECONDS = 60
_FILE_LOOK_SECONDS = 1.0
_SERVICE_ACCOUNT = "system:serviceaccount:"

Access = Mapping[str, frozenset[str]]
"""Full method (`/fte.tickets.v1.TicketsService/GetTicket`) → who may call it: "public", "staff", or services' names."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a call. `name` is a service's name, the subject of a person's token, or empty for the public."""

    kind: Literal["public", "staff", "service"]
    name: str
    label: str = field(init=False, repr=False, compare=False)
    """The caller as access tables and logs name it: a service by name, a person only as "staff" (a subject can be an
    address)."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", self.name if self.kind == "service" else self.kind)


PUBLIC = Caller("public", "")


def permits(allowed: frozenset[str], caller: Caller) -> bool:
    """Whether the names allowed at a method include this caller. What the public may call, everyone may call."""
    return PUBLIC_NAME in allowed or (caller.kind != "public" and caller.label in allowed)


def authorised(allowed: frozenset[str], caller: Caller) -> None:
    """Raises Unauthenticated when a token is needed and missing, PermissionDenied when this caller may not call."""
    if permits(allowed, caller):
        return
    if caller.kind == "public":
        raise Unauthenticated("a token is needed: send it as `authorization: Bearer <token>`")
    raise PermissionDenied(f"{caller.label} may not call this method; open to: {', '.join(sorted(allowed))}")


class Keys:
    """The public keys of one issuer by key id, from a JWKS given as JSON or as the path of a file.

    A file is read again when a token names an unknown key, at most every ten seconds, so that keys rotate without a
    restart. Symmetric keys in the set are ignored.
    """

    def __init__(self, source: str, *, variable: str) -> None:
        self._path = None if source.lstrip().startswith("{") else Path(source)
        self._read_at = time.monotonic()
        try:
            self._keys = _parsed(source if self._path is None else self._path.read_text())
        except (OSError, ValueError, jwt.PyJWTError) as error:
            raise SettingsError(
                f"{variable} must be a JWKS as JSON, or the path of a readable file with one"
            ) from error

    def find(self, key_id: str) -> jwt.PyJWK | None:
        """The key of this id, or None."""
        found = self._keys.get(key_id)
        if found is None and self._path is not None and time.monotonic() - self._read_at > _KEYS_REREAD_SECONDS:
            self._read_at = time.monotonic()
            try:
                self._keys = _parsed(self._path.read_text())
            except (OSError, ValueError, jwt.PyJWTError):
                # A file caught in the middle of being replaced: the keys we have stay good.
                return None
            found = self._keys.get(key_id)
        return found


def _parsed(text: str) -> dict[str, jwt.PyJWK]:
    match json.loads(text):
        case {"keys": [*entries]}:
            pass
        case _:
            raise ValueError("not a JWKS")
    keys: dict[str, jwt.PyJWK] = {}
    for entry in entries:
        if entry.get("kty") != "oct" and "kid" in entry:
            # A set may hold keys for uses and of types that are not ours.
            with contextlib.suppress(jwt.PyJWTError):
                keys[entry["kid"]] = jwt.PyJWK(entry)
    return keys


class Verifier:
    """Turns a token into its caller. Each good token is remembered until it expires, at most 4096 of them."""

    def __init__(self, settings: ServiceSettings) -> None:
        if settings.service_jwt_issuer == settings.staff_jwt_issuer:
            raise SettingsError(
                "SERVICE_JWT_ISSUER and STAFF_JWT_ISSUER must differ: the issuer says whose keys check a token"
            )
        self._service_issuer = settings.service_jwt_issuer
        self._namespace = settings.service_account_namespace
        self._issuers: dict[str, tuple[Keys, str]] = {
            settings.service_jwt_issuer: (
                Keys(settings.service_jwks, variable="SERVICE_JWKS"),
                settings.service_jwt_audience,
            ),
            settings.staff_jwt_issuer: (Keys(settings.staff_jwks, variable="STAFF_JWKS"), settings.staff_jwt_audience),
        }
        self._known: dict[str, tuple[Caller, float]] = {}

    def bearer(self, header: str) -> Caller:
        """The caller that an `authorization` header proves. Raises Unauthenticated, also for other schemes."""
        # By the whole header, so that a known one costs one look.
        known = self._known.get(header)
        if known is not None:
            if time.time() < known[1]:
                return known[0]
            del self._known[header]
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("the authorization header must be `Bearer <token>`")
        caller, expiry = self._verified(token)
        if len(self._known) >= _CACHED_TOKENS_MAX:
            del self._known[next(iter(self._known))]
        self._known[header] = (caller, expiry)
        return caller

    def verify(self, token: str) -> Caller:
        """The caller a token proves. Raises Unauthenticated, the same for every way a token can be wrong."""
        return self.bearer(f"Bearer {token}")

    def _verified(self, token: str) -> tuple[Caller, float]:
        try:
            return self._checked(token)
        except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
            # One answer for all: which check failed would help only whoever forges.
            raise Unauthenticated("the token is not valid: get a new one") from error

    def _checked(self, token: str) -> tuple[Caller, float]:
        if len(token) > _TOKEN_CHARACTERS_MAX:
            raise ValueError("too long")
        unverified = jwt.decode_complete(token, options={"verify_signature": False})
        header, issuer = unverified["header"], unverified["payload"]["iss"]
        keys, audience = self._issuers[issuer]
        key = keys.find(header["kid"])
        if key is None:
            raise KeyError("kid")
        claims: dict[str, Any] = jwt.decode(
            token,
            key=key,
            algorithms=list(_ALGORITHMS),
            audience=audience,
            issuer=issuer,
            leeway=_LEEWAY_SECONDS,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
        subject = claims["sub"]
        if not 0 < len(subject) <= _SUBJECT_CHARACTERS_MAX or not subject.isprintable():
            raise ValueError("sub")
        expiry = float(claims["exp"]) + _LEEWAY_SECONDS
        if issuer != self._service_issuer:
            return Caller("staff", subject), expiry
        return Caller("service", self._service_name(subject, header["kid"])), expiry

    def _service_name(self, subject: str, key_id: str) -> str:
        if self._namespace is None:
            # Each service signs for itself alone: a stolen key of one must not speak for another.
            if subject != key_id:
                raise ValueError("sub")
            name = subject
        else:
            namespace, _, name = subject.removeprefix(_SERVICE_ACCOUNT).partition(":")
            if not subject.startswith(_SERVICE_ACCOUNT) or namespace != self._namespace or not name:
                raise ValueError("sub")
        if name in (PUBLIC_NAME, STAFF_NAME):
            raise ValueError("sub")
        return name


class Tokens(Protocol):
    """Where a channel gets the token for each call."""

    def token(self) -> str:
        """A token that is good now. Raises Unavailable when there is none to be had."""
        ...


class TokenSource:
    """The token a service shows to its neighbours: minted for five minutes, or read from a projected file.

    Raises SettingsError at once when there is neither a key nor a token file, or the key is not EC P-256.
    """

    def __init__(self, settings: ServiceSettings, service: str) -> None:
        self._service = service
        self._issuer, self._audience = settings.service_jwt_issuer, settings.service_jwt_audience
        self._file = settings.service_token_file
        self._key: EllipticCurvePrivateKey | None = None
        self._token = ""
        self._fresh_until = 0.0
        self._file_stamp: tuple[int, int] | None = None
        if self._file is None:
            if settings.service_key_file is None:
                raise SettingsError("SERVICE_KEY_FILE or SERVICE_TOKEN_FILE is missing: a service must prove who it is")
            self._key = _private_key(settings.service_key_file)

    def token(self) -> str:
        """A token that is good for a minute at least, or as good as its file. Raises Unavailable without one."""
        now = time.monotonic()
        if now >= self._fresh_until:
            if self._file is None:
                self._token = self._minted()
                self._fresh_until = now + _MINTED_SECONDS - _RENEW_BEFORE_SECONDS
            else:
                self._reread(self._file)
                self._fresh_until = now + _FILE_LOOK_SECONDS
        return self._token

    def _minted(self) -> str:
        assert self._key is not None
        issued = int(time.time())
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": self._service,
            "iat": issued,
            "exp": issued + _MINTED_SECONDS,
        }
        return jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": self._service})

    def _reread(self, path: Path) -> None:
        try:
            status = os.stat(path)
            stamp = (status.st_mtime_ns, status.st_ino)
            if stamp != self._file_stamp:
                self._token = path.read_text().strip()
                self._file_stamp = stamp
        except OSError as error:
            # A projected file is swapped by a link; missing it for a moment is no reason to drop a good token.
            if not self._token:
                raise Unavailable("the service's own token cannot be read") from error


def _private_key(path: Path) -> EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise SettingsError("SERVICE_KEY_FILE must be a readable PEM file with an unencrypted private key") from error
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise SettingsError("SERVICE_KEY_FILE must hold an EC P-256 key, as ES256 needs")
    return key


def missing_from(access: Access, methods: Iterable[str]) -> list[str]:
    """The methods that no row of the table covers, sorted: a server with any refuses to start."""
    return sorted(method for method in methods if method not in access)
