"""The mailbox is walked: every mail that came in since the last time is filed, however many a push stands for."""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from prometheus_client import Counter as Metric
from prometheus_client import Gauge

from channels.model import Bounce, Heard, Hint
from channels.providers.gmail.mailbox import GmailMailbox, HistoryExpired, MailboxAway, MailPage
from channels.store import mailbox as store
from meshkit import logs
from meshkit.clock import Clock
from meshkit.database import Database
from meshkit.errors import Unavailable
from meshkit.ids import uuid7
from meshkit.waiting import happened

WALKS = Metric("channels_mailbox_walks_total", "Walks through the mailbox, by how they ended.", ("outcome",))
GIVEN_UP = Metric("channels_mails_given_up_total", "Mails that could not be filed however often: look at the log.")
READ_TIME = Gauge("channels_mailbox_read_timestamp_seconds", "When the mailbox was last read to its end.")

# Whoever dies in the middle of a walk holds up the next one for so long. Two at once would only read in vain.
_LEASE_SECONDS = 20.0
_WATCH_RENEWED_SECONDS = 24 * 3600.0
# By listing, what is known is passed over, so that going back too far costs a little quota and nothing else.
_SLACK_SECONDS = 24 * 3600.0
_LISTED_MAX = 2000
_PAGES_MAX = 1000
_ATTEMPTS_MAX = 5
_PAUSE_SECONDS = 1.0
_PAUSE_SECONDS_MAX = 60.0
_HASTENED_SECONDS = 0.5
_HASTENED_MAX = 10


