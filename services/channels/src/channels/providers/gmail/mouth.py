"""Answers by mail: composed, sent in their threads, and looked up where nobody knows whether they went."""

from __future__ import annotations

import base64
import email.policy
from collections.abc import Sequence
from datetime import timedelta
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Any, Self

from channels.model import Channel, Condition, Content, Reachability, Thread
from channels.providers.base import Accepted, Letter, Parcel, Refused, Throttled, Unclear, Unreachable
from channels.providers.gmail.client import Call, GmailClient, Rejected
from channels.providers.gmail.letter import Letters
from channels.providers.gmail.loops import DELIVERY_HEADER

_SEND_UNITS = 100
_GET_UNITS = 5
_LIST_UNITS = 5
_THREAD_UNITS = 10
# Two clocks are compared, ours and Google's: what is older than the claim by more than they can differ is not it.
_CLOCK_DIFFERENCE = timedelta(minutes=15)
_PAGE = 500
# What is on record is passed over unread, so that these are mails of people, and of ours what is on its way.
_LOOKED_AT_MAX = 500
_PAGES_MAX = 20
# Shorter lines would have Message-IDs past 78 characters written as encoded words, which no mail program reads there.
_POLICY = email.policy.SMTP.clone(max_line_length=998)
_NOT_FOUND = 404
# What tells our mails apart, and no word of them.
_OUR_HEADERS: dict[str, Any] = {"format": "metadata", "metadataHeaders": [DELIVERY_HEADER, "Message-ID"]}
_TOO_LARGE = 413


