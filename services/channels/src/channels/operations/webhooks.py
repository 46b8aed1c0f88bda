"""What providers call us for: a message, a receipt, a hint. Proved, read, and durable before it is answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from channels.model import Channel, Heard, Hint, Receipt
from channels.providers.base import PushEar, WhatsappEar


class WhatsappWebhooks:
    """Takes Twilio's calls: `file` makes a message durable, `note` what is said of one of ours."""

    def __init__(
        self,
        ear: WhatsappEar,
        *,
        file: Callable[[Heard], Awaitable[bool]],
        note: Callable[[Channel, Receipt], Awaitable[bool]],
    ) -> None:
        self._ear = ear
        self._file = file
        self._note = note

    async def receive_message(self, body: bytes, content_type: str, path: str, signature: str) -> None:
        """Files the message that Twilio passes on, or knows it already.

        Raises BadSignature, WrongAccount, WebhookUnreadable, Unavailable.
        """
        heard = self._ear.heard(body, content_type, path, signature)
        if heard is not None:
            await self._file(heard)

    async def receive_status(self, body: bytes, content_type: str, path: str, signature: str) -> None:
        """Notes how far a message of ours has come. Raises as `receive_message`."""
        receipt = self._ear.receipt(body, content_type, path, signature)
        if receipt is not None:
            await self._note(Channel.WHATSAPP, receipt)


class GmailWebhooks:
    """Takes Pub/Sub's pushes: `notice` keeps the hint and wakes whoever walks the mailbox."""

    def __init__(self, ear: PushEar, *, notice: Callable[[Hint], Awaitable[None]]) -> None:
        self._ear = ear
        self._notice = notice

    async def receive_push(self, authorization: str, body: bytes) -> None:
        """Notes that something changed in the mailbox; the mails are not waited for.

        Raises BadToken, WebhookUnreadable, Unavailable.
        """
        hint = await self._ear.hint(authorization, body)
        if hint is not None:
            await self._notice(hint)
