"""A message that a provider passed on is filed once, however often it comes."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime

from prometheus_client import Counter
from pydantic import SecretStr

from channels import events, model, store
from channels.model import Cap, Channel, CustomerMessage, Heard, Reachability, Suppression
from channels.operations.progress import Progress
from meshkit.clock import Clock
from meshkit.database import Database
from meshkit.groupcommit import GroupCommit
from meshkit.ids import uuid7
from meshkit.outbox import Outbox

HEARD = Counter(
    "channels_heard_total",
    "Messages of providers that were filed, by channel and why nobody answers them (none: they went to the desk).",
    ("channel", "suppression"),
)

_WISHES = (Suppression.OPT_OUT, Suppression.OPT_IN)


class Intake:
    """Files what customers write on the channels that have a provider.

    Of one mail address, and in one thread of mails, `mails_per_hour` are told to the desk; 0 means all. What is more
    is filed and not answered: two machines may be talking to each other. `secret` gives the key of the counts.
    """

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        clock: Clock,
        progress: Progress,
        *,
        secret: SecretStr,
        mails_per_hour: int,
    ) -> None:
        self._database = database
        self._filings = GroupCommit(database, store.QUERIES.file_heard, locking=True)
        self._outbox = outbox
        self._clock = clock
        self._progress = progress
        self._mails_per_hour = mails_per_hour
        self._key = hmac.digest(secret.get_secret_value().encode(), b"channels mail caps", hashlib.sha256)

    async def file(self, heard: Heard) -> bool:
        """Whether the message is filed now; false when it was known before.

        Durable when it returns, and the desk will be told, unless nobody is to answer it: what is suppressed has a row
        and no event. A wish to hear no more, or to hear again, is obeyed from then on. Raises Unavailable.
        """
        heard = heard.fitted()
        now = self._clock.now()
        message = heard.taken(uuid7(), await self._reference(heard), now)
        if heard.suppression in _WISHES:
            hearing = await self._file_news(heard, message, now)
        else:
            # No transaction around it: the one statement is one, and messages that come together share a commit.
            hearing = await self._file(self._filings.fetchrow, heard, message, now)
            if hearing.returned and not hearing.filed:
                hearing = await self._file_news(heard, message, now)
        if hearing.filed:
            HEARD.labels(heard.channel, hearing.suppression or "none").inc()
            self._database.announce()
        return hearing.filed

    async def _file_news(self, heard: Heard, message: CustomerMessage, now: datetime) -> store.Hearing:
        """Files a message that tells whether its sender can be written to."""
        async with self._database.transaction() as connection:
            hearing = await self._file(store.filing_of_heard(connection), heard, message, now, returning=True)
            if hearing.filed and heard.suppression is Suppression.OPT_OUT:
                await self._progress.learn(connection, heard.channel, heard.sender, Reachability.OPTED_OUT)
            elif hearing.filed:
                lifted = [Reachability.UNDELIVERABLE]
                if heard.suppression is Suppression.OPT_IN:
                    lifted.append(Reachability.OPTED_OUT)
                await self._progress.lift(connection, heard.channel, heard.sender, lifted)
        return hearing

    async def _file(
        self,
        statement: store.Statement,
        heard: Heard,
        message: CustomerMessage,
        now: datetime,
        *,
        returning: bool = False,
    ) -> store.Hearing:
        return await store.file_heard(
            statement,
            message,
            self._outbox.row(events.message_received(message, message.sender.key)),
            sent_time=heard.sent_time,
            caps=self._caps(heard),
            hour=model.hour_of(now),
            returning=returning,
        )

    async def _reference(self, heard: Heard) -> str:
        """The promise that a mail goes on from: whoever answers a mail that their form caused means that ticket."""
        thread_id = heard.thread.provider_thread_id
        if heard.channel is not Channel.EMAIL or not thread_id or not heard.sender.verified or heard.suppression:
            return ""
        async with self._database.connection() as connection:
            return await store.find_form_of_thread(connection, thread_id, heard.sender.value) or ""

    def _caps(self, heard: Heard) -> list[Cap]:
        if heard.channel is not Channel.EMAIL or not self._mails_per_hour or heard.suppression:
            return []
        counted = {"mails of sender": heard.sender.key, "mails of thread": heard.thread.provider_thread_id}
        return [
            Cap(model.sender_hash(self._key, name, value), name, self._mails_per_hour)
            for name, value in counted.items()
            if value
        ]
