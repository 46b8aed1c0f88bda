"""A customer writes on the web: the form, and what follows it on the status page."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from prometheus_client import Counter
from pydantic import SecretStr

from channels import events, model, store
from channels.errors import ChannelDisabled, IdempotencyKeyReused, TicketNotFound, TooManyMessages
from channels.model import (
    IDEMPOTENCY_KEY_KEPT,
    Cap,
    Claim,
    CustomerMessage,
    Form,
    NextMessage,
    Promise,
    Submission,
)
from channels.providers.web import WebForm
from meshkit import promises
from meshkit.clock import Clock
from meshkit.database import Connection, Database
from meshkit.errors import Unavailable
from meshkit.groupcommit import GroupCommit
from meshkit.ids import uuid7
from meshkit.outbox import Outbox
from meshkit.promises import StatusTokens

FORMS_DROPPED = Counter("channels_forms_dropped_total", "Forms that a program filled in: answered, and not filed.")

_HOUR = timedelta(hours=1)
# A billion references: even with a hundred million promised, eight in a row that are taken is one form in 10^8.
_REFERENCES_TRIED_MAX = 8
_BY_SENDER, _BY_ADDRESS = "sender", "network address"


@dataclass(frozen=True, slots=True)
class Origin:
    """What came with a message besides its words: its idempotency key and its network; None for what is unknown."""

    idempotency_key: str | None = None
    network: str | None = None


@dataclass(frozen=True, slots=True)
class Caps:
    """How many messages are taken from one sender and from one network in an hour; 0 takes all.

    `key` is what their names are hashed with before they are counted.
    """

    per_sender: int
    per_network: int
    key: bytes

    @classmethod
    def keyed(cls, secret: SecretStr, *, per_sender: int, per_network: int) -> Caps:
        """The caps with a key of their own, derived from a secret that has other uses."""
        key = hmac.digest(secret.get_secret_value().encode(), b"channels sender caps", hashlib.sha256)
        return cls(per_sender, per_network, key)

    def of(self, sender_key: str, network: str | None) -> list[Cap]:
        """The caps that a message of this sender from this network counts towards."""
        caps = []
        if self.per_sender:
            caps.append(Cap(model.sender_hash(self.key, _BY_SENDER, sender_key), _BY_SENDER, self.per_sender))
        if self.per_network and network is not None:
            caps.append(Cap(model.sender_hash(self.key, _BY_ADDRESS, network), _BY_ADDRESS, self.per_network))
        return caps

    def exceeded(self, name: str, now: datetime) -> TooManyMessages:
        """The refusal by the cap of this name."""
        limit = self.per_sender if name == _BY_SENDER else self.per_network
        wait = model.hour_of(now) + _HOUR - now
        return TooManyMessages(limit, counted_by=name, retry_after_seconds=wait.total_seconds())


class Submissions:
    """Takes what customers write on the web. `web` is None while the channel is switched off.

    With `confirms` each form has a mail queued that confirms it.
    """

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        clock: Clock,
        web: WebForm | None,
        tokens: StatusTokens,
        caps: Caps,
        *,
        categories: Collection[str],
        public_url: str,
        confirms: bool = False,
    ) -> None:
        self._database = database
        self._filings = GroupCommit(database, store.QUERIES.file_message, locking=True)
        self._outbox = outbox
        self._clock = clock
        self._web = web
        self._tokens = tokens
        self._caps = caps
        self._categories = categories
        self._public_url = public_url
        self._confirms = confirms

    async def submit_form(self, form: Form, origin: Origin) -> Promise:
        """Files a form under a new reference, or finds the promise that its repeat was made before.

        Raises InvalidArgument, UnknownCategory, IdempotencyKeyReused, TooManyMessages, ChannelDisabled.
        """
        web = self._open_web()
        form = form.cleaned(self._categories)
        sender_key = model.sender_key(form.email)
        claim = _claim("form", origin, form.digest())
        if form.website:
            FORMS_DROPPED.inc()
            return self._promise(promises.decoy_reference(claim.key_hash) if claim else promises.promised_reference())
        caps = self._caps.of(sender_key, origin.network)
        for _ in range(_REFERENCES_TRIED_MAX):
            message = web.open_conversation(
                form, reference=promises.promised_reference(), message_id=uuid7(), receive_time=self._clock.now()
            )
            try:
                # No transaction around it: the one statement is one, and forms that come together share a commit.
                submission = await self._file(None, message, sender_key, claim, caps)
            except store.ReferenceTaken:
                continue
            self._database.announce()
            return self._promise(submission.reference)
        raise Unavailable("no reference came free for this form; send it again")

    async def submit_message(self, message: NextMessage, token: str, origin: Origin) -> Submission:
        """Files the next message to a ticket whose token this is, or finds what its repeat was answered.

        Raises TicketNotFound, InvalidArgument, IdempotencyKeyReused, TooManyMessages, ChannelDisabled.
        """
        web = self._open_web()
        if not self._tokens.proves(message.reference, token):
            raise TicketNotFound
        message = message.cleaned()
        claim = _claim("message", origin, message.digest())
        async with self._database.transaction() as connection:
            sender = await store.lock_promise(connection, message.reference)
            if sender is None:
                raise TicketNotFound
            joining = web.join_conversation(message, sender, message_id=uuid7(), receive_time=self._clock.now())
            sender_key = model.sender_key(sender.value)
            caps = self._caps.of(sender_key, origin.network)
            submission = await self._file(connection, joining, sender_key, claim, caps)
        self._database.announce()
        return submission

    async def _file(
        self,
        connection: Connection | None,
        message: CustomerMessage,
        sender_key: str,
        claim: Claim | None,
        caps: Sequence[Cap],
    ) -> Submission:
        now = message.inbound.receive_time
        since = now - IDEMPOTENCY_KEY_KEPT
        filing = await store.file_message(
            self._filings.fetchrow if connection is None else store.filing_of_forms(connection),
            message,
            self._outbox.row(events.message_received(message, sender_key)),
            claim=claim,
            claims_since=since,
            caps=caps,
            hour=model.hour_of(now),
            confirmation_id=uuid7() if self._confirms and message.opens_conversation else None,
        )
        if filing.filed:
            return Submission(claim.body_hash if claim else b"", message.inbound.reference, now)
        # Before any cap: a repeat of what was taken is no further message.
        earlier = await self._answered_before(connection, claim, since)
        if claim is not None and earlier is not None:
            if earlier.body_hash != claim.body_hash:
                raise IdempotencyKeyReused
            return earlier
        if filing.exceeded is not None:
            raise self._caps.exceeded(filing.exceeded, now)
        raise Unavailable("the idempotency-key was let go of at this moment; send the same again")

    async def _answered_before(
        self, connection: Connection | None, claim: Claim | None, since: datetime
    ) -> Submission | None:
        if claim is None:
            return None
        if connection is not None:
            # Never a second connection beside the first: a pool full of those would wait for itself.
            return await store.find_submission(connection, claim.key_hash, since)
        async with self._database.connection() as connection:
            return await store.find_submission(connection, claim.key_hash, since)

    def _open_web(self) -> WebForm:
        if self._web is None:
            raise ChannelDisabled(WebForm.channel)
        return self._web

    def _promise(self, reference: str) -> Promise:
        token = self._tokens.issue(reference)
        return Promise(reference, token, model.status_url(self._public_url, reference, token))


def _claim(scope: str, origin: Origin, body_hash: bytes) -> Claim | None:
    if origin.idempotency_key is None:
        return None
    return Claim(model.key_hash(scope, origin.idempotency_key), body_hash)
