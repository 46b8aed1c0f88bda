"""What the load generator sends: forms, and what providers call the house for."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlencode

from simulators.twilio.webhooks import signature

HOST = "127.0.0.1"
FORM_PATH = "/api/v1/support/form"
WHATSAPP_PATH = "/api/v1/webhooks/whatsapp"
GMAIL_PATH = "/api/v1/webhooks/gmail"


class Requests(Protocol):
    """A kind of request. It is handed to the generator's process, so its state must be picklable."""

    def request(self, run: str, number: int, port: int) -> bytes:
        """One request over HTTP/1.1, unlike every other of any run."""
        ...

    def name(self, body: bytes) -> str:
        """What an answer calls the thing that was accepted; empty where it says nothing."""
        ...


@dataclass(frozen=True)
class Question:
    """What a form asks."""

    subject: str
    message: str


@dataclass(frozen=True)
class Forms:
    """Forms that ask these questions in turn, each under an idempotency key of its own."""

    questions: Sequence[Question]

    def request(self, run: str, number: int, port: int) -> bytes:
        """The form as a browser sends it."""
        question = self.questions[number % len(self.questions)]
        body = json.dumps(
            {
                "name": f"Customer {number}",
                "email": f"customer-{run}-{number}@example.com",
                "subject": question.subject,
                "category": "technical",
                "priority": "PRIORITY_MEDIUM",
                "message": question.message,
            }
        ).encode()
        headers = {"content-type": "application/json", "idempotency-key": f"{run}-{number}"}
        return _post(FORM_PATH, port, headers, body)

    def name(self, body: bytes) -> str:
        """The ticket's reference."""
        reference: str = json.loads(body)["reference"]
        return reference


@dataclass(frozen=True)
class WhatsappMessages:
    """Messages as Twilio passes them on, each of a customer of its own, signed for `public_url`."""

    account_sid: str
    auth_token: str
    public_url: str
    own_number: str
    texts: Sequence[str]

    def request(self, run: str, number: int, port: int) -> bytes:
        """The webhook with its signature."""
        digest = hashlib.md5(f"{run}-{number}".encode(), usedforsecurity=False).hexdigest()
        sid, customer = f"SM{digest}", f"49{int(digest[:12], 16) % 10**11:011d}"
        parameters = {
            "AccountSid": self.account_sid,
            "ApiVersion": "2010-04-01",
            "Body": self.texts[number % len(self.texts)],
            "From": f"whatsapp:+{customer}",
            "MessageSid": sid,
            "MessageType": "text",
            "NumMedia": "0",
            "NumSegments": "1",
            "ProfileName": f"Customer {number}",
            "ReferralNumMedia": "0",
            "SmsMessageSid": sid,
            "SmsSid": sid,
            "SmsStatus": "received",
            "To": f"whatsapp:{self.own_number}",
            "WaId": customer,
        }
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            "x-twilio-signature": signature(self.public_url + WHATSAPP_PATH, parameters, self.auth_token),
        }
        return _post(WHATSAPP_PATH, port, headers, urlencode(parameters).encode())

    def name(self, body: bytes) -> str:
        """Nothing: Twilio is told that it was taken, and no more."""
        return ""


@dataclass(frozen=True)
class GmailPushes:
    """Pub/Sub's pushes under one token, as it shows one for up to an hour; each tells of a change after all others."""

    authorization: str
    mailbox: str

    def request(self, run: str, number: int, port: int) -> bytes:
        """The push."""
        history_id = time.time_ns() // 1000
        change = json.dumps({"emailAddress": self.mailbox, "historyId": history_id}).encode()
        message = {"data": base64.b64encode(change).decode(), "messageId": f"{run}-{number}"}
        body = json.dumps({"message": message, "subscription": "projects/bench/subscriptions/gmail"}).encode()
        return _post(GMAIL_PATH, port, {"content-type": "application/json", "authorization": self.authorization}, body)

    def name(self, body: bytes) -> str:
        """Nothing: a push is acknowledged, and no more."""
        return ""


def _post(path: str, port: int, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        f"host: {HOST}:{port}",
        f"content-length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
