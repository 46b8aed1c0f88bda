"""Mail that nobody is to answer: machines must not talk to each other (RFC 3834)."""

from __future__ import annotations

import re

from channels.model import Sender, Suppression
from channels.providers.gmail.headers import Headers, decoded
from channels.providers.gmail.mime import Mail

# Names this very mail of ours; written by us, so a mail that comes in with it is our own.
DELIVERY_HEADER = "X-FTE-Delivery"
# What our List-Unsubscribe asks for, by itself or with the reference of a ticket.
UNSUBSCRIBE = "unsubscribe"

_PRECEDENCES = frozenset({"bulk", "list", "auto_reply", "junk"})
_AUTOMATIC = ("x-auto-response-suppress", "x-autoreply", "x-autorespond", "x-autoresponse", "x-loop")
_DAEMONS = frozenset({"mailer-daemon", "postmaster"})
_UNSUBSCRIBE = re.compile(rf"{UNSUBSCRIBE}(?: TKT-[0-9A-Z]{{6}})?", re.IGNORECASE)


def suppression_of(mail: Mail, sender: Sender | None, own_address: str) -> Suppression | None:
    """Why this mail is not answered, None for one that a person seems to have written.

    By the rules of RFC 3834 and what is in use beside it: anything marked as automatic, mailing lists, bounces, read
    receipts, mail without an address to answer, and our own.
    """
    headers = mail.headers
    if headers.has(DELIVERY_HEADER.lower()) or (sender is not None and sender.value.lower() == own_address.lower()):
        return Suppression.OWN_MAIL
    local = sender.value.partition("@")[0].lower() if sender is not None else ""
    if mail.report_type == "delivery-status" or local in _DAEMONS:
        return Suppression.BOUNCE
    if sender is None or mail.report_type or _is_automatic(headers):
        return Suppression.AUTOMATIC
    if _UNSUBSCRIBE.fullmatch(decoded(headers.first("subject"))):
        return Suppression.OPT_OUT
    return None


def _is_automatic(headers: Headers) -> bool:
    submitted = [value.partition(";")[0].strip().lower() for value in headers.all("auto-submitted")]
    precedences = {value.strip().lower() for value in headers.all("precedence")}
    return (
        any(value != "no" for value in submitted)
        or headers.first("return-path").strip() == "<>"
        or not precedences.isdisjoint(_PRECEDENCES)
        or any(headers.has(name) for name in _AUTOMATIC)
        or any(name.startswith("list-") for name, _ in headers.fields)
    )
