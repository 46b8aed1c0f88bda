"""The mailbox as Gmail shows it: what is new since when, mails as they came, and the watch that has pushes sent."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from channels.providers.base import Throttled, Unclear, Unreachable
from channels.providers.gmail.client import GmailClient, Rejected
from channels.providers.gmail.ear import HeardMail, Received, hear
from channels.providers.gmail.transport import ResponseTooLarge

RAW_BYTES_MAX = 25 * 1024 * 1024

_PROFILE_UNITS = 1
_LABEL_UNITS = 1
_HISTORY_UNITS = 2
_LIST_UNITS = 5
_GET_UNITS = 5
_WATCH_UNITS = 100
_PAGE = 100
_NOT_FOUND = 404
_MALFORMED = "MALFORMED_ANSWER"
# A label of Gmail's own is its id; one that people made has an id of its own beside its name.
_SYSTEM_LABELS = frozenset({"INBOX", "IMPORTANT", "STARRED", "UNREAD", "SPAM", "TRASH", "SENT"})


class MailboxAway(Exception):
    """The mailbox cannot be read now. `reason` is an upper-case word for the log.

    `retry_after_seconds` is what Gmail asks for, 0 where it does not.
    """

    def __init__(self, reason: str, retry_after_seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds


class HistoryExpired(Exception):
    """Gmail keeps no history back to there: what is new has to be found by listing."""


@dataclass(frozen=True, slots=True)
class MailPage:
    """Ids of mails, and how the listing goes on: empty `next_token` at the end.

    `history_id` is up to where this page goes: whoever has filed it need not ask for it again.
    """

    ids: Sequence[str]
    next_token: str = ""
    history_id: int = 0


class GmailMailbox:
    """Reads one mailbox. Every call raises MailboxAway when Gmail does not answer, or answers nonsense."""

    def __init__(self, client: GmailClient, *, address: str, label: str, topic: str) -> None:
        self._client = client
        self.address = address
        self._label = label
        self._label_id = label if label in _SYSTEM_LABELS else ""
        self._topic = topic
        # Parsing is a mail's whole work; one at a time leaves the loop to those who wait for an answer.
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="mail-reader")

    async def latest_history_id(self) -> int:
        """Up to where the mailbox's history goes now."""
        profile = await self._called(lambda users: users.getProfile(userId="me"), _PROFILE_UNITS)
        return _number(profile, "historyId")

    async def added_since(self, history_id: int, token: str = "") -> MailPage:
        """A page of the mails that came in after this point of the history, oldest first. Raises HistoryExpired."""
        label_id = await self._resolved_label()
        try:
            page = await self._called(
                lambda users: users.history().list(
                    userId="me",
                    startHistoryId=str(history_id),
                    historyTypes=["messageAdded"],
                    labelId=label_id,
                    maxResults=_PAGE,
                    pageToken=token or None,
                ),
                _HISTORY_UNITS,
            )
        except Rejected as rejection:
            if rejection.status == _NOT_FOUND:
                raise HistoryExpired from rejection
            raise _away(rejection) from rejection
        records = _list(page, "history")
        try:
            ids = [str(added["message"]["id"]) for record in records for added in _list(record, "messagesAdded")]
        except (KeyError, TypeError) as error:
            raise MailboxAway(_MALFORMED) from error
        next_token = str(page.get("nextPageToken") or "")
        # The page that ends the listing names the mailbox's newest point, which may be past its last record.
        reached = _number(records[-1], "id") if next_token and records else _number(page, "historyId")
        return MailPage(list(dict.fromkeys(ids)), next_token, reached)

    async def listed_since(self, moment: datetime, token: str = "") -> MailPage:
        """A page of the mails that came in since this moment, newest first."""
        label_id = await self._resolved_label()
        try:
            page = await self._called(
                lambda users: users.messages().list(
                    userId="me",
                    labelIds=[label_id],
                    q=f"after:{int(moment.timestamp())}",
                    maxResults=_PAGE,
                    pageToken=token or None,
                ),
                _LIST_UNITS,
            )
        except Rejected as rejection:
            raise _away(rejection) from rejection
        ids = [str(message.get("id", "")) for message in _list(page, "messages")]
        return MailPage(ids, str(page.get("nextPageToken") or ""))

    async def read(self, message_id: str) -> HeardMail | None:
        """One mail, read; None when it was deleted. Of a mail past 25 MB only headers and first words are read."""
        try:
            received = await self._fetched(message_id)
        except Rejected as rejection:
            if rejection.status == _NOT_FOUND:
                return None
            raise _away(rejection) from rejection
        return await asyncio.get_running_loop().run_in_executor(self._reader, hear, received, self.address)

    async def watch(self) -> bool:
        """Has changes pushed for seven days from now; false where no topic is set, and the poll has to do."""
        if not self._topic:
            return False
        label_id = await self._resolved_label()
        body = {"topicName": self._topic, "labelIds": [label_id], "labelFilterBehavior": "include"}
        try:
            await self._called(lambda users: users.watch(userId="me", body=body), _WATCH_UNITS)
        except Rejected as rejection:
            raise _away(rejection) from rejection
        return True

    def close(self) -> None:
        """Lets go of the thread that reads mails."""
        self._reader.shutdown(wait=False, cancel_futures=True)

    async def _fetched(self, message_id: str) -> Received:
        try:
            message = await self._called(
                lambda users: users.messages().get(userId="me", id=message_id, format="raw"), _GET_UNITS
            )
            raw = _decoded(message.get("raw"))
            if len(raw) <= RAW_BYTES_MAX:
                return Received(message_id, str(message.get("threadId") or ""), _moment(message), raw)
        except ResponseTooLarge:
            pass
        message = await self._called(
            lambda users: users.messages().get(userId="me", id=message_id, format="metadata"), _GET_UNITS
        )
        return Received(
            message_id,
            str(message.get("threadId") or ""),
            _moment(message),
            _header_block(message),
            snippet=str(message.get("snippet") or ""),
            size_bytes=max(1, _number(message, "sizeEstimate")),
        )

    async def _resolved_label(self) -> str:
        if not self._label_id:
            labels = await self._called(lambda users: users.labels().list(userId="me"), _LABEL_UNITS)
            for label in _list(labels, "labels"):
                if self._label in (label.get("id"), label.get("name")):
                    self._label_id = str(label["id"])
                    break
            else:
                # Somebody has to make the label, or to set GMAIL_LABEL right; until then there is nothing to read.
                raise MailboxAway("LABEL_UNKNOWN")
        return self._label_id

    async def _called(self, call: Any, units: int) -> dict[str, Any]:
        try:
            return await self._client.call(call, units=units)
        except Throttled as busy:
            raise MailboxAway("THROTTLED", busy.retry_after_seconds) from busy
        except Unreachable as error:
            # Also a key that expired, and a delegation that does not grant what we ask for.
            raise MailboxAway("UNREACHABLE") from error
        except Unclear as error:
            raise MailboxAway("NO_SOUND_ANSWER") from error


def _away(rejection: Rejected) -> MailboxAway:
    return MailboxAway(f"REJECTED_{rejection.status}")


def _list(answer: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = answer.get(name, [])
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise MailboxAway(_MALFORMED)
    return found


def _number(answer: dict[str, Any], name: str) -> int:
    # Gmail writes 64-bit numbers as strings.
    try:
        return int(answer[name])
    except (KeyError, ValueError, TypeError) as error:
        raise MailboxAway(_MALFORMED) from error


def _moment(message: dict[str, Any]) -> datetime:
    try:
        return datetime.fromtimestamp(_number(message, "internalDate") / 1000, UTC)
    except (OverflowError, OSError, ValueError) as error:
        raise MailboxAway(_MALFORMED) from error


def _decoded(raw: object) -> bytes:
    if not isinstance(raw, str):
        raise MailboxAway(_MALFORMED)
    try:
        return base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4))
    except (binascii.Error, ValueError) as error:
        raise MailboxAway(_MALFORMED) from error


def _header_block(message: dict[str, Any]) -> bytes:
    headers = message.get("payload", {}).get("headers", [])
    lines = [f"{header['name']}: {header['value']}".replace("\r", " ").replace("\n", " ") for header in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "replace")