class Mailbox:
    """Walks one mailbox, on a push and every `poll_seconds`, one walker at a time among all replicas.

    `file` makes a message durable, `note_bounce` records what a bounce says of a mail of ours; both may be called again
    with the same. Where reading stopped is kept only once everything before it is filed: a crash reads some mails
    again, and none is lost.
    """

    name = "mailbox"

    def __init__(
        self,
        database: Database,
        clock: Clock,
        mails: GmailMailbox,
        *,
        file: Callable[[Heard], Awaitable[bool]],
        note_bounce: Callable[[Bounce], Awaitable[None]],
        poll_seconds: float,
    ) -> None:
        self._database = database
        self._clock = clock
        self._mails = mails
        self._file = file
        self._note_bounce = note_bounce
        self._poll_seconds = poll_seconds
        self._address = mails.address.lower()
        self._walker = uuid7()
        self._noting = store.noting_hints(database)
        self._attempts: Counter[str] = Counter()
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()

    async def notice(self, hint: Hint) -> None:
        """Keeps a push's hint, so that no restart forgets it, and wakes the walker. Raises Unavailable.

        A hint at what is filed already, as a push that comes again, wakes nobody.
        """
        if hint.mailbox.lower() != self._address:
            return
        if await store.note_hint(self._noting, self._address, hint.history_id):
            self._woken.set()

    async def run(self) -> None:
        """Walks the mailbox until `stop`, through any absence of Postgres and of Gmail."""
        failures = 0
        while not self._stopping.is_set():
            self._woken.clear()
            pause = self._poll_seconds * random.uniform(0.9, 1.1)
            try:
                if not await self.walk(idle_seconds=self._poll_seconds / 2 if failures == 0 else 0.0):
                    pause = min(pause, await self._held_seconds())
                failures = 0
            except Exception as error:
                # Whatever it was, the walk begins again where it was: what cannot be read at all is given up singly.
                failures += 1
                away = error if isinstance(error, MailboxAway) else None
                backoff = min(_PAUSE_SECONDS * 2 ** min(failures, 10), _PAUSE_SECONDS_MAX)
                pause = max(away.retry_after_seconds if away else 0.0, backoff * random.uniform(0.5, 1.0))
                WALKS.labels("failed").inc()
                logs.get().warning(
                    "mailbox.walk_failed",
                    reason=away.reason if away else "",
                    attempts=failures,
                    seconds=round(pause, 1),
                    error=error,
                )
                await happened(self._stopping, pause)
                continue
            await happened(self._woken, pause)

    def stop(self) -> None:
        """Lets `run` end after the mail in hand."""
        self._stopping.set()
        self._woken.set()

    async def walk(self, *, idle_seconds: float = 0.0) -> bool:
        """Files what is new; false when somebody else reads the mailbox, or did less than `idle_seconds` ago.

        The first walk ever only finds out where the mailbox is: what lies in it already is not answered. Raises
        MailboxAway, Unavailable.
        """
        await self._open()
        for left in reversed(range(_HASTENED_MAX)):
            async with self._database.connection() as connection:
                walk = await store.claim_walk(
                    connection,
                    self._address,
                    self._walker,
                    lease_seconds=_LEASE_SECONDS,
                    idle_seconds=idle_seconds,
                    slack_seconds=_SLACK_SECONDS,
                )
            if walk is None:
                return False
            if not await self._walk(walk, last=left == 0):
                break
            # Gmail's history may be a moment behind its own pushes.
            await happened(self._stopping, _HASTENED_SECONDS)
            if self._stopping.is_set():
                break
        return True

    async def _walk(self, walk: store.Walk, *, last: bool) -> bool:
        finished = False
        try:
            if walk.watched_seconds_ago is None or walk.watched_seconds_ago >= _WATCH_RENEWED_SECONDS:
                await self._renew_watch()
            try:
                finished = await self._follow_history(walk)
            except HistoryExpired:
                logs.get().warning("mailbox.history_expired")
                finished = await self._list_all(walk)
        finally:
            async with self._database.connection() as connection:
                more = await store.end_walk(
                    connection, self._address, self._walker, finished=finished, settled=finished and last
                )
        if finished:
            WALKS.labels("finished").inc()
            READ_TIME.set(self._clock.now().timestamp())
        return more

    async def _held_seconds(self) -> float:
        """How long to leave the mailbox to whoever reads it: a reader that was killed hands nothing over."""
        async with self._database.connection() as connection:
            held = await store.held_seconds(connection, self._address)
        return math.inf if held is None else held + _HASTENED_SECONDS

    async def _open(self) -> None:
        async with self._database.connection() as connection:
            if await store.is_mailbox_open(connection, self._address):
                return
        history_id = await self._mails.latest_history_id()
        async with self._database.connection() as connection:
            await store.open_mailbox(connection, self._address, history_id)

    async def _renew_watch(self) -> None:
        try:
            watched = await self._mails.watch()
        except MailboxAway as error:
            # Reading does not need it; the poll finds what no push tells, and the next walk asks again.
            logs.get().warning("mailbox.watch_failed", reason=error.reason, error=error)
            return
        if watched:
            async with self._database.connection() as connection:
                await store.note_watch(connection, self._address)

    async def _follow_history(self, walk: store.Walk) -> bool:
        """Files page after page; true once the last one is. Raises HistoryExpired."""
        token = ""
        for _ in range(_PAGES_MAX):
            page: MailPage = await self._mails.added_since(walk.history_id, token)
            if not await self._file_all(page.ids) or not await self._advance(page.history_id):
                return False
            token = page.next_token
            if not token:
                return True
        return False

    async def _list_all(self, walk: store.Walk) -> bool:
        """Files what a listing shows since the last walk, oldest first; what is known is passed over.

        Where the history goes from here is asked for first: what comes in during the listing is in both.
        """
        history_id = await self._mails.latest_history_id()
        ids = await self._listed(walk.since)
        return await self._file_all(ids[::-1], since=walk.since) and await self._advance(history_id)

    async def _listed(self, since: datetime) -> list[str]:
        ids: list[str] = []
        token = ""
        while len(ids) < _LISTED_MAX:
            page = await self._mails.listed_since(since, token)
            ids.extend(page.ids)
            token = page.next_token
            if not token:
                break
        else:
            # Older ones than these stay unread: people have to look at a mailbox that was deaf for so long.
            logs.get().error("mailbox.listing_cut", count=len(ids))
        return ids[:_LISTED_MAX]

    async def _file_all(self, ids: Sequence[str], *, since: datetime | None = None) -> bool:
        """Files these mails in their order; false when told to stop before the end, or it is another's by then."""
        if not ids:
            return True
        async with self._database.connection() as connection:
            unknown = await store.list_unknown_mails(connection, ids)
        for mail_id in unknown:
            if self._stopping.is_set() or not await self._advance(0):
                return False
            await self._file_one(mail_id, since)
        return True

    async def _file_one(self, mail_id: str, since: datetime | None) -> None:
        try:
            mail = await self._mails.read(mail_id)
            if mail is None:
                return
            # A listing counts in whole seconds, and the second in which we came holds mails from before us, too.
            if since is not None and mail.heard.sent_time is not None and mail.heard.sent_time < since:
                return
            # Before the mail is known: once it is, nobody would look at it again.
            if mail.bounce is not None:
                await self._note_bounce(mail.bounce)
            await self._file(mail.heard)
        except (MailboxAway, Unavailable, TimeoutError, OSError):
            raise
        except Exception as error:
            # One mail that nobody foresaw must not keep all others from being answered.
            self._attempts[mail_id] += 1
            if self._attempts[mail_id] < _ATTEMPTS_MAX:
                raise
            GIVEN_UP.inc()
            logs.get().error("mailbox.mail_given_up", attempts=self._attempts[mail_id], error=error)
        del self._attempts[mail_id]

    async def _advance(self, history_id: int) -> bool:
        async with self._database.connection() as connection:
            return await store.advance_walk(
                connection, self._address, self._walker, history_id, lease_seconds=_LEASE_SECONDS
            )
