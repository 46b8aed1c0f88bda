"""Facts written in the business transaction: published if it commits, never if it does not."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from meshkit import context
from meshkit.clock import Clock, SystemClock
from meshkit.database import announce_on_commit
from meshkit.envelope import Event, Headers, encode_headers

if TYPE_CHECKING:
    from meshkit.database import Connection

VALUE_BYTES_MAX = 900_000
"""The largest value that fits a broker's default limit of 1 MiB together with its headers."""

_INSERT = """
insert into outbox (topic, key, value, header_names, header_values) values ($1, $2, $3, $4, $5)
"""
# Ids grow with time, so the oldest rows are the first ones: no index on the time is needed to find them.
_PRUNE = """
with oldest as (select id, published_at from outbox order by id limit $2)
delete from outbox using oldest where outbox.id = oldest.id and oldest.published_at < now() - $1::interval
"""
_PRUNE_BATCH = 5000


class OutboxRow(NamedTuple):
    """The columns of one event in the outbox, in the order of the insert; its headers are two arrays of one length."""

    topic: str
    key: bytes
    value: bytes
    header_names: tuple[str, ...]
    header_values: tuple[bytes, ...]


class Outbox:
    """Where a service leaves the facts it publishes; `source` is its name in them (`/fte/tickets`).

    Lock the row of the aggregate before publishing about it: ids are given at the insert, and only the lock makes the
    ids of one key follow the order of the commits.
    """

    def __init__(self, source: str, *, clock: Clock | None = None) -> None:
        self.source = source
        self._clock = clock or SystemClock()

    def row(self, event: Event) -> OutboxRow:
        """What `publish` writes, with the current call's request id and trace.

        For a hot path that inserts the event within a statement of its own: one round trip less. It inserts these
        columns into the same table, and calls `Database.announce` after its commit.

        Errors: `ValueError` for a value above `VALUE_BYTES_MAX`, which no broker would take.
        """
        value = event.message.SerializeToString()
        if len(value) > VALUE_BYTES_MAX:
            raise ValueError(f"an event of {len(value)} bytes exceeds {VALUE_BYTES_MAX}; publish a reference instead")
        headers = encode_headers(event, source=self.source, time=self._clock.now(), call=context.current())
        names, values = zip(*headers, strict=True)
        return OutboxRow(event.topic, event.key.encode(), value, names, values)

    async def publish(self, connection: Connection, event: Event) -> None:
        """Write the event in the connection's transaction, with the current call's request id and trace.

        Errors: `ValueError` for a value above `VALUE_BYTES_MAX`, which no broker would take.
        """
        await connection.execute(_INSERT, *self.row(event))
        announce_on_commit()

    async def publish_raw(
        self, connection: Connection, topic: str, key: bytes | None, value: bytes | None, headers: Headers
    ) -> None:
        """Write a record as it is, in the connection's transaction: for dead letters and redrives."""
        # Postgres text holds no NUL, and a header's name in a foreign record may.
        names = [name.replace("\x00", "\N{REPLACEMENT CHARACTER}") for name, _ in headers]
        await connection.execute(_INSERT, topic, key, value, names, [content or b"" for _, content in headers])
        announce_on_commit()

    async def prune(self, connection: Connection, *, older_than: timedelta) -> int:
        """Delete rows published longer ago than that, a bounded number at a time; the count says whether to go on."""
        status = await connection.execute(_PRUNE, older_than, _PRUNE_BATCH)
        return int(status.rpartition(" ")[2])
