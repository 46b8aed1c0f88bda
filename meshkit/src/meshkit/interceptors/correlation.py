"""The two names a request carries through the mesh: its request id, and its W3C trace context."""

from __future__ import annotations

import re
import secrets

REQUEST_ID_KEY = "x-request-id"
TRACEPARENT_KEY = "traceparent"

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}").fullmatch
# Version 00 only: https://www.w3.org/TR/trace-context/#version-format. Ids of zeros mean "none".
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}").fullmatch


def is_request_id(value: object) -> bool:
    """Whether a caller's request id can be taken over: 1 to 64 of letters, digits, `.`, `_` and `-`."""
    return isinstance(value, str) and _REQUEST_ID(value) is not None


def is_traceparent(value: object) -> bool:
    """Whether a caller's `traceparent` is a well-formed one of version 00."""
    return isinstance(value, str) and _TRACEPARENT(value) is not None


def new_request_id() -> str:
    """A request id for a call that brought none: 32 hexadecimal digits."""
    return secrets.token_hex(16)


def new_traceparent() -> str:
    """A trace context that starts here, not sampled: whoever exports traces decides about its own."""
    digits = secrets.token_hex(24)
    return f"00-{digits[:32]}-{digits[32:]}-00"
