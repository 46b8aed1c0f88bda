"""What a bounce says of a mail of ours (RFC 3464)."""

from __future__ import annotations

import re

from channels.model import Bounce
from channels.providers.gmail.headers import parse_headers
from channels.providers.gmail.loops import DELIVERY_HEADER
from channels.providers.gmail.mime import Mail

_BLANK_LINE = re.compile(rb"\r?\n[ \t]*\r?\n")
_BLOCKS_MAX = 100
_PARCEL_KEY = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.[1-9][0-9]{0,3}")
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,250}>")
_FAILED = re.compile(r"failed\b", re.IGNORECASE)
_STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")
# Permanent for this mail, and no word on the address: full, too large, not liked (RFC 3463).
_ABOUT_THE_MAIL = re.compile(r"5\.(?:2\.[23]|3\.4|6\.\d+|7\.\d+)")
_UNSPECIFIED = "5.0.0"


def bounce_of(mail: Mail) -> Bounce | None:
    """What a delivery status notification says; None for one that is no failure, or of no mail that could be ours.

    Anybody can forge one: it names a mail of ours by the header that only its recipient has seen, or its Message-ID,
    and says nothing of any address but the one that mail went to.
    """
    if mail.report_type != "delivery-status" or mail.returned is None:
        return None
    status = _failure(mail.report)
    key = _PARCEL_KEY.fullmatch(mail.returned.first(DELIVERY_HEADER.lower()).strip())
    message_id = _MESSAGE_ID.fullmatch(mail.returned.first("message-id").strip())
    if status is None or (key is None and message_id is None):
        return None
    return Bounce(
        parcel_key=key.group() if key else "",
        message_id=message_id.group() if message_id else "",
        undeliverable=status.startswith("5.") and _ABOUT_THE_MAIL.fullmatch(status) is None,
    )


def _failure(report: bytes) -> str | None:
    """The status of the first recipient whom the mail failed to reach; None while it is late, or has arrived.

    A report has a block of fields for the mail, and one for each recipient. We write to one at a time.
    """
    for block in _BLANK_LINE.split(report, _BLOCKS_MAX):
        fields = parse_headers(block)
        if _FAILED.match(fields.first("action").strip()):
            status = _STATUS.match(fields.first("status").strip())
            return status.group() if status else _UNSPECIFIED
    return None
