"""How one consumer handles the events of one topic: once, in two halves, and to an end."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from meshkit import context, crashpoints, envelope, inbox, logs, metrics
from meshkit.database import DatabaseUnavailable
from meshkit.deadletters import HandlingTimeout, bury, reason_of
from meshkit.envelope import Received, Record, Undecodable
from meshkit.errors import Failure, Kind
from meshkit.eventlog import Ended, EventLog
from meshkit.interceptors.correlation import new_request_id
from meshkit.lanes import Partition, Portion

if TYPE_CHECKING:
    from meshkit.clock import Clock
    from meshkit.database import Connection, Database
    from meshkit.outage import Outages
    from meshkit.outbox import Outbox
    from meshkit.subscription import Subscription

_NEIGHBOUR_KINDS = frozenset({Kind.UNAVAILABLE, Kind.DEADLINE, Kind.EXHAUSTED})
# (first pause, longest pause) in seconds; each pause is twice the one before.
_EVENT_PAUSES = (0.2, 5.0)
_NEIGHBOUR_PAUSES = (0.5, 15.0)
_OUTAGE_PAUSES = (0.1, 2.0)

T = TypeVar("T")
OnDead: TypeAlias = "Callable[[Connection, Received[Any]], Awaitable[None]]"

_UNPREPARED: Any = object()


class _Work:
    """A record on its way: what it says, what `prepare` made of it, and how often it failed."""

    __slots__ = ("attempts", "began", "prepared", "received", "record", "subscription")

    def __init__(self, record: Record, subscription: Subscription[Any, Any]) -> None:
        self.record = record
        # The topic's first one until the record was read.
        self.subscription = subscription
        self.received: Received[Any] | None = None
        self.prepared: Any = _UNPREPARED
        self.attempts = 0
        self.began = time.perf_counter()


class Handling:
    """Handles the records of one topic for one consumer group.

    `batch` is the quick way: everything in one transaction, all or nothing. `retry` is the patient way for one lane:
    it waits while the service's own Postgres is away, tries again what may pass, and buries what will not.
    """

    def __init__(
        self,
        group: str,
        subscriptions: Sequence[Subscription[Any, Any]],
        database: Database,
        outbox: Outbox,
        outages: Outages,
        clock: Clock,
        *,
        concurrency: int,
        log_level: str = "INFO",
    ) -> None:
        self._group = group
        self._database = database
        self._outbox = outbox
        self._outages = outages
        self._clock = clock
        self._slots = asyncio.Semaphore(concurrency)
        self._topic = subscriptions[0].topic
        self._first = subscriptions[0]
        self._by_type: dict[str, Subscription[Any, Any]] = {
            subscription.message.DESCRIPTOR.full_name: subscription
            for subscription in subscriptions
            if subscription.message is not None
        }
        self._log = EventLog(group, self._topic, level=log_level)

    def hold_seconds(self, record: Record) -> float:
        """How much longer this record is to lie before it is begun."""
        try:
            found = self._decoded(record)
            if found is None or found[0].hold_seconds is None:
                return 0.0
            return found[0].hold_seconds(found[1])
        except Exception:  # What is wrong with it comes to light, and is dealt with, when it is handled.
            return 0.0

    async def batch(self, portions: Sequence[Portion]) -> Exception | None:
        """Handle all these records now, or none of them and say why."""
        works = [_Work(record, self._first) for portion in portions for record in portion.records]
        try:
            if len(works) == 1:
                outcome = await self._once(works[0])
                self._log.ended([self._ended(works[0], outcome)])
            else:
                await self._together(works)
        except Exception as error:  # Whatever it is, the patient way decides what to do about it.
            return error
        return None

    async def retry(self, portion: Portion, error: Exception | None) -> None:
        """Bring the records of one lane to their end, in their order; ends early only if the partition is lost."""
        for record in portion.records:
            if not await self._to_the_end(_Work(record, self._first), portion.lane.partition, error):
                return
            portion.lane.finish_first()
            error = None

    async def _together(self, works: Sequence[_Work]) -> None:
        firsts: dict[str, tuple[_Work, Received[Any]]] = {}
        outcomes: dict[_Work, str] = {}
        for work in works:
            received = self._read(work)
            if received is None:
                outcomes[work] = "skipped"
            elif firsts.setdefault(received.inbox_key, (work, received))[0] is not work:
                # The same event twice in one batch: its first record counts.
                outcomes[work] = "repeated"
        if firsts:
            async with self._transaction() as connection:
                fresh = await inbox.first_times(connection, self._group, firsts)
                try:
                    async with asyncio.timeout(self._first.apply_timeout_seconds):
                        for key, (work, received) in firsts.items():
                            if key in fresh:
                                await self._call(work.subscription.apply(connection, received, None), received)
                            outcomes[work] = "applied" if key in fresh else "repeated"
                except TimeoutError as error:
                    raise HandlingTimeout("APPLY_TIMEOUT") from error
                crashpoints.reached("consumer.before_apply_commit")
            crashpoints.reached("consumer.after_apply_commit")
        self._log.ended([self._ended(work, outcome) for work, outcome in outcomes.items()])

    async def _once(self, work: _Work) -> str:
        received = self._read(work)
        if received is None:
            return "skipped"
        subscription = work.subscription
        if subscription.prepare is None:
            work.prepared = None
        elif work.prepared is _UNPREPARED:
            try:
                async with asyncio.timeout(subscription.prepare_timeout_seconds):
                    work.prepared = await self._call(subscription.prepare(received), received)
            except TimeoutError as error:
                raise HandlingTimeout("PREPARE_TIMEOUT") from error
        try:
            return await self._apply(work, received)
        except DatabaseUnavailable:
            # What was prepared did not fail: it is kept for when the database is back.
            raise
        except Exception:
            work.prepared = _UNPREPARED
            raise

    async def _apply(self, work: _Work, received: Received[Any]) -> str:
        async with self._transaction() as connection:
            if not await inbox.first_time(connection, self._group, received.inbox_key):
                return "repeated"
            try:
                async with asyncio.timeout(work.subscription.apply_timeout_seconds):
                    await self._call(work.subscription.apply(connection, received, work.prepared), received)
            except TimeoutError as error:
                raise HandlingTimeout("APPLY_TIMEOUT") from error
            crashpoints.reached("consumer.before_apply_commit")
        crashpoints.reached("consumer.after_apply_commit")
        return "applied"

    async def _to_the_end(self, work: _Work, partition: Partition, error: Exception | None) -> bool:
        """Try, wait and try again, or bury; false if the partition was lost before."""
        outages = 0
        doomed: Exception | None = None
        while True:
            if error is None:
                try:
                    async with self._slots:
                        if doomed is None:
                            outcome = await self._once(work)
                        else:
                            outcome = await self._bury(work, doomed)
                except Exception as raised:
                    error = raised
                else:
                    self._outages.over("postgres")
                    self._log.ended([self._ended(work, outcome, doomed)])
                    return True
            if isinstance(error, DatabaseUnavailable) or doomed is not None:
                self._outages.noticed("postgres", error)
                outages += 1
                pause = _pause(_OUTAGE_PAUSES, outages)
            else:
                self._outages.over("postgres")
                work.attempts += 1
                self._note_failure(work, error)
                if self._is_final(work, error):
                    doomed, error = error, None
                    continue
                is_neighbour = isinstance(error, Failure) and error.kind in _NEIGHBOUR_KINDS
                pause = _pause(_NEIGHBOUR_PAUSES if is_neighbour else _EVENT_PAUSES, work.attempts)
            error = None
            if not await partition.kept_for(pause):
                return False

    def _is_final(self, work: _Work, error: Exception) -> bool:
        subscription = work.subscription
        if subscription.dead_letter_topic in (None, self._topic):
            return False
        if isinstance(error, Undecodable):
            return True
        if isinstance(error, Failure) and error.kind in _NEIGHBOUR_KINDS:
            return work.attempts >= subscription.neighbour_attempts
        return work.attempts >= subscription.attempts

    async def _bury(self, work: _Work, error: Exception) -> str:
        with contextlib.suppress(Undecodable):
            self._read(work)
        hook = work.subscription.on_dead if work.received is not None else None
        try:
            return await self._bury_with(work, error, hook)
        except DatabaseUnavailable:
            raise
        except Exception as failed:
            if hook is None:
                raise
            # The letter matters more than what was to go with it.
            logs.get().error("event.on_dead_failed", topic=self._topic, consumer=self._group, error=failed)
            return await self._bury_with(work, error, None)

    async def _bury_with(self, work: _Work, error: Exception, hook: OnDead | None) -> str:
        reason, topic = reason_of(error), work.subscription.dead_letter_topic
        assert topic is not None  # _is_final saw to it
        async with self._transaction() as connection:
            buried = await bury(
                connection,
                self._outbox,
                work.record,
                topic=topic,
                consumer=self._group,
                reason=reason,
                attempts=work.attempts,
                time=self._clock.now(),
            )
            if not buried:
                return "repeated"
            if hook is not None and work.received is not None:
                async with asyncio.timeout(work.subscription.apply_timeout_seconds):
                    await self._call(hook(connection, work.received), work.received)
        metrics.DEAD_LETTERS.labels(self._topic, reason).inc()
        return "dead"

    def _read(self, work: _Work) -> Received[Any] | None:
        """What the record says, read once; None if it is meant for another consumer. Raises `Undecodable`."""
        if work.received is None:
            found = self._decoded(work.record)
            if found is not None:
                work.subscription, work.received = found
        return work.received

    def _decoded(self, record: Record) -> tuple[Subscription[Any, Any], Received[Any]] | None:
        meant_for = envelope.redrive_for(record)
        if meant_for and meant_for != self._group:
            return None
        # A type that nobody here knows is read as any of this topic's, to learn which rule it breaks first.
        subscription = self._by_type.get(envelope.event_type(record), self._first)
        if subscription.message is None:
            return subscription, envelope.decode_raw(record)
        return subscription, envelope.decode(record, subscription.message)

    @contextlib.asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Connection]:
        try:
            async with self._database.transaction() as connection:
                yield connection
        except TimeoutError as error:
            # Not the handler's (that one has its own name by now): our own statement or the commit did not return.
            raise DatabaseUnavailable("the database did not answer in time") from error

    async def _call(self, half: Awaitable[T], received: Received[Any]) -> T:
        """Run one half with the event's request id and trace as the current call."""
        request_id = received.request_id or new_request_id()
        with context.entered(context.Call(request_id, received.traceparent)):
            return await half

    def _ended(self, work: _Work, outcome: str, error: Exception | None = None) -> Ended:
        return Ended(
            work.record,
            work.received,
            outcome,
            # The one that succeeded counts as well.
            work.attempts + (outcome != "dead"),
            time.perf_counter() - work.began,
            "" if error is None else reason_of(error),
        )

    def _note_failure(self, work: _Work, error: Exception) -> None:
        reason = reason_of(error)
        metrics.EVENT_ATTEMPTS_FAILED.labels(self._topic, reason).inc()
        logs.get().warning(
            "event.failed",
            topic=self._topic,
            partition=work.record.partition,
            offset=work.record.offset,
            consumer=self._group,
            event_id=str(envelope.identify(work.record)),
            attempt=work.attempts,
            reason=reason,
            error=error,
        )


def _pause(pauses: tuple[float, float], failures: int) -> float:
    first, longest = pauses
    # The exponent is bounded: an outage may go on for days.
    return min(longest, first * 2.0 ** min(failures - 1, 16)) * random.uniform(0.5, 1)
