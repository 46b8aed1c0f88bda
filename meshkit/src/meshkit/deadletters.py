"""Events that a consumer gave up: their bytes and headers as they were, and beside them who gave up, where and why.

Headers added: `dlq_reason` (UPPER_SNAKE, never an exception's text), `dlq_consumer`, `dlq_topic`, `dlq_partition`,
`dlq_offset`, `dlq_attempts`, `dlq_time`.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from meshkit.envelope import Headers, Record, Undecodable, identify, inbox_key
from meshkit.errors import Failure
from meshkit.inbox import mark_dead
from meshkit.outbox import Outbox

if TYPE_CHECKING:
    from meshkit.database import Connection

_PREFIX = "dlq_"
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_REDRIVE = ("redrive", "redrive_for")


class HandlingTimeout(Exception):
    """A half of a consumer took longer than it may. No `TimeoutError`: that one says that a dependency is slow."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def reason_of(error: BaseException) -> str:
    """Why an event could not be handled, in UPPER_SNAKE: a failure's own reason, or its type's name."""
    if isinstance(error, Failure | Undecodable | HandlingTimeout):
        return error.reason
    return _WORD_START.sub("_", type(error).__name__).upper()


async def bury(
    connection: Connection,
    outbox: Outbox,
    record: Record,
    *,
    topic: str,
    consumer: str,
    reason: str,
    attempts: int,
    time: datetime,
) -> bool:
    """Write dead letter and inbox row in the connection's transaction; false if the event was handled before."""
    headers = dict(record.headers)
    identifier = identify(record)
    if not await mark_dead(connection, consumer, inbox_key(identifier, headers)):
        return False
    kept = [(name, content) for name, content in record.headers if not name.startswith(_PREFIX)]
    if not headers.get("ce_id"):
        kept = [(name, content) for name, content in kept if name != "ce_id"]
        kept.append(("ce_id", str(identifier).encode()))
    facts = {
        "reason": reason,
        "consumer": consumer,
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "attempts": str(attempts),
        "time": time.isoformat(timespec="microseconds").replace("+00:00", "Z"),
    }
    added = [(_PREFIX + name, content.encode()) for name, content in facts.items()]
    await outbox.publish_raw(connection, topic, record.key, record.value, [*kept, *added])
    return True


def redriven(headers: Headers) -> tuple[str, list[tuple[str, bytes]]]:
    """Where a dead letter came from, and the headers to send it there again: for its one consumer, once more.

    Publish the letter's key and value to that topic with these headers (`Outbox.publish_raw`).
    Errors: `ValueError` when the headers are not those of a dead letter.
    """
    given = dict(headers)
    topic, consumer = given.get("dlq_topic"), given.get("dlq_consumer")
    if not topic or not consumer:
        raise ValueError("these are not the headers of a dead letter: dlq_topic or dlq_consumer is missing")
    before = given.get("redrive", b"0")
    count = (int(before) if before.isdigit() else 0) + 1
    kept = [(name, content) for name, content in headers if not name.startswith(_PREFIX) and name not in _REDRIVE]
    return topic.decode(), [*kept, ("redrive", str(count).encode()), ("redrive_for", consumer)]
