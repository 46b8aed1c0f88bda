"""What Twilio calls us for."""

from __future__ import annotations

from collections.abc import Sequence

from channels.errors import WrongAccount
from channels.model import Heard, Receipt
from channels.providers.whatsapp.inbound import read_message
from channels.providers.whatsapp.receipts import read_receipt
from channels.providers.whatsapp.signature import Parameters, Signatures


class TwilioEar:
    """Proves and reads Twilio's webhooks. `tokens` are the current auth token and, while it rotates, the one before."""

    def __init__(self, *, public_url: str, account_sid: str, tokens: Sequence[str], own_number: str) -> None:
        self._signatures = Signatures(public_url, tokens)
        self._account_sid = account_sid
        self._own_number = own_number.removeprefix("whatsapp:")

    def heard(self, body: bytes, content_type: str, path: str, signature: str) -> Heard:
        """The customer's message that a webhook brings, with its suppression where it is none to be answered.

        Raises BadSignature, WrongAccount, WebhookUnreadable.
        """
        return read_message(self._of_ours(body, content_type, path, signature), self._own_number)

    def receipt(self, body: bytes, content_type: str, path: str, signature: str) -> Receipt:
        """What a status callback says of a message of ours. Raises as `heard`."""
        return read_receipt(self._of_ours(body, content_type, path, signature))

    def _of_ours(self, body: bytes, content_type: str, path: str, signature: str) -> Parameters:
        parameters = self._signatures.verified(body, content_type, path, signature)
        account = parameters.one("AccountSid")
        if not account or account != self._account_sid:
            raise WrongAccount
        return parameters
