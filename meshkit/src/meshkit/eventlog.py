"""What is kept of each event that a consumer brought to its end: its time by outcome, and one line in the log."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from meshkit import envelope, logs, metrics
from meshkit.envelope import Received, Record

_LEVELS = {"DEBUG": 0, "INFO": 1, "WARNING": 2, "ERROR": 3}
_TRACEPARENT_TRACE = slice(3, 35)


class Ended(NamedTuple):
    """An event's end: `outcome` is applied, repeated, skipped or dead; `reason` says why it is dead."""

    record: Record
    received: Received[Any] | None
    outcome: str
    attempts: int
    seconds: float
    reason: str = ""


class EventLog:
    """Counts the events of one topic and writes their lines, those of a batch in one go.

    The lines are put together by hand, because structlog's chain would cost a quarter of what a consumer spends on an
    event. That is safe: each part is a name of ours, a number, held against a pattern before, or quoted as JSON.
    """

    def __init__(self, consumer: str, topic: str, *, level: str, write: Callable[[str], None] | None = None) -> None:
        quoted = json.dumps(consumer)
        self._head = f'"service":{quoted},"event":"event.handled","consumer":{quoted},"topic":{json.dumps(topic)}'
        self._threshold = _LEVELS[level]
        self._write = write or logs.write_line
        self._seconds = {
            outcome: metrics.EVENT_SECONDS.labels(topic, outcome)
            for outcome in ("applied", "repeated", "skipped", "dead")
        }

    def ended(self, events: Sequence[Ended]) -> None:
        """Keep these ends, which came at the same moment."""
        now = time.time()
        stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1000):03d}Z"
        lines = []
        for event in events:
            self._seconds[event.outcome].observe(event.seconds)
            level, rank = ("error", 3) if event.outcome == "dead" else ("info", 1)
            if rank >= self._threshold:
                lines.append(f'{{"ts":"{stamp}","level":"{level}",{self._head},{_rest(event)}}}\n')
        if lines:
            self._write("".join(lines))


def _rest(event: Ended) -> str:
    record, received = event.record, event.received
    parts = (
        f'"partition":{record.partition},"offset":{record.offset},"outcome":"{event.outcome}",'
        f'"attempts":{event.attempts},"duration_ms":{event.seconds * 1000:.2f}'
    )
    if received is None:
        parts += f',"event_id":"{envelope.identify(record)}"'
    else:
        trace_id = received.traceparent[_TRACEPARENT_TRACE] if received.traceparent else ""
        parts += (
            f',"event_id":"{received.id}","event_type":{json.dumps(received.type[:200])},'
            f'"request_id":"{received.request_id}","trace_id":"{trace_id}"'
        )
    return parts + f',"reason":{json.dumps(event.reason)}' if event.reason else parts
