"""Who writes to us, and who counts as one."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import hmac
import ipaddress
import re

from email_validator import EmailNotValidError, validate_email

from channels.model.vocabulary import SenderType
from meshkit.errors import InvalidArgument

# RFC 5321, 4.5.3.1, and the dot-atom of RFC 5322, 3.2.3.
_LOCAL_CHARACTERS_MAX = 64
_ADDRESS_CHARACTERS_MAX = 254
_DOT_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")


@dataclasses.dataclass(frozen=True, slots=True)
class Sender:
    """Who sent a message: the identifier as it came in, and whether the provider vouches for it."""

    type: SenderType
    value: str
    display_name: str
    verified: bool

    @property
    def key(self) -> str:
        """One spelling for one mailbox or number: what counts, caps and lists of recipients go by."""
        if self.type is SenderType.PHONE:
            return self.value
        try:
            return sender_key(self.value)
        except InvalidArgument:
            # Mail comes from addresses that no standard allows, too.
            return self.value.strip().lower()


def sender_key(email: str) -> str:
    """One spelling for one mailbox: lower case, the domain in its ASCII form (IDNA). Nothing is looked up.

    Raises InvalidArgument on `email` for an address that cannot exist (RFC 5321).
    """
    local, _, domain = email.rpartition("@")
    try:
        if _DOT_ATOM.fullmatch(local) and len(local) <= _LOCAL_CHARACTERS_MAX:
            # Nearly all: nothing of the local part needs to be looked at again, and their domains are few.
            key = f"{local}@{_ascii_domain(domain)}"
            if len(key) <= _ADDRESS_CHARACTERS_MAX:
                return key.lower()
        address = validate_email(email, check_deliverability=False)
    except EmailNotValidError as error:
        rule = "must be an e-mail address that can exist, such as name@example.com"
        raise InvalidArgument.of("email", rule) from error
    return f"{address.local_part}@{address.ascii_domain}".lower()


@functools.lru_cache(maxsize=4096)
def _ascii_domain(domain: str) -> str:
    return validate_email(f"a@{domain}", check_deliverability=False).ascii_domain or domain


def sender_hash(key: bytes, cap: str, sender: str) -> bytes:
    """HMAC-SHA256 of a sender, so that a cap can be kept without keeping addresses."""
    return hmac.digest(key, f"{cap} {sender}".encode(), hashlib.sha256)


@functools.lru_cache(maxsize=4096)
def client_network(address: str) -> str | None:
    """What counts as one network address: an IPv4 address, or the /64 that one IPv6 household gets. None if neither."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))
