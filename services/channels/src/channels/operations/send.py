"""What waits in the queue goes to its provider: claimed, sent, recorded; and looked up when its fate is unknown.

A claim is committed before the provider is asked, and names itself in the record of what came of it. Whatever happens
between the two, the part is looked up at the provider before anybody sends it again.
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
import time
import uuid
from datetime import datetime, timedelta

from aiolimiter import AsyncLimiter
from prometheus_client import Counter, Gauge, Histogram

from channels import store
from channels.model import NO_THREAD, Condition, Delivery, DeliveryState, Outcome, Part, Reachability
from channels.operations.notices import Notices
from channels.operations.progress import Progress, refusal
from channels.operations.receipts import apply_receipts
from channels.providers.base import Accepted, Outside, Parcel, Refused, Throttled, Unclear, Unreachable
from meshkit import crashpoints, logs
from meshkit.breaker import Breaker, BreakerState
from meshkit.clock import Clock
from meshkit.database import Connection, Database

SENDS = Counter(
    "channels_sends_total",
    "Messages handed to a provider, by channel and outcome (accepted, refused, throttled, unreachable, unclear).",
    ("channel", "outcome"),
)
LOOKUPS = Counter(
    "channels_lookups_total",
    "Messages of unknown fate that were looked up, by channel and outcome (found, absent, unsettled, unknown).",
    ("channel", "outcome"),
)
SEND_SECONDS = Histogram("channels_send_seconds", "How long a provider took to accept or refuse.", ("channel",))
BREAKER = Gauge("channels_breaker_open", "1 while a provider is not asked because it failed, by channel.", ("channel",))

UNKNOWN_FATE = "UNKNOWN_FATE"
PROVIDER_FAILING = "PROVIDER_FAILING"
PROVIDER_UNREACHABLE = "PROVIDER_UNREACHABLE"
PROVIDER_BUSY = "PROVIDER_BUSY"
CONTENT_EXPIRED = "CONTENT_EXPIRED"

_AFTER_SEND = (DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.READ, DeliveryState.FAILED)
# What a provider asks us to wait is believed up to here; a pause is no reason to keep a part for ever.
_PAUSE_SECONDS_MAX = 300.0
_BACKOFF_SECONDS = 1.0
_BACKOFF_SECONDS_MAX = 60.0
# Ids of messages that were sent so long before can still be mistaken for this one in a provider's list of one
# recipient's; a list of everybody's is read only as far back as two clocks can differ.
_KNOWN_IDS_BEFORE = timedelta(days=2)
_KNOWN_IDS_OF_ALL_BEFORE = timedelta(minutes=30)
# A claim that was slept through (a stopped process, a machine that was suspended) is for whoever looks it up.
_STALE_CLAIM_SHARE = 0.25


@dataclasses.dataclass(frozen=True, slots=True)
class Patience:
    """How long the queue goes on with one message.

    `lookup_seconds`: after a claim, until a provider that does not have it will not have it any more; longer than one
    request may take. `attempts_max`: times that its fate may stay unclear. `give_up_seconds`: how long a provider may
    be away or too busy for it.
    """

    lookup_seconds: float
    attempts_max: int
    give_up_seconds: float


class Sending:
    """Sends what waits for one provider. Whoever calls it has seen to it that nobody else does."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        progress: Progress,
        provider: Outside,
        breaker: Breaker,
        patience: Patience,
        notices: Notices | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._progress = progress
        self._provider = provider
        self._patience = patience
        self._notices = notices
        # One at a time in even steps: a provider counts in seconds of its own.
        self._limiter = AsyncLimiter(1, 1 / provider.messages_per_second)
        self._paused_until = 0.0
        self.breaker = breaker
        self.channel = provider.channel

    def pause_seconds(self) -> float:
        """How long the provider is not to be asked for anything; 0 when it may be."""
        return max(self._paused_until - time.monotonic(), self.breaker.wait_seconds())

    @property
    def is_trusted(self) -> bool:
        """Whether the last sends went well enough to send several at once."""
        return self.breaker.state is BreakerState.CLOSED

    def condition(self) -> Condition:
        """How the channel's way out is, by how the last sends went."""
        if self.breaker.state is BreakerState.CLOSED:
            return Condition.OK
        return Condition.DOWN if self.breaker.state is BreakerState.OPEN else Condition.DEGRADED

    async def advance(self, delivery_id: uuid.UUID) -> None:
        """Brings a delivery as far as it comes now: part by part, until it is sent or has to wait.

        Raises DatabaseUnavailable; what was claimed then is looked up later.
        """
        goes_on = True
        while goes_on:
            async with self._database.connection() as connection:
                delivery = await store.get_delivery(connection, delivery_id)
            if delivery is None or not delivery.is_open:
                return
            part = delivery.next_part
            if part is None:
                goes_on = await self._compose(delivery)
            elif part.state is DeliveryState.CLAIMED:
                goes_on = await self._look_up(delivery, part)
            else:
                goes_on = await self._send(delivery, part)

    async def _compose(self, delivery: Delivery) -> bool:
        assert self._notices is not None  # Nobody else queues what is not composed.
        async with self._database.transaction() as connection:
            locked = await store.lock_delivery(connection, delivery.id)
            if locked is not None and locked.is_open and not locked.parts:
                await self._notices.compose(connection, locked)
        return True

    async def _send(self, delivery: Delivery, part: Part) -> bool:
        """Claims the part and sends it; whether the delivery may go on at once."""
        reason = await self._obstacle(delivery, part)
        if reason is not None:
            return await self._give_up(delivery, part, DeliveryState.FAILED, reason)
        await self._limiter.acquire()
        if self.pause_seconds() > 0 or not self.breaker.take():
            return False
        began = time.monotonic()
        async with self._database.connection() as connection:
            claimed = await store.claim_part(connection, delivery.id, part, self._patience.lookup_seconds)
        if claimed is None:
            return False
        crashpoints.reached("channels.after_claim")
        if time.monotonic() - began > _STALE_CLAIM_SHARE * self._patience.lookup_seconds:
            return False
        try:
            with SEND_SECONDS.labels(self.channel).time():
                async with asyncio.timeout(self._patience.lookup_seconds):
                    accepted = await self._provider.send(_parcel(delivery, claimed))
        except Refused as refused:
            self._answered("refused")
            return await self._refused(delivery, claimed, refused)
        except Throttled as throttled:
            self._answered("throttled")
            return await self._throttled(delivery, claimed, throttled.retry_after_seconds)
        except Unreachable:
            self._failed("unreachable")
            return await self._unreachable(delivery, claimed)
        except (Unclear, TimeoutError):
            self._failed("unclear")
            return await self._doubted(delivery, claimed)
        except Exception as error:
            # Whatever broke in there, it may have been after the request went out.
            self._failed("unclear")
            logs.get().error("send.failed", channel=self.channel, error=error)
            return await self._doubted(delivery, claimed)
        crashpoints.reached("channels.after_send")
        self._answered("accepted")
        return await self._accepted(delivery, claimed, accepted)

    async def _look_up(self, delivery: Delivery, part: Part) -> bool:
        """Asks the provider whether it has the part; whether the delivery may go on at once."""
        await self._limiter.acquire()
        if self.pause_seconds() > 0 or not self.breaker.take():
            return False
        assert part.first_claim_time is not None  # It is claimed.
        async with self._database.connection() as connection:
            # Asked for before the provider is: what it does not have by then, it may still get.
            age = await store.claim_age_seconds(connection, delivery.id, part.number)
            known_ids = await self._known_ids(connection, delivery, part.first_claim_time)
        try:
            async with asyncio.timeout(self._patience.lookup_seconds):
                found = await self._provider.find(_parcel(delivery, part, known_ids))
        except Throttled as throttled:
            LOOKUPS.labels(self.channel, "unknown").inc()
            self.breaker.succeeded()
            return await self._wait(delivery, part, self._pause(throttled.retry_after_seconds))
        except Exception as error:
            LOOKUPS.labels(self.channel, "unknown").inc()
            self._tripped()
            if not isinstance(error, (Unclear, Unreachable, TimeoutError)):
                logs.get().error("lookup.failed", channel=self.channel, error=error)
            if part.doubts + 1 >= self._patience.attempts_max:
                return await self._give_up(delivery, part, DeliveryState.UNCERTAIN, UNKNOWN_FATE)
            return await self._wait(delivery, part, _backoff(part.doubts), doubts=1)
        self._untripped()
        if found is not None:
            LOOKUPS.labels(self.channel, "found").inc()
            return await self._accepted(delivery, part, found)
        if age < self._patience.lookup_seconds:
            # Not there yet proves nothing: whoever claimed it may be sending it at this moment.
            LOOKUPS.labels(self.channel, "unsettled").inc()
            return await self._wait(delivery, part, self._patience.lookup_seconds - age)
        LOOKUPS.labels(self.channel, "absent").inc()
        if part.doubts >= self._patience.attempts_max:
            return await self._give_up(delivery, part, DeliveryState.FAILED, PROVIDER_FAILING)
        return await self._record(delivery, part, Outcome(DeliveryState.QUEUED))

    async def _known_ids(self, connection: Connection, delivery: Delivery, claimed: datetime) -> frozenset[str]:
        if self._provider.lists_by_recipient:
            since = claimed - _KNOWN_IDS_BEFORE
            return await store.list_known_ids(connection, self.channel, delivery.lane, since)
        return await store.list_known_ids(connection, self.channel, None, claimed - _KNOWN_IDS_OF_ALL_BEFORE)

    async def _obstacle(self, delivery: Delivery, part: Part) -> str | None:
        """Why this part is not to be sent, as an upper-case word; None when it is."""
        if part.content is None:
            return CONTENT_EXPIRED
        assert delivery.recipient is not None  # Only what leaves the house is queued.
        async with self._database.connection() as connection:
            correspondent = await store.get_correspondent(connection, self.channel, delivery.recipient.key)
        return refusal(correspondent, delivery)

    async def _accepted(self, delivery: Delivery, part: Part, accepted: Accepted) -> bool:
        async with self._database.transaction() as connection:
            await store.hold_provider_message(connection, self.channel, accepted.provider_message_id)
            locked = await self._still_ours(connection, delivery, part)
            if locked is None:
                return False
            owner = await store.find_part(connection, self.channel, accepted.provider_message_id)
            if owner is not None:
                # Two of ours cannot be one of theirs: nobody can tell what became of this one.
                logs.get().error("send.id_taken", channel=self.channel)
                outcome = Outcome(DeliveryState.UNCERTAIN, failure_reason=UNKNOWN_FATE)
                await self._progress.move(connection, locked, _moved(locked, part, outcome, self._clock))
                return False
            # Whatever a provider calls it: it has it, and it is not ours to send any more.
            state = accepted.state if accepted.state in _AFTER_SEND else DeliveryState.SENT
            outcome = Outcome(state, accepted.provider_message_id, accepted.failure_reason)
            after = _moved(locked, part, outcome, self._clock)
            if accepted.thread != NO_THREAD:
                after = dataclasses.replace(after, sent_thread=accepted.thread)
            receipts = await store.take_receipts(connection, self.channel, accepted.provider_message_id)
            after, reachability = apply_receipts(after, part.number, receipts, self._clock.now())
            assert after.recipient is not None
            await store.note_written(connection, self.channel, after.recipient.key)
            await self._progress.move(connection, locked, after, reachability=reachability)
            crashpoints.reached("channels.before_record_commit")
        crashpoints.reached("channels.after_record_commit")
        return True

    async def _refused(self, delivery: Delivery, part: Part, refused: Refused) -> bool:
        instead = refused.instead
        if instead is None or instead == part.content:
            outcome = Outcome(DeliveryState.FAILED, failure_reason=refused.reason)
            return await self._record(delivery, part, outcome, reachability=refused.reachability)
        async with self._database.transaction() as connection:
            locked = await self._still_ours(connection, delivery, part)
            if locked is None:
                return False
            # It stands for the rest of the delivery as well, of which nothing would be taken either.
            kept = tuple(each for each in locked.parts if each.number <= part.number)
            after = _moved(dataclasses.replace(locked, parts=kept), part, Outcome(DeliveryState.QUEUED), self._clock)
            parts = tuple(
                dataclasses.replace(each, content=instead) if each.number == part.number else each
                for each in after.parts
            )
            await self._progress.move(connection, locked, dataclasses.replace(after, parts=parts))
        return True

    async def _throttled(self, delivery: Delivery, part: Part, retry_after_seconds: float) -> bool:
        if await self._is_late(delivery):
            return await self._give_up(delivery, part, DeliveryState.FAILED, PROVIDER_BUSY)
        pause = self._pause(retry_after_seconds)
        await self._record(delivery, part, Outcome(DeliveryState.QUEUED), due_seconds=pause)
        return False

    async def _unreachable(self, delivery: Delivery, part: Part) -> bool:
        if await self._is_late(delivery):
            return await self._give_up(delivery, part, DeliveryState.FAILED, PROVIDER_UNREACHABLE)
        await self._record(delivery, part, Outcome(DeliveryState.QUEUED), due_seconds=_backoff(part.attempts - 1))
        return False

    async def _doubted(self, delivery: Delivery, part: Part) -> bool:
        # Looked up at once: that it is there settles it, that it is not is only believed later.
        return await self._wait(delivery, part, 0.0, doubts=1)

    async def _wait(self, delivery: Delivery, part: Part, seconds: float, *, doubts: int = 0) -> bool:
        """Leaves the part claimed, to be looked up (again) after so many seconds."""
        async with self._database.transaction() as connection:
            locked = await self._still_ours(connection, delivery, part)
            if locked is None:
                return False
            doubted = dataclasses.replace(part, doubts=part.doubts + doubts)
            after = locked.with_part(doubted, self._clock.now())
            await self._progress.move(connection, locked, after, due_seconds=seconds)
        return seconds <= 0

    async def _give_up(self, delivery: Delivery, part: Part, state: DeliveryState, reason: str) -> bool:
        return await self._record(delivery, part, Outcome(state, failure_reason=reason))

    async def _record(
        self,
        delivery: Delivery,
        part: Part,
        outcome: Outcome,
        *,
        due_seconds: float = 0.0,
        reachability: Reachability | None = None,
    ) -> bool:
        """Writes what became of the part, unless it is not ours any more; whether it was."""
        async with self._database.transaction() as connection:
            locked = await self._still_ours(connection, delivery, part)
            if locked is None:
                return False
            after = _moved(locked, part, outcome, self._clock)
            await self._progress.move(connection, locked, after, due_seconds=due_seconds, reachability=reachability)
        return True

    async def _still_ours(self, connection: Connection, delivery: Delivery, part: Part) -> Delivery | None:
        """The delivery, locked, unless somebody else has claimed or settled the part since."""
        locked = await store.lock_delivery(connection, delivery.id)
        if locked is None:
            return None
        current = next((each for each in locked.parts if each.number == part.number), None)
        if current is None or (current.claims, current.state) != (part.claims, part.state):
            return None
        return locked

    async def _is_late(self, delivery: Delivery) -> bool:
        async with self._database.connection() as connection:
            waited = await store.queued_seconds(connection, delivery.id)
        return waited > self._patience.give_up_seconds

    def _pause(self, seconds: float) -> float:
        seconds = min(max(seconds, 0.0), _PAUSE_SECONDS_MAX)
        self._paused_until = max(self._paused_until, time.monotonic() + seconds)
        return seconds

    def _answered(self, outcome: str) -> None:
        SENDS.labels(self.channel, outcome).inc()
        self._untripped()

    def _failed(self, outcome: str) -> None:
        SENDS.labels(self.channel, outcome).inc()
        self._tripped()

    def _untripped(self) -> None:
        self.breaker.succeeded()
        BREAKER.labels(self.channel).set(0)

    def _tripped(self) -> None:
        self.breaker.failed()
        if self.breaker.state is BreakerState.OPEN:
            BREAKER.labels(self.channel).set(1)


def _moved(delivery: Delivery, part: Part, outcome: Outcome, clock: Clock) -> Delivery:
    return delivery.with_part(part.after(outcome), clock.now())


def _parcel(delivery: Delivery, part: Part, known_ids: frozenset[str] = frozenset()) -> Parcel:
    assert delivery.recipient is not None
    assert part.content is not None
    assert part.first_claim_time is not None
    return Parcel(
        delivery_id=delivery.id,
        number=part.number,
        count=len(delivery.parts),
        recipient=delivery.recipient,
        content=part.content,
        claimed_time=part.first_claim_time,
        thread=delivery.thread,
        known_ids=known_ids,
    )


def _backoff(failures: int) -> float:
    # The exponent is bounded: a provider may be away for days.
    seconds = min(_BACKOFF_SECONDS_MAX, _BACKOFF_SECONDS * 2.0 ** min(failures, 16))
    return seconds * random.uniform(0.5, 1)
