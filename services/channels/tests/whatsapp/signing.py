"""Twilio's side of a webhook: signed as its page "Webhooks security" describes, without its library."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from channels.providers.whatsapp import TwilioEar

PUBLIC_URL = "https://support.techcorp.example"
ACCOUNT = "AC" + "5" * 32
TOKEN = "a token of the tests"
PREVIOUS_TOKEN = "the token before"
OWN_NUMBER = "+12025550142"
CUSTOMER = "+12125550111"
SID = "SM" + "0123456789abcdef" * 2

MESSAGE_PATH = "/api/v1/webhooks/whatsapp"
STATUS_PATH = "/api/v1/webhooks/whatsapp/status"
FORM = "application/x-www-form-urlencoded"


def ear(
    *,
    public_url: str = PUBLIC_URL,
    account_sid: str = ACCOUNT,
    tokens: Sequence[str] = (TOKEN, PREVIOUS_TOKEN),
    own_number: str = OWN_NUMBER,
) -> TwilioEar:
    """An ear for this account."""
    return TwilioEar(public_url=public_url, account_sid=account_sid, tokens=tokens, own_number=own_number)


def message(**changed: str) -> dict[str, str]:
    """The parameters of a WhatsApp message as Twilio sends them, `changed` over them."""
    return {
        "SmsMessageSid": SID,
        "NumMedia": "0",
        "ProfileName": "Marco",
        "MessageType": "text",
        "SmsSid": SID,
        "WaId": CUSTOMER[1:],
        "SmsStatus": "received",
        "Body": "How do I export a board?",
        "To": f"whatsapp:{OWN_NUMBER}",
        "NumSegments": "1",
        "ReferralNumMedia": "0",
        "MessageSid": SID,
        "AccountSid": ACCOUNT,
        "From": f"whatsapp:{CUSTOMER}",
        "ApiVersion": "2010-04-01",
        **changed,
    }


def signature(url: str, pairs: Sequence[tuple[str, str]] = (), token: str = TOKEN) -> str:
    """The signature of a POST: the address, then names and values in the order of their names."""
    signed = url + "".join(name + value for name, value in sorted(set(pairs)))
    return base64.b64encode(hmac.digest(token.encode(), signed.encode(), hashlib.sha1)).decode()


def signed(
    parameters: Mapping[str, str], *, path: str = MESSAGE_PATH, origin: str = PUBLIC_URL, token: str = TOKEN
) -> tuple[bytes, str, str, str]:
    """A webhook with these parameters: body, content type, path and signature."""
    return (
        urlencode(parameters).encode(),
        FORM,
        path,
        signature(origin + path, list(parameters.items()), token),
    )
