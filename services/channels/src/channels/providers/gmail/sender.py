"""Who sent a mail, and whether that is proved."""

from __future__ import annotations

import re

from channels import model
from channels.model import Sender, SenderType
from channels.providers.gmail.headers import Headers, decoded, one_line
from meshkit.errors import InvalidArgument

# Gmail's name in the Authentication-Results that it adds (RFC 8601, 2.5).
AUTHENTICATING_SERVER = "mx.google.com"

# One mailbox (RFC 5322, 3.4): an address alone, or a name and an address in angle brackets. What is more than that,
# comments, groups, several mailboxes, is read differently by different programs, and so nobody's proof is about it.
_ONE_MAILBOX = re.compile(r'\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<words>[^"<>@,:;]*))\s*<(?P<address>[^<>\s"]+)>\s*')
_ALONE = re.compile(r"\s*(?P<address>[^<>\s\",:;()]+@[^<>\s\",:;()]+)\s*")
_SOME_ADDRESS = re.compile(r"[^<>\s\",:;()@]{1,64}@[^<>\s\",:;()@]{1,255}")
_ESCAPED = re.compile(r"\\(.)")
_COMMENT = re.compile(r"\([^()]*\)")
_COMMENTS_DEPTH_MAX = 10
_LIKE_AN_ADDRESS = re.compile(r"@|://|\bwww\.")


def sender_of(headers: Headers) -> Sender | None:
    """Who the mail says it is from; None where there is no address that can be answered.

    `verified` only where there is one From with one mailbox, and Gmail itself says, in the topmost
    Authentication-Results, that DMARC passed for the domain of that very address (RFC 7489, 8601). A name that looks
    like an address is left out: it is there to be taken for one.
    """
    fields = list(headers.all("from"))
    if not fields:
        return None
    match = _ONE_MAILBOX.fullmatch(fields[0]) or _ALONE.fullmatch(fields[0])
    if match is None:
        found = _SOME_ADDRESS.search(fields[0])
        address, name = (found.group(), "") if found else ("", "")
    else:
        address, name = match["address"], _display_name(match.groupdict())
    try:
        key = model.sender_key(address)
    except InvalidArgument:
        return None
    # The address as it is written, unless its domain needs another alphabet: that is where look-alikes are.
    value = address if address.isascii() else key
    proved = match is not None and len(fields) == 1 and _dmarc_passed(headers, key.rpartition("@")[2])
    return Sender(SenderType.EMAIL, value, name, verified=proved)


def _display_name(groups: dict[str, str | None]) -> str:
    quoted = groups.get("quoted")
    name = _ESCAPED.sub(r"\1", quoted) if quoted is not None else groups.get("words") or ""
    name = decoded(name)
    return "" if _LIKE_AN_ADDRESS.search(name) else name[: model.NAME_CHARACTERS_MAX].strip()


def _dmarc_passed(headers: Headers, domain: str) -> bool:
    # Only the topmost: Gmail adds its own above everything that came in, and whatever is below anybody can write.
    results = _without_comments(headers.first("authentication-results")).split(";")
    server = results[0].split()
    if not server or server[0].lower() != AUTHENTICATING_SERVER:
        return False
    verdicts = [result.split() for result in results[1:] if result.strip().lower().startswith("dmarc")]
    if len(verdicts) != 1:
        return False
    method, *properties = (token.lower() for token in verdicts[0])
    return method == "dmarc=pass" and f"header.from={domain}" in properties


def _without_comments(value: str) -> str:
    value = one_line(value)
    for _ in range(_COMMENTS_DEPTH_MAX):
        shorter = _COMMENT.sub(" ", value)
        if shorter == value:
            break
        value = shorter
    return value
