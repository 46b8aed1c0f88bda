"""What messages.send accepts, what becomes of it, and the truth of all that was accepted."""

from __future__ import annotations

import binascii
import re
import secrets
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime, getaddresses
from typing import Any

from simulators.google import mime
from simulators.google.errors import ApiError, invalid_argument, not_found
from simulators.google.mailbox import Mailbox, Message, address_of

RAW_BYTES_MAX = 36_700_160
_RECIPIENTS_MAX = 500


@dataclass(slots=True)
class Truth:
    """The mails that were accepted for sending, oldest first: what the customer has, whatever the caller heard.

    Beyond a number of mails, or of characters in their texts, the oldest are forgotten, and counted, so that nobody
    takes a part for the whole.
    """

    mails_max: int = 50_000
    characters_max: int = 128 * 1024 * 1024
    forgotten: int = 0
    _sent: deque[dict[str, Any]] = field(default_factory=deque)
    _characters: int = 0

    def record(self, message: Message, recipients: list[str]) -> None:
        """Notes a mail as accepted."""
        text, html = mime.texts(message.raw)
        entry: dict[str, Any] = {
            "id": message.id,
            "threadId": message.thread_id,
            "to": ", ".join(recipients),
            "subject": message.header("Subject"),
            # Of headers with one name the topmost counts.
            "headers": dict(reversed(message.headers)),
            "text": text,
        }
        if html:
            entry["html"] = html
        self._sent.append(entry)
        self._characters += len(text) + len(html)
        while len(self._sent) > self.mails_max or (self._characters > self.characters_max and len(self._sent) > 1):
            oldest = self._sent.popleft()
            self._characters -= len(oldest["text"]) + len(oldest.get("html", ""))
            self.forgotten += 1

    def all(self) -> list[dict[str, Any]]:
        """Everything that is known, in the order of acceptance."""
        return list(self._sent)


def accept(body: Mapping[str, Any], mailbox: Mailbox, at: datetime, truth: Truth) -> Message:
    """Takes a mail for sending: the copy that lies in the mailbox under SENT.

    Its Message-ID is Gmail's own, whatever was given; a From that is not the mailbox's address is replaced, too; all
    other headers stay. It joins the given thread only when References or In-Reply-To and Subject fit, as the
    resource Message documents, and starts one of its own otherwise. Raises ApiError.
    """
    raw = _raw(body)
    headers = mime.headers(raw)
    addressed = recipients(headers)
    thread_id = body.get("threadId")
    if thread_id is not None and thread_id not in mailbox.threads:
        raise not_found()
    joined = mailbox.thread_for(headers, among=thread_id) if thread_id else None
    own = {name.lower() for name, _ in headers}
    drop, top = {"message-id", "return-path"}, _received(at)
    sender = next((value for name, value in headers if name.lower() == "from"), "")
    if address_of(sender) != mailbox.address:
        drop.add("from")
        top += f"From: {mailbox.address}\r\n"
    if "date" not in own:
        top += f"Date: {format_datetime(at)}\r\n"
    top += f"Message-ID: <CA{secrets.token_urlsafe(24)}{secrets.token_urlsafe(18)}@mail.gmail.com>\r\n"
    to_itself = mailbox.address in addressed
    labels = {"SENT", "INBOX", "UNREAD"} if to_itself else {"SENT"}
    message = mailbox.add(mime.with_headers(raw, drop=drop, top=top), labels, thread_id=joined)
    truth.record(message, addressed)
    return message


def recipients(headers: tuple[tuple[str, str], ...]) -> list[str]:
    """Whom a mail is for, in lower case: To, Cc and Bcc. Raises ApiError (400) when that is nobody."""
    fields = [value for name, value in headers if name.lower() in ("to", "cc", "bcc")]
    addresses = [address.lower() for _, address in getaddresses(fields) if address]
    if not addresses:
        raise invalid_argument("Recipient address required")
    if len(addresses) > _RECIPIENTS_MAX:
        raise invalid_argument("Too many recipients")
    if any(not re.fullmatch(r"[^@\s<>]+@[^@\s<>]+", address) for address in addresses):
        raise invalid_argument("Invalid To header")
    return addresses


def _raw(body: Mapping[str, Any]) -> bytes:
    encoded = body.get("raw")
    if not isinstance(encoded, str) or not encoded:
        raise invalid_argument("'raw' RFC822 payload message string or uploading message via /upload/* URL required")
    try:
        raw = mime.from_base64url(encoded)
    except (binascii.Error, ValueError):
        raise invalid_argument("Invalid value at 'message.raw' (TYPE_BYTES), Base64 decoding failed") from None
    if len(raw) > RAW_BYTES_MAX:
        raise ApiError(413, "uploadTooLarge", "Request Too Large", "INVALID_ARGUMENT")
    return raw


def _received(at: datetime) -> str:
    return f"Received: from 1049387265 named unknown by gmailapi.google.com with HTTPREST; {format_datetime(at)}\r\n"
