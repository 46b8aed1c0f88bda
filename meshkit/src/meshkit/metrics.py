"""Prometheus metrics of everything the kit does, and the page they are read from.

Labels hold names from the code (methods, codes, topics, reasons), never anything a caller sent.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Counter, Gauge, Histogram, start_http_server

# From a cached answer to the longest deadline a caller is granted.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

RPC_SECONDS = Histogram(
    "rpc_server_seconds", "Time to serve a call, by method and status code.", ("method", "code"), buckets=_SECONDS
)
RPC_IN_FLIGHT = Gauge("rpc_server_in_flight", "Calls being served now.")

EVENT_SECONDS = Histogram(
    "event_seconds",
    "Time from taking up an event to its end, by topic and outcome (applied, repeated, skipped, dead).",
    ("topic", "outcome"),
    buckets=_SECONDS,
)
EVENT_ATTEMPTS_FAILED = Counter(
    "event_attempts_failed_total", "Attempts at an event that failed, by topic and reason.", ("topic", "reason")
)
DEAD_LETTERS = Counter("dead_letters_total", "Events given up, by topic and reason.", ("topic", "reason"))
CONSUMER_LAG = Gauge("consumer_lag", "Records not yet taken up, by topic and partition.", ("topic", "partition"))
CONSUMER_WAITING = Gauge(
    "consumer_waiting_for_infrastructure", "1 while the consumer waits for Postgres or Kafka to come back."
)
LANES_BUSY = Gauge("lanes_busy", "Keys whose events are being handled now, by topic.", ("topic",))
LANES_QUEUED = Gauge(
    "lanes_queued",
    "Events taken up and not finished: in hand, behind another of their key, or to be tried again; by topic.",
    ("topic",),
)

OUTBOX_PENDING = Gauge("outbox_pending", "Events in the outbox that are not published yet.")
OUTBOX_PUBLISHED = Counter("outbox_published_total", "Events published from the outbox, by topic.", ("topic",))
OUTBOX_PUBLISH_SECONDS = Histogram(
    "outbox_publish_seconds", "Time from an event's insert to the broker's acknowledgement.", buckets=_SECONDS
)
RELAY_FAILURES = Counter(
    "relay_failures_total",
    "Rounds of the relay that failed, and seconds-long silences of the broker, by type of error.",
    ("error_type",),
)

POOL_CONNECTIONS = Gauge("database_pool_connections", "Connections of the pool, by state (idle, used).", ("state",))
POOL_ACQUIRE_SECONDS = Histogram(
    "database_pool_acquire_seconds", "Time to get a connection from the pool.", buckets=_SECONDS
)

TIMER_RUNS = Counter(
    "timer_runs_total", "Ticks of a timer, by name and outcome (ok, failed, timeout).", ("timer", "outcome")
)
LOG_WRITES_FAILED = Counter("log_writes_failed_total", "Writes to the log that failed; their lines are lost.")
LOG_FIELDS_DROPPED = Counter("log_fields_dropped_total", "Fields left out of the log because no list allows them.")


@contextmanager
def served(host: str, port: int) -> Iterator[int]:
    """`/metrics` over HTTP while the block runs; gives the port (a free one when asked for 0).

    Raises OSError when the address is taken.
    """
    # A thread of its own, so that a scrape is answered even while the event loop is busy.
    server, thread = start_http_server(port, addr=host)
    try:
        yield int(server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        if thread is not threading.current_thread():
            thread.join(timeout=5)
