"""From the outbox to Kafka, in the order of the ids, at least once.

The relay asks for what is not published yet, never for ids above a cursor: a transaction that took its id early and
commits late would be skipped. One relay works for each schema, held by an advisory lock; the others stand by.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError, RecordTooLargeError

from meshkit import crashpoints, inbox, leadership, logs, metrics
from meshkit.kafka import client_options
from meshkit.leadership import leading
from meshkit.outbox import Outbox
from meshkit.timers import Timer, run_timers
from meshkit.waiting import happened

if TYPE_CHECKING:
    from meshkit.database import Connection, Database
    from meshkit.settings import ServiceSettings

_UNPUBLISHED = """
select id, topic, key, value, header_names, header_values, extract(epoch from now() - created_at)::float8 as age_seconds
from outbox
where published_at is null and refused_at is null
order by id
limit $1
"""
_MARK_PUBLISHED = "update outbox set published_at = now() where id = any($1::bigint[])"
_MARK_REFUSED = "update outbox set refused_at = now() where id = $1"
# Counted up to a limit: how far behind exactly does not matter beyond it, and counting must stay cheap.
_COUNT_PENDING = """
select count(*) from (
  select from outbox where published_at is null and refused_at is null limit 100000
) as pending
"""

_ROWS_MAX = 1000
_POLL_SECONDS = 0.25
# Under load, rounds this far apart gather many rows each; an idle relay still starts at once.
_ROUND_SECONDS = 0.02
_BACKOFF_SECONDS = 0.2
_BACKOFF_SECONDS_MAX = 5.0
_PRODUCE_SECONDS = 6
_CLOSE_SECONDS = 5
_PENDING_SECONDS = 2.0
_PRUNE_SECONDS = 300.0
_OUTBOX_KEPT = timedelta(hours=72)
# Longer than any topic keeps its records.
_INBOX_KEPT = timedelta(days=35)

_AWAY = (KafkaError, *leadership.AWAY)


class Relay:
    """Publishes what the service's transactions left in its outbox, and prunes what is long published.

    `run` works until `stop`, through any absence of Kafka or Postgres, and publishes once more what is there before
    it ends. The database wakes it after each commit that published; polling finds what other processes wrote.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        database: Database,
        *,
        rows_max: int = _ROWS_MAX,
        poll_seconds: float = _POLL_SECONDS,
    ) -> None:
        self._dsn = settings.direct_url()
        self._kafka = client_options(settings)
        self._database = database
        self._rows_max = rows_max
        self._poll_seconds = poll_seconds
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        database.subscribe(self._wake.set)

    def stop(self) -> None:
        """Let `run` end after a last round."""
        self._stopping.set()
        self._wake.set()

    async def run(self) -> None:
        """Publish until stopped."""
        timers = asyncio.create_task(run_timers(self._timers()), name="relay timers")
        try:
            await self._run()
        finally:
            timers.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await timers

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                async with self._session() as connection:
                    if connection is None:
                        return
                    async with self._producer() as producer:
                        failures = 0
                        await self._publish_until_stopped(connection, producer)
                        return
            except _AWAY as error:
                failures += 1
                metrics.RELAY_FAILURES.labels(type(error).__name__).inc()
                logs.get().warning("relay.failed", error=error, attempt=failures)
            if self._stopping.is_set():
                return
            pause = min(_BACKOFF_SECONDS_MAX, _BACKOFF_SECONDS * 2.0**failures) * random.uniform(0.5, 1)
            await happened(self._stopping, pause)

    async def _publish_until_stopped(self, connection: Connection, producer: Any) -> None:
        while True:
            last = self._stopping.is_set()
            self._wake.clear()
            began = time.monotonic()
            published = await self._round(connection, producer)
            if published == self._rows_max:
                continue
            if last:
                return
            await happened(self._wake, self._poll_seconds)
            since = time.monotonic() - began
            if since < _ROUND_SECONDS and not self._stopping.is_set():
                await asyncio.sleep(_ROUND_SECONDS - since)

    async def _round(self, connection: Connection, producer: Any) -> int:
        """Publish one batch and mark what the broker acknowledged; the number of rows taken up.

        Raises the first error of the broker after marking: the producer that met it is not to be used again, because
        its sequence has a hole and what it sends next would be refused or out of order.
        """
        rows = await connection.fetch(_UNPUBLISHED, self._rows_max)
        if not rows:
            return 0
        began = time.monotonic()
        sent: list[tuple[asyncpg.Record, asyncio.Future[Any]]] = []
        failed: BaseException | None = None
        try:
            for row in rows:
                try:
                    sent.append((row, await producer.send(row["topic"], **_record(row))))
                except MessageSizeTooLargeError as error:
                    await self._refuse(connection, row, error)
        except KafkaError as error:
            failed = error
        results = await self._acknowledgements(connection, [future for _, future in sent])
        crashpoints.reached("relay.after_produce")
        took = time.monotonic() - began
        acknowledged = []
        for (row, _), result in zip(sent, results, strict=True):
            if isinstance(result, RecordTooLargeError):
                await self._refuse(connection, row, result)
            elif isinstance(result, BaseException):
                failed = failed or result
            else:
                acknowledged.append(row["id"])
                metrics.OUTBOX_PUBLISHED.labels(row["topic"]).inc()
                metrics.OUTBOX_PUBLISH_SECONDS.observe(row["age_seconds"] + took)
        if acknowledged:
            await connection.execute(_MARK_PUBLISHED, acknowledged)
        if failed is not None:
            raise failed
        return len(rows)

    async def _acknowledgements(self, connection: Connection, futures: list[asyncio.Future[Any]]) -> list[Any]:
        """What the broker said to each record, in their order.

        A producer that keeps the order never gives a record up, however long the broker is away. So this waits with
        it, says so, and keeps the session, which is our lock. Raises when that is lost.
        """
        answers = asyncio.gather(*futures, return_exceptions=True)
        while not (await asyncio.wait({answers}, timeout=_PRODUCE_SECONDS))[0]:
            metrics.RELAY_FAILURES.labels(KafkaTimeoutError.__name__).inc()
            logs.get().warning("relay.waiting", pending=len(futures))
            await connection.execute("select")
        return answers.result()

    async def _refuse(self, connection: Connection, row: asyncpg.Record, error: BaseException) -> None:
        """Set aside a row that no broker will ever take, loudly: it stays in the table for people to look at."""
        await connection.execute(_MARK_REFUSED, row["id"])
        metrics.RELAY_FAILURES.labels(type(error).__name__).inc()
        logs.get().error("relay.refused", topic=row["topic"], count=row["id"], error_type=type(error).__name__)

    def _session(self) -> contextlib.AbstractAsyncContextManager[Connection | None]:
        # A mark that a crash of Postgres loses is one more repetition, as after a crash of ours: no round waits for the
        # disk, and business commits have it to themselves.
        return leading(
            self._dsn,
            "relay",
            self._stopping,
            schema=self._database.schema,
            session_settings={"synchronous_commit": "off"},
        )

    @contextlib.asynccontextmanager
    async def _producer(self) -> AsyncIterator[Any]:
        producer = AIOKafkaProducer(
            **self._kafka,
            acks="all",
            enable_idempotence=True,
            request_timeout_ms=_PRODUCE_SECONDS * 1000,
            max_batch_size=256 * 1024,
        )
        try:
            await producer.start()
            yield producer
        finally:
            with contextlib.suppress(TimeoutError, KafkaError, OSError):
                await asyncio.wait_for(producer.stop(), _PRODUCE_SECONDS + _CLOSE_SECONDS)

    def _timers(self) -> list[Timer]:
        return [
            Timer("outbox_pending", _PENDING_SECONDS, self._count_pending),
            Timer("prune", _PRUNE_SECONDS, self._prune),
        ]

    async def _count_pending(self) -> None:
        async with self._database.connection() as connection:
            metrics.OUTBOX_PENDING.set(await connection.fetchval(_COUNT_PENDING))
        used, idle = self._database.size
        metrics.POOL_CONNECTIONS.labels("idle").set(idle)
        metrics.POOL_CONNECTIONS.labels("used").set(used - idle)

    async def _prune(self) -> None:
        outbox = Outbox("")
        async with self._database.connection() as connection:
            while await outbox.prune(connection, older_than=_OUTBOX_KEPT):
                pass
            while await inbox.prune(connection, older_than=_INBOX_KEPT):
                pass


def _record(row: asyncpg.Record) -> dict[str, Any]:
    headers = list(zip(row["header_names"], row["header_values"], strict=True))
    # A redriven record keeps the place its first producer gave it.
    if "sequence" not in row["header_names"]:
        headers.append(("sequence", str(row["id"]).encode()))
    key, value = row["key"], row["value"]
    # Kafka takes a record without a key or one without a value, the client not one without both.
    return {"key": key, "value": b"" if key is None and value is None else value, "headers": headers}