class Gmail:
    """The channel of e-mail, as it speaks. Leaving it breaks off what is under way."""

    channel = Channel.EMAIL

    def __init__(
        self, client: GmailClient, *, address: str, company: str, words_max: int, units_per_second: float
    ) -> None:
        self._client = client
        self._address = address
        self._company = company
        self._letters = Letters(address=address, company=company, words_max=words_max)
        self._messages_per_second = units_per_second / _SEND_UNITS

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._client.close()

    @property
    def lists_by_recipient(self) -> bool:
        """Gmail would by search, whose index may be behind; by label it lists all."""
        return False

    @property
    def messages_per_second(self) -> float:
        """How many mails the mailbox's quota lets out."""
        return self._messages_per_second

    def condition(self) -> Condition:
        """Well, unless the last request got no sound answer."""
        return self._client.condition

    def compose(self, letter: Letter) -> Sequence[Content]:
        """The letter as one mail or more; the same again for the same letter."""
        return self._letters.compose(letter)

    async def send(self, parcel: Parcel) -> Accepted:
        """Sends one mail, in its thread. Raises Refused, Throttled, Unreachable, Unclear.

        `thread` of what is accepted holds the Message-ID that Gmail gave it, which is not one that we could have set.
        """
        try:
            raw = base64.urlsafe_b64encode(self._mail(parcel)).decode()
        except (ValueError, TypeError, LookupError, MessageError) as error:
            # An address or a header that no mail can have: no attempt would fare better.
            raise Refused("MAIL_REFUSED") from error
        try:
            sent = await self._send(raw, parcel.thread.provider_thread_id)
        except Rejected as rejection:
            raise refusal_of(rejection) from rejection
        message_id, thread_id = sent.get("id"), sent.get("threadId")
        if not isinstance(message_id, str) or not message_id:
            raise Unclear
        given = await self._given_message_id(message_id)
        return _accepted(message_id, thread_id, given, parcel)

    async def find(self, parcel: Parcel) -> Accepted | None:
        """The mail that has the parcel's key, among those of its thread and those sent since its claim; None for none.

        Raises Unclear also when there are more to look at than is reasonable, Throttled, Unreachable.
        """
        try:
            return await self._find_in_thread(parcel) or await self._find_among_sent(parcel)
        except (Rejected, LookupError, TypeError, ValueError, AttributeError) as error:
            # A refusal to tell, or an answer that is not Gmail's: either leaves us as we were.
            raise Unclear from error

    async def _send(self, raw: str, thread_id: str) -> dict[str, Any]:
        body = {"raw": raw, "threadId": thread_id} if thread_id else {"raw": raw}
        try:
            return await self._client.call(
                lambda users: users.messages().send(userId="me", body=body), units=_SEND_UNITS, repeatable=False
            )
        except Rejected as rejection:
            if rejection.status != _NOT_FOUND or not thread_id:
                raise
        # The thread was deleted here; the customer's mailbox has it still, and the headers say where the mail belongs.
        return await self._send(raw, "")

    async def _given_message_id(self, message_id: str) -> str:
        try:
            message = await self._headers_of(message_id)
        except (Rejected, Throttled, Unreachable, Unclear):
            # The mail has gone out. That its name is not known costs nothing but a way to join what answers it, and
            # Gmail's thread id is another.
            return ""
        return "" if message is None else _header(message, "Message-ID")

    async def _find_in_thread(self, parcel: Parcel) -> Accepted | None:
        thread_id = parcel.thread.provider_thread_id
        if not thread_id:
            return None
        thread = await self._unless_gone(
            lambda users: users.threads().get(userId="me", id=thread_id, **_OUR_HEADERS), units=_THREAD_UNITS
        )
        for message in (thread or {}).get("messages", ()):
            if _header(message, DELIVERY_HEADER) == parcel.key:
                return _accepted(message["id"], thread_id, _header(message, "Message-ID"), parcel)
        return None

    async def _find_among_sent(self, parcel: Parcel) -> Accepted | None:
        """By label and not by search, whose index may be behind; newest first, until they are older than the claim."""
        oldest_ms = int((parcel.claimed_time - _CLOCK_DIFFERENCE).timestamp() * 1000)
        token: str | None = None
        looked_at = 0
        for _ in range(_PAGES_MAX):
            page = await self._sent_page(token)
            for listed in page.get("messages", ()):
                if listed["id"] in parcel.known_ids:
                    continue
                looked_at += 1
                message = await self._headers_of(listed["id"])
                if message is None:
                    continue
                if _header(message, DELIVERY_HEADER) == parcel.key:
                    return _accepted(listed["id"], listed.get("threadId"), _header(message, "Message-ID"), parcel)
                if int(message.get("internalDate", 0)) < oldest_ms:
                    return None
            token = page.get("nextPageToken")
            if not token:
                return None
            if looked_at >= _LOOKED_AT_MAX:
                break
        raise Unclear

    async def _sent_page(self, token: str | None) -> dict[str, Any]:
        return await self._client.call(
            lambda users: users.messages().list(userId="me", labelIds=["SENT"], maxResults=_PAGE, pageToken=token),
            units=_LIST_UNITS,
        )

    async def _headers_of(self, message_id: str) -> dict[str, Any] | None:
        """Those of our headers that tell mails apart; None for a mail that was deleted since it was listed."""
        return await self._unless_gone(
            lambda users: users.messages().get(userId="me", id=message_id, **_OUR_HEADERS), units=_GET_UNITS
        )

    async def _unless_gone(self, call: Call, *, units: int) -> dict[str, Any] | None:
        try:
            return await self._client.call(call, units=units)
        except Rejected as rejection:
            if rejection.status != _NOT_FOUND:
                raise
            return None

    def _mail(self, parcel: Parcel) -> bytes:
        content = parcel.content
        # A line break in a header is an error here, not a new header.
        mail = EmailMessage(_POLICY)
        name, domain = self._address.rsplit("@", 1)
        mail["From"] = Address(f"{self._company} support", name, domain)
        mail["To"] = Address(addr_spec=parcel.recipient.value)
        mail["Subject"] = content.subject
        for header, value in content.headers.items():
            mail[header] = value
        mail[DELIVERY_HEADER] = parcel.key
        mail.set_content(content.text)
        if content.html:
            mail.add_alternative(content.html, subtype="html")
        return mail.as_bytes()


def _accepted(message_id: str, thread_id: object, given: str, parcel: Parcel) -> Accepted:
    thread = Thread(
        provider_thread_id=thread_id if isinstance(thread_id, str) else "",
        message_id=given,
        in_reply_to=parcel.thread.message_id,
        references=parcel.thread.references,
    )
    return Accepted(message_id, thread=thread)


def refusal_of(rejection: Rejected) -> Refused:
    """What Gmail's refusal of a mail means: that no attempt would fare better, and perhaps that no mail would."""
    if rejection.status == _TOO_LARGE:
        return Refused("MAIL_TOO_LARGE")
    # Gmail's words for an address that it will not write to: "Invalid To header", "Recipient address required".
    if "to header" in rejection.text.lower() or "recipient" in rejection.text.lower():
        return Refused("RECIPIENT_INVALID", reachability=Reachability.UNDELIVERABLE)
    return Refused("MAIL_REFUSED")


def _header(message: dict[str, Any], name: str) -> str:
    for header in message.get("payload", {}).get("headers", ()):
        if str(header.get("name", "")).lower() == name.lower():
            return str(header.get("value", "")).strip()
    return ""
