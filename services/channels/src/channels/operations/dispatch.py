"""One replica at a time works through a channel's queue: in order within a conversation, side by side across them."""

from __future__ import annotations

import asyncio
import functools
import random
import time
import uuid

from channels import store
from channels.operations.send import Sending
from meshkit import context, leadership, logs
from meshkit.database import Connection, Database
from meshkit.errors import Unavailable
from meshkit.interceptors.correlation import new_request_id
from meshkit.leadership import leading
from meshkit.waiting import happened

# How far into the queue a round looks; what is beyond waits for what is before it anyway.
_HEADS_MAX = 2000
# While only replies may be taken up, which come first, a round looks no further than a few for each hand: the mails of
# a flood of forms wait behind them, and to list all of those twenty times a second is work for nothing.
_HEADS_PER_HAND = 8
# Under load, rounds this far apart find many deliveries each; an idle dispatcher still starts at once.
_ROUND_SECONDS = 0.05
_POLL_SECONDS = 0.5
# The session that is our lock is asked for something this often: it ends when it is silent.
_CONFIRM_SECONDS = 5.0
# A delivery that cannot be handled for a reason of our own is left alone for so long.
_AILING_SECONDS = 5.0
_BACKOFF_SECONDS = 0.2
_BACKOFF_SECONDS_MAX = 5.0


class Dispatcher:
    """Sends what waits for one channel, until `stop`, through any absence of Postgres.

    Only one replica does, by an advisory lock; the others stand by. It is woken by commits of this process and polls
    for those of others. `concurrency` deliveries are in hand at once.
    """

    def __init__(
        self,
        dsn: str,
        database: Database,
        sending: Sending,
        *,
        concurrency: int,
        poll_seconds: float = _POLL_SECONDS,
    ) -> None:
        self._dsn = dsn
        self._database = database
        self._sending = sending
        self._concurrency = concurrency
        self._poll_seconds = poll_seconds
        self._in_hand: dict[str, asyncio.Task[None]] = {}
        self._ailing_until: dict[uuid.UUID, float] = {}
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self.name = f"dispatch.{sending.channel}"
        database.subscribe(self._wake.set)

    def stop(self) -> None:
        """Lets `run` end once what is in hand is done."""
        self._stopping.set()
        self._wake.set()

    async def run(self) -> None:
        """Dispatches until stopped."""
        failures = 0
        while not self._stopping.is_set():
            try:
                async with leading(self._dsn, self.name, self._stopping, schema=self._database.schema) as session:
                    if session is not None:
                        failures = 0
                        await self._lead(session)
            except (*leadership.AWAY, Unavailable) as error:
                failures += 1
                logs.get().warning("dispatch.failed", channel=self._sending.channel, error=error, attempt=failures)
                pause = min(_BACKOFF_SECONDS_MAX, _BACKOFF_SECONDS * 2.0 ** min(failures, 16))
                await happened(self._stopping, pause * random.uniform(0.5, 1))

    async def _lead(self, session: Connection) -> None:
        try:
            async with self._database.connection() as connection:
                # Whoever led before may have died with these in hand. That the provider has one settles it at once.
                await store.hasten_claimed(connection, self._sending.channel)
            confirmed = time.monotonic()
            while not self._stopping.is_set():
                self._wake.clear()
                if time.monotonic() - confirmed > _CONFIRM_SECONDS:
                    await session.execute("select")
                    confirmed = time.monotonic()
                began = time.monotonic()
                pause = await self._round()
                await happened(self._wake, pause)
                await asyncio.sleep(max(0.0, _ROUND_SECONDS - (time.monotonic() - began)))
            # What is in hand has deadlines of its own; whoever stops us has one for all of it.
            await asyncio.gather(*self._in_hand.values(), return_exceptions=True)
        finally:
            # Not ours any more: another replica looks up what was claimed before it sends anything again.
            for task in self._in_hand.values():
                task.cancel()
            await asyncio.gather(*self._in_hand.values(), return_exceptions=True)
            self._in_hand.clear()

    async def _round(self) -> float:
        """Takes up what is due, as far as hands are free; how long until something else is."""
        pause = self._sending.pause_seconds()
        if pause > 0:
            return min(pause, self._poll_seconds)
        # One tries first whether a provider that failed is well again.
        hands = self._concurrency if self._sending.is_trusted else 1
        if len(self._in_hand) >= hands:
            return self._poll_seconds
        # A flood of forms must not keep those waiting who wait for an answer: at the provider's pace, what is in hand
        # already goes first.
        for_all = max(1, hands // 4)
        limit = _HEADS_MAX if len(self._in_hand) < for_all else hands * _HEADS_PER_HAND
        async with self._database.connection() as connection:
            heads = await store.list_heads(connection, self._sending.channel, limit)
        now = time.monotonic()
        self._ailing_until = {each: until for each, until in self._ailing_until.items() if until > now}
        wait = self._poll_seconds
        for head in sorted(heads, key=lambda each: (not each.is_reply, each.due_seconds)):
            if head.lane in self._in_hand or head.delivery_id in self._ailing_until:
                continue
            if head.due_seconds > 0:
                wait = min(wait, head.due_seconds)
                continue
            if len(self._in_hand) >= (hands if head.is_reply else for_all):
                break
            task = asyncio.create_task(self._advance(head), name=f"{self.name} delivery")
            self._in_hand[head.lane] = task
            task.add_done_callback(functools.partial(self._done, head.lane))
        return wait

    async def _advance(self, head: store.Head) -> None:
        with context.entered(context.Call(request_id=new_request_id())):
            try:
                await self._sending.advance(head.delivery_id)
            except Exception as error:
                # One delivery must not stop the others: it stays in the queue, and what was claimed is looked up.
                self._ailing_until[head.delivery_id] = time.monotonic() + _AILING_SECONDS
                logs.get().error("dispatch.delivery_failed", channel=self._sending.channel, error=error)

    def _done(self, lane: str, _task: asyncio.Task[None]) -> None:
        self._in_hand.pop(lane, None)
        self._wake.set()
