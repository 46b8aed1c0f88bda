"""Mails as tests write them."""

from __future__ import annotations

from datetime import UTC, datetime

from channels.providers.gmail.ear import HeardMail, Received, hear

OUR_ADDRESS = "support@techcorp.example"
RECEIVE_TIME = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PASSED = (
    "mx.google.com; dkim=pass header.i=@customer.example; dmarc=pass (p=NONE dis=NONE) header.from=customer.example"
)


def mail(*headers: str, body: str | bytes = "How do I export a board?") -> bytes:
    """A mail of Ada's with these headers on top of hers; one that names From or Subject takes that one's place."""
    names = {header.partition(":")[0].lower() for header in headers}
    own = (
        "From: Ada Lovelace <ada@customer.example>",
        f"To: {OUR_ADDRESS}",
        "Subject: Export",
        "Message-ID: <one@customer.example>",
    )
    lines = [*headers, *(header for header in own if header.partition(":")[0].lower() not in names)]
    head = "\r\n".join(line for line in lines if line.partition(":")[2])
    return head.encode("utf-8", "surrogateescape") + b"\r\n\r\n" + (body.encode() if isinstance(body, str) else body)


def heard(raw: bytes) -> HeardMail:
    """What is heard of these bytes."""
    return hear(Received("gmail-1", "thread-1", RECEIVE_TIME, raw), OUR_ADDRESS)


def multipart(kind: str, *parts: str, boundary: str = "cut") -> tuple[str, str]:
    """The Content-Type header and the body of parts, each with its own headers."""
    body = "".join(f"--{boundary}\r\n{part}\r\n" for part in parts) + f"--{boundary}--\r\n"
    return f'Content-Type: multipart/{kind}; boundary="{boundary}"', body
