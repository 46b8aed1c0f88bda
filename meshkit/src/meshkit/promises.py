"""Status tokens: what lets a customer without an account see the one ticket whose reference was promised to them."""

from __future__ import annotations

import base64
import hashlib
import hmac

from pydantic import SecretStr

_KEY_CHARACTERS_MIN = 16


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
