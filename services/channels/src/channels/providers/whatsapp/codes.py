"""Twilio's words for how far a message has come and why it failed, in ours.

Statuses are those of the Messages resource; codes those of Twilio's error dictionary.
"""

from __future__ import annotations

from dataclasses import dataclass

from channels.model import DeliveryState, Reachability

OUTSIDE_WINDOW = "OUTSIDE_WINDOW"

# Too many requests, the channel's limit, a full queue: nothing was taken.
THROTTLING_CODES = frozenset({20429, 63018, 14107, 21611, 30001})

_STATES = {
    "delivered": DeliveryState.DELIVERED,
    "partially_delivered": DeliveryState.DELIVERED,
    "read": DeliveryState.READ,
    "failed": DeliveryState.FAILED,
    "undelivered": DeliveryState.FAILED,
    "canceled": DeliveryState.FAILED,
}


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a message was not taken or did not arrive, and what that says of its recipient."""

    reason: str
    reachability: Reachability | None = None


_NO_SUCH_NUMBER = Cause("INVALID_NUMBER", Reachability.UNDELIVERABLE)
_TEMPLATE_REFUSED = Cause("TEMPLATE_REFUSED")
_SENDER_REFUSED = Cause("SENDER_REFUSED")
_RATE_LIMITED = Cause("RATE_LIMITED")

_CAUSES = {
    21211: _NO_SUCH_NUMBER,
    21614: _NO_SUCH_NUMBER,
    63003: _NO_SUCH_NUMBER,
    63024: _NO_SUCH_NUMBER,
    30005: _NO_SUCH_NUMBER,
    21610: Cause("OPTED_OUT", Reachability.OPTED_OUT),
    63016: Cause(OUTSIDE_WINDOW),
    21602: Cause("EMPTY"),
    21617: Cause("TOO_LONG"),
    63013: Cause("AGAINST_POLICY"),
    21655: _TEMPLATE_REFUSED,
    21656: _TEMPLATE_REFUSED,
    63021: _TEMPLATE_REFUSED,
    63027: _TEMPLATE_REFUSED,
    63028: _TEMPLATE_REFUSED,
    21212: _SENDER_REFUSED,
    21603: _SENDER_REFUSED,
    21606: _SENDER_REFUSED,
    63007: _SENDER_REFUSED,
    **dict.fromkeys(THROTTLING_CODES, _RATE_LIMITED),
}

# Below are HTTP statuses, which the library gives as code where Twilio gave none.
_LOWEST_CODE = 10_000
_HIGHEST_CODE = 99_999


def cause(code: int | None, *, otherwise: str) -> Cause:
    """What an error code means; one that has no word here is named by its number, and without one by `otherwise`."""
    if code is None or not _LOWEST_CODE <= code <= _HIGHEST_CODE:
        return Cause(otherwise)
    return _CAUSES.get(code) or Cause(f"TWILIO_{code}")


def state(status: str) -> DeliveryState:
    """How far a message of this status has come. A status that is new to us still says that Twilio has the message."""
    return _STATES.get(status.strip().lower(), DeliveryState.SENT)
