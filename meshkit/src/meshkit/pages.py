"""Page tokens: where a listing goes on, opaque to its caller and refused when changed or used for another query."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import uuid
from collections.abc import Sequence
from datetime import datetime

from pydantic import SecretStr

from meshkit.errors import InvalidArgument

PAGE_SIZE_DEFAULT = 50
PAGE_SIZE_MAX = 200
_MAC_BYTES = 16
_TOKEN_CHARACTERS_MAX = 2048


class PageTokens:
    """Makes and reads page tokens, signed with HMAC-SHA256 under `key` (at least 16 characters).

    Every replica needs the same key; a new key only ends the listings that are open.
    """

    def __init__(self, key: SecretStr | str) -> None:
        text = key.get_secret_value() if isinstance(key, SecretStr) else key
        if len(text) < 16:
            raise ValueError("the page token key must have at least 16 characters")
        self._key = text.encode()

    def encode(self, cursor: Sequence[str | int], *, scope: str) -> str:
        """A token for the row after `cursor`. `scope` is the method and its filters: it serves no other query."""
        payload = json.dumps([str(part) for part in cursor], separators=(",", ":"), ensure_ascii=False).encode()
        return base64.urlsafe_b64encode(self._sign(payload, scope) + payload).rstrip(b"=").decode()

    def decode(self, token: str, *, scope: str) -> tuple[str, ...]:
        """The cursor in a token made for the same `scope`.

        Raises InvalidArgument on `page_token` for a token that we did not make, that was changed, or that belongs
        to another query. An empty token means the first page: ask for it before calling this.
        """
        if len(token) > _TOKEN_CHARACTERS_MAX:
            raise self._refused()
        try:
            # `validate` refuses characters outside the alphabet, which the plain decoder would silently drop.
            raw = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (UnicodeEncodeError, binascii.Error) as error:
            raise self._refused() from error
        mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._sign(payload, scope)):
            raise self._refused()
        return tuple(json.loads(payload))

    def encode_place(self, time: datetime, identifier: uuid.UUID, *, scope: str) -> str:
        """A token for the row after this one, where rows are listed by time and id."""
        return self.encode([time.isoformat(), str(identifier)], scope=scope)

    def decode_place(self, token: str, *, scope: str) -> tuple[datetime, uuid.UUID] | None:
        """The time and id in a token of `encode_place`; None for an empty one, the first page. Raises as `decode`."""
        if not token:
            return None
        time, identifier = self.decode(token, scope=scope)
        return datetime.fromisoformat(time), uuid.UUID(identifier)

    def _sign(self, payload: bytes, scope: str) -> bytes:
        scope_bytes = scope.encode()
        # The length in front keeps ("ab", "c") and ("a", "bc") apart.
        message = len(scope_bytes).to_bytes(4, "big") + scope_bytes + payload
        return hmac.digest(self._key, message, hashlib.sha256)[:_MAC_BYTES]

    @staticmethod
    def _refused() -> InvalidArgument:
        return InvalidArgument.of(
            "page_token",
            "must be the next_page_token of an earlier answer to the same query; "
            "leave it empty to start from the first page",
        )


def page_size(requested: int, default: int = PAGE_SIZE_DEFAULT, maximum: int = PAGE_SIZE_MAX) -> int:
    """How many rows to read: `default` for 0, at most `maximum` (AIP-158). Raises InvalidArgument below 0."""
    if requested < 0:
        raise InvalidArgument.of("page_size", f"must be between 0 and {maximum}; 0 or unset means {default}")
    return min(requested or default, maximum)
