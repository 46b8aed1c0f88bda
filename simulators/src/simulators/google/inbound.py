"""Mails as somebody out there writes them, and as Google's servers take them in."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from datetime import datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from simulators.google import mime
from simulators.google.mailbox import address_of

_BASE64 = re.compile(r"[A-Za-z0-9+/=_\-\s]*")


class Attachment(BaseModel):
    """A file that comes with a mail. `content` is base64."""

    model_config = ConfigDict(extra="forbid")

    name: str
    type: str = Field(default="application/octet-stream", pattern=r"^[\w.+-]+/[\w.+-]+$")
    content: str = ""


class InboundMail(BaseModel):
    """What is to arrive. `headers` replace or add; a list writes one header several times, null leaves it out.

    `raw` is a whole mail, as its text or as base64 of it, and the fields that would compose one are ignored then.
    `authenticated` is what the receiver's own check found: passed, failed, or null for no check at all.
    """

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    sender: str = Field(default="", alias="from")
    subject: str = ""
    text: str | None = None
    html: str | None = None
    headers: dict[str, str | list[str] | None] = {}
    attachments: Annotated[list[Attachment], Field(max_length=1000)] = []
    raw: str | None = None
    authenticated: bool | None = True
    labels: Annotated[list[str], Field(max_length=100)] = ["INBOX", "UNREAD"]
    count: Annotated[int, Field(ge=1, le=1000)] = 1
    push: bool = True


def compose(mail: InboundMail, to: str, at: datetime) -> bytes:
    """The mail as its sender's server hands it over. Raises ValueError for base64 that is none."""
    if mail.raw is not None:
        return _raw(mail.raw)
    body = EmailMessage(policy=SMTP)
    if mail.text is not None or mail.html is None:
        body.set_content(mail.text or "")
        if mail.html is not None:
            body.add_alternative(mail.html, subtype="html")
    else:
        body.set_content(mail.html, subtype="html")
    for file in mail.attachments:
        maintype, _, subtype = file.type.partition("/")
        octets = base64.b64decode(file.content, validate=True)
        if maintype in ("message", "multipart"):
            # The library would attach these as mails; as a file they are bytes.
            maintype, subtype = "application", "octet-stream"
        body.add_attachment(octets, maintype=maintype, subtype=subtype, filename=file.name)
    domain = address_of(mail.sender).rpartition("@")[2] or "mail.invalid"
    envelope: dict[str, str | list[str] | None] = {
        "From": mail.sender,
        "To": to,
        "Subject": mail.subject,
        "Date": format_datetime(at),
        "Message-ID": f"<{secrets.token_hex(12)}@{domain}>",
    }
    own = {name.lower() for name in mail.headers}
    lines = [_lines(name, value) for name, value in envelope.items() if name.lower() not in own]
    lines += [_lines(name, value) for name, value in mail.headers.items()]
    return mime.with_headers(body.as_bytes(), drop=own, top="".join(lines))


def receive(raw: bytes, to: str, at: datetime, *, authenticated: bool | None) -> bytes:
    """The mail as it lies in the mailbox: the receiving server's headers on top of all that came with it."""
    headers = mime.headers(raw)
    sender = address_of(next((value for name, value in headers if name.lower() == "from"), ""))
    domain = sender.rpartition("@")[2] or "mail.invalid"
    names = {name.lower() for name, _ in headers}
    token, stamp = secrets.token_hex(8), format_datetime(at)
    top = [
        f"Delivered-To: {to}\r\n",
        f"Received: by 2002:a05:6402:350f::1 with SMTP id {token};\r\n        {stamp}\r\n",
    ]
    if authenticated is not None:
        top.append(_authentication_results(sender, domain, passed=authenticated))
    if "return-path" not in names:
        top.append(f"Return-Path: <{sender}>\r\n")
    top.append(
        f"Received: from mx.{domain} (mx.{domain}. [203.0.113.25])\r\n"
        f"        by mx.google.com with ESMTPS id {token}\r\n        for <{to}>; {stamp}\r\n"
    )
    return mime.with_headers(raw, drop=(), top="".join(top))


def _authentication_results(sender: str, domain: str, *, passed: bool) -> str:
    if passed:
        dkim, spf, dmarc = f"pass header.i=@{domain} header.s=s1", "pass", "pass (p=REJECT sp=REJECT dis=NONE)"
    else:
        dkim, spf, dmarc = f"fail header.i=@{domain} header.s=s1", "softfail", "fail (p=NONE sp=NONE dis=NONE)"
    return (
        "Authentication-Results: mx.google.com;\r\n"
        f"       dkim={dkim};\r\n"
        f"       spf={spf} (google.com: domain of {sender}) smtp.mailfrom={sender};\r\n"
        f"       dmarc={dmarc} header.from={domain}\r\n"
    )


def _lines(name: str, value: str | list[str] | None) -> str:
    values = [] if value is None else [value] if isinstance(value, str) else value
    return "".join(f"{name}: {_encoded(each)}\r\n" for each in values)


def _encoded(value: str) -> str:
    if value.isascii():
        # As it was given, line breaks too: hostile mail is what this is for.
        return value
    if match := re.fullmatch(r"(.*\S)\s*(<[^<>]*>)", value):
        # An encoded word may not hold the address itself (RFC 2047 section 5).
        name = match[1].strip('"')
        return f"{Header(name, 'utf-8').encode(linesep=chr(13) + chr(10))} {match[2]}"
    return Header(value, "utf-8").encode(linesep="\r\n")


def _raw(text: str) -> bytes:
    # A mail has a colon in its first line, base64 has none anywhere.
    if not _BASE64.fullmatch(text):
        return text.encode("utf-8", "surrogateescape")
    try:
        return mime.from_base64url("".join(text.split()).replace("+", "-").replace("/", "_").rstrip("="))
    except binascii.Error as error:
        raise ValueError("raw is neither a mail's text nor base64 of one") from error
