"""References and their status tokens: what lets a customer without an account see the one ticket promised to them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from pydantic import SecretStr

_KEY_CHARACTERS_MIN = 16
# Crockford's base 32: without I, L, O and U, which are misread or spell words.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PREFIX = "TKT-"
_CHARACTERS = 6
# Promised references begin with any other letter, so that two services draw theirs without asking each other, and no
# reference that was never promised can come to have a token.
_UNPROMISED = "Z"


def promised_reference() -> str:
    """A new reference to give away with its token: `TKT-` and six characters; unique only once the store agrees."""
    return _reference(secrets.token_bytes(_CHARACTERS + 2))


def decoy_reference(digest: bytes) -> str:
    """A reference that looks like any promised one and is the same for the same digest (at least 8 bytes)."""
    return _reference(digest[: _CHARACTERS + 2])


def unpromised_reference() -> str:
    """A new reference that no token opens, for a ticket that its customer follows elsewhere."""
    return _PREFIX + _UNPROMISED + "".join(secrets.choice(_ALPHABET) for _ in range(_CHARACTERS - 1))


def _reference(source: bytes) -> str:
    number = int.from_bytes(source)
    number, first = divmod(number, len(_ALPHABET) - 1)
    rest = [_ALPHABET[number >> 5 * place & 31] for place in range(_CHARACTERS - 1)]
    return _PREFIX + _ALPHABET[first] + "".join(rest)


class StatusTokens:
    """Makes and checks status tokens: HMAC-SHA256 of the reference under `key` (at least 16 characters).

    Nothing is stored: the same reference has the same token for as long as the key stays, in every service that knows
    the key. References are compared as they are written; bring them to upper case first.
    """

    def __init__(self, key: SecretStr | str) -> None:
        text = key.get_secret_value() if isinstance(key, SecretStr) else key
        if len(text) < _KEY_CHARACTERS_MIN:
            raise ValueError(f"the status token key must have at least {_KEY_CHARACTERS_MIN} characters")
        self._key = text.encode()

    def issue(self, reference: str) -> str:
        """The token of a reference: 43 characters of URL-safe base64 (RFC 4648, section 5) without padding."""
        mac = hmac.digest(self._key, reference.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()

    def proves(self, reference: str, token: str) -> bool:
        """Whether the token is that of the reference. Takes as long for a near miss as for a wild guess."""
        # As bytes: compare_digest refuses text beyond ASCII, and a token may be anything.
        return hmac.compare_digest(self.issue(reference).encode(), token.encode("utf-8", "surrogatepass"))
