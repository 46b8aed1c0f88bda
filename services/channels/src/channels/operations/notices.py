"""Mails of fixed text to whoever sent a form: that it was received, and that an answer stands on its page."""

from __future__ import annotations

import hashlib
import hmac

from pydantic import SecretStr

from channels import model, store
from channels.model import Delivery, DeliveryKind, DeliveryState, Outcome, Reply, SenderType
from channels.operations.progress import Progress, refusal
from channels.providers.base import Letter, Outside, Refused
from meshkit import logs
from meshkit.clock import Clock
from meshkit.database import Connection
from meshkit.ids import uuid7
from meshkit.promises import StatusTokens

RATE_CAP = "RATE_CAP"
NOT_COMPOSED = "NOT_COMPOSED"


class Notices:
    """Queues and composes the mails that forms cause.

    No word of a form is in them, and one address gets `per_address_hour` of them at most: a form is no tool to pester
    anyone with. `secret` gives the key of the counts.
    """

    def __init__(
        self,
        progress: Progress,
        clock: Clock,
        provider: Outside,
        tokens: StatusTokens,
        *,
        secret: SecretStr,
        public_url: str,
        per_address_hour: int,
    ) -> None:
        self._progress = progress
        self._clock = clock
        self._provider = provider
        self._tokens = tokens
        self._key = hmac.digest(secret.get_secret_value().encode(), b"channels form mails", hashlib.sha256)
        self._public_url = public_url
        self._per_address_hour = per_address_hour

    async def announce_answer(self, connection: Connection, reply: Reply) -> None:
        """Queues the news of an answer for whoever sent the form of this reference, unless one waits already."""
        sender = await store.find_promise(connection, reply.reference)
        if sender is None or sender.type is not SenderType.EMAIL:
            return
        if await store.has_waiting_notice(connection, reply.reference):
            return
        notice = Delivery.of_form(uuid7(), DeliveryKind.ANSWER_NOTICE, reply.reference, sender, self._clock.now())
        await self._progress.begin(connection, notice)

    async def compose(self, connection: Connection, delivery: Delivery) -> None:
        """Gives a queued mail, locked and without a part so far, its text; or fails it for good.

        Composed when it is to be sent, not when it is queued: a form is answered without waiting for that.
        """
        assert delivery.recipient is not None  # of_form saw to it
        correspondent = await store.get_correspondent(connection, delivery.channel, delivery.recipient.key)
        reason = refusal(correspondent, delivery)
        if reason is None and await self._is_over_cap(connection, delivery.recipient.key):
            reason = RATE_CAP
        after = delivery
        if reason is None:
            try:
                after = delivery.in_parts(self._provider.compose(self._letter(delivery, correspondent)))
            except Refused as refused:
                reason = refused.reason
            except Exception as error:
                # The same again for the same letter, so there is no use in another try.
                logs.get().error("notice.not_composed", channel=delivery.channel, error=error)
                reason = NOT_COMPOSED
        if reason is not None:
            after = delivery.after(Outcome(DeliveryState.FAILED, failure_reason=reason), self._clock.now())
        await store.insert_parts(connection, after)
        await self._progress.move(connection, delivery, after)

    async def _is_over_cap(self, connection: Connection, address: str) -> bool:
        sender_hash = model.sender_hash(self._key, "form mails", address)
        count = await store.count_sender(connection, sender_hash, model.hour_of(self._clock.now()))
        return count > self._per_address_hour

    def _letter(self, delivery: Delivery, correspondent: store.Correspondent) -> Letter:
        assert delivery.recipient is not None
        return Letter(
            delivery_id=delivery.id,
            kind=delivery.kind,
            reference=delivery.reference,
            recipient=delivery.recipient,
            subject="",
            text="",
            now=correspondent.now,
            status_url=model.status_url(self._public_url, delivery.reference, self._tokens.issue(delivery.reference)),
            last_written=correspondent.written_time,
        )
