"""The two names a request carries through the mesh: its request id, and its W3C trace context."""

from __future__ import annotations

import random
import re

REQUEST_ID_KEY = "x-request-id"
TRACEPARENT_KEY = "traceparent"

# These names only tell calls apart; nothing rests on nobody guessing them, so the quick generator will do.
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}").fullmatch
# Version 00 only: https://www.w3.org/TR/trace-context/#version-format. Ids of zeros mean "none".
_TRACE_ID = re.compile(r"(?!0{16})[0-9a-f]{32}").fullmatch
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}").fullmatch


def is_request_id(value: object) -> bool:
    """Whether a caller's request id can be taken over: 1 to 64 of letters, digits, `.`, `_` and `-`."""
    return isinstance(value, str) and _REQUEST_ID(value) is not None


def is_traceparent(value: object) -> bool:
    """Whether a caller's `traceparent` is a well-formed one of version 00."""
    return isinstance(value, str) and _TRACEPARENT(value) is not None


def new_request_id() -> str:
    """A request id for a call that brought none: 32 hexadecimal digits."""
    return f"{random.getrandbits(128):032x}"


def traceparent_for(request_id: str) -> str:
    """A trace context that starts here, not sampled: whoever exports traces decides about its own.

    Its trace id is the request id where that has the form of one, so that either finds the same lines.
    """
    digits = request_id if _TRACE_ID(request_id) else new_request_id()
    return f"00-{digits}-{digits[:16]}-00"
