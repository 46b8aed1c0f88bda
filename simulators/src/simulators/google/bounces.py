"""Delivery status notifications, as Google's mail servers send them back (RFC 3464)."""

from __future__ import annotations

import secrets
from datetime import datetime
from email.utils import format_datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from simulators.google import mime


class Bounce(BaseModel):
    """What happens to mails for one address: when, and with which status code (RFC 3463)."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    address: str = Field(min_length=3, max_length=320)
    action: Literal["failed", "delayed"] = "failed"
    status: str = Field(default="5.1.1", pattern=r"^[245]\.\d{1,3}\.\d{1,3}$")
    diagnostic: str = "550-5.1.1 The email account that you tried to reach does not exist."
    delay_seconds: float = Field(default=0.0, ge=0, le=3600, alias="delaySeconds")


def notification(bounce: Bounce, original: bytes, to: str, at: datetime) -> bytes:
    """The mail that tells of the bounce, in the thread of the original, with the original in it."""
    stamp, boundary = format_datetime(at), secrets.token_hex(14)
    headers = mime.headers(original)
    original_id = next((value.strip() for name, value in headers if name.lower() == "message-id"), "")
    delayed = bounce.action == "delayed"
    lines = [
        f"Delivered-To: {to}",
        f"Received: by 2002:a05:6402:350f::1 with SMTP id {secrets.token_hex(8)};",
        f"        {stamp}",
        "Authentication-Results: mx.google.com;",
        "       dkim=pass header.i=@googlemail.com header.s=20230601;",
        "       spf=pass (google.com: best guess record for domain of postmaster@mail.google.com);",
        "       dmarc=pass (p=QUARANTINE sp=QUARANTINE dis=NONE) header.from=googlemail.com",
        "Return-Path: <>",
        "From: Mail Delivery Subsystem <mailer-daemon@googlemail.com>",
        f"To: {to}",
        "Auto-Submitted: auto-replied",
        f"Subject: Delivery Status Notification ({'Delay' if delayed else 'Failure'})",
        f"References: {original_id}",
        f"In-Reply-To: {original_id}",
        f"X-Failed-Recipients: {bounce.address}",
        f"Message-ID: <{secrets.token_hex(12)}.GMR@mx.google.com>",
        f"Date: {stamp}",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; boundary="{boundary}"; report-type=delivery-status',
        "",
        f"--{boundary}",
        'Content-Type: text/plain; charset="UTF-8"',
        "",
        "** Delivery incomplete **" if delayed else "** Address not found **",
        "",
        f"The mail to {bounce.address} {'is delayed' if delayed else 'was not delivered'}.",
        bounce.diagnostic,
        "",
        f"--{boundary}",
        "Content-Type: message/delivery-status",
        "",
        "Reporting-MTA: dns; googlemail.com",
        f"Arrival-Date: {stamp}",
        f"X-Original-Message-ID: {original_id}",
        "",
        f"Final-Recipient: rfc822; {bounce.address}",
        f"Action: {bounce.action}",
        f"Status: {bounce.status}",
        f"Diagnostic-Code: smtp; {bounce.diagnostic}",
        f"Last-Attempt-Date: {stamp}",
        "",
        f"--{boundary}",
        "Content-Type: message/rfc822",
        "",
    ]
    head = "".join(f"{line}\r\n" for line in lines).encode("utf-8", "replace")
    return head + original.rstrip(b"\r\n") + f"\r\n--{boundary}--\r\n".encode()
