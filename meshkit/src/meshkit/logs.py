"""One JSON object a line on standard output, made only of fields that a list allows.

Message texts, addresses and tokens cannot reach the log by accident: a field that is not on the list is dropped and
counted, an event must be a fixed name, and of an exception only its type and the places it passed are kept.
"""

from __future__ import annotations

import json
import logging
import math
import re
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog
from structlog.typing import FilteringBoundLogger

from meshkit import context, metrics

FIELDS = frozenset(
    {
        "ts", "level", "service", "event", "method", "topic", "partition", "offset", "request_id", "trace_id", "caller",
        "code", "reason", "duration_ms", "event_id", "event_type", "consumer", "attempt", "attempts", "count", "port",
        "version", "error_type", "stack", "timer", "schema", "migration", "signal", "seconds", "lag", "pending",
        "outcome", "logger", "text", "field", "run_id", "model", "tokens_in", "tokens_out", "channel", "state",
    }
)  # fmt: skip
_EVENT_NAME = re.compile(r"[a-z][a-z0-9_.]{0,63}")
_VALUE_CHARACTERS_MAX = 200
_STACK_FRAMES_MAX = 12
_LIBRARY_REPEAT_SECONDS = 10.0
# What aiokafka calls a failure although each rolling restart brings it: the group is being shared out anew.
_ORDINARY = frozenset({"Heartbeat failed for group %s because it is rebalancing"})

_service = ""
_stream: TextIO | None = None


def configure(service: str, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Sends this process's log, and that of the libraries it uses, to `stream` (standard output) as JSON lines."""
    global _service, _stream
    _service, _stream = service, stream
    number = logging.getLevelNamesMapping()[level]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            _with_call,
            _with_error,
            _allowed_only,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=_Lines,
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_LibraryLog(number)]
    # They would go to standard error, with the source line in them.
    logging.captureWarnings(True)
    # Libraries are quieter than we are: their INFO is about addresses and connections.
    root.setLevel(max(number, logging.WARNING))


def get() -> FilteringBoundLogger:
    """A logger: `log.info("ticket.escalated", reason=...)`. Fields as in `FIELDS`; `error=` takes an exception.

    The service, request id, trace and caller of the current call are added by themselves.
    """
    logger: FilteringBoundLogger = structlog.get_logger()
    return logger


def write_line(line: str) -> None:
    """Writes finished lines: for the server, whose line for each call is made without structlog's chain.

    A line that cannot be written is counted and lost: that nobody reads the log is no reason to stop serving.
    """
    stream = _stream or sys.stdout
    try:
        stream.write(line)
        stream.flush()
    except (OSError, ValueError):
        # ValueError is what Python says of a closed file.
        metrics.LOG_WRITES_FAILED.inc()


def where(error: BaseException) -> str:
    """The places an exception passed, innermost first, as `file:line function`: never its text, which may hold data."""
    frames = traceback.extract_tb(error.__traceback__)
    places = (
        f"{'/'.join(frame.filename.rsplit('/', 2)[-2:])}:{frame.lineno} {frame.name}" for frame in reversed(frames)
    )
    return " < ".join(place for place, _ in zip(places, range(_STACK_FRAMES_MAX), strict=False))


def _with_call(_logger: Any, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    entry["service"] = _service
    call = context.current()
    if call.request_id:
        entry.setdefault("request_id", call.request_id)
    if call.traceparent:
        entry.setdefault("trace_id", call.traceparent[3:35])
    if call.caller is not None:
        entry.setdefault("caller", call.caller.label)
    return entry


def _with_error(_logger: Any, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    error = entry.pop("error", None)
    if isinstance(error, BaseException):
        entry["error_type"] = type(error).__name__
        entry["stack"] = where(error)
    return entry


def _allowed_only(_logger: Any, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in entry.items():
        if key not in FIELDS or not isinstance(value, str | int | float | None):
            metrics.LOG_FIELDS_DROPPED.inc()
        elif key == "event" and not _EVENT_NAME.fullmatch(str(value)):
            # Free text in the place of a name could hold anything.
            metrics.LOG_FIELDS_DROPPED.inc()
            kept[key] = "unnamed"
        elif isinstance(value, str) and key != "stack":
            kept[key] = value[:_VALUE_CHARACTERS_MAX]
        else:
            kept[key] = value
    return kept


class _Lines:
    """Where structlog's chain ends: a line goes wherever the log goes at the time."""

    def __init__(self, *_: object) -> None:
        """structlog hands over a logger's name, which a process with one log does not need."""

    def info(self, line: str) -> None:
        write_line(line + "\n")

    debug = warning = error = critical = info


class _LibraryLog(logging.Handler):
    """Takes what libraries log by the standard library: the template of a message, never the values put into it.

    What says the same again is counted, and written every ten seconds: a client whose broker is away repeats itself a
    hundred times a second, for as long as that takes. What it mends by itself is at most an INFO: topics that are new
    have no leader yet, and a group gets another coordinator. Should it last, our own lines say so.
    """

    def __init__(self, threshold: int) -> None:
        super().__init__()
        self._threshold = threshold
        # When a message was written, and how often it came since. By places in libraries' code, so there are not many.
        self._written: dict[tuple[str, str, str], tuple[float, int]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else _error_among(record.args)
        # Without arguments the text may already be filled in, so only its place is told.
        text = str(record.msg) if record.args else f"{record.filename}:{record.lineno}"
        level = record.levelno
        if text in _ORDINARY or getattr(error, "retriable", False) is True:
            level = min(level, logging.INFO)
        if level < self._threshold:
            return
        said = (record.name, text, type(error).__name__)
        written, times = self._written.get(said, (-math.inf, 0))
        # The clock may have been set back.
        if abs(record.created - written) < _LIBRARY_REPEAT_SECONDS:
            self._written[said] = (written, times + 1)
            return
        self._written[said] = (record.created, 0)
        entry: dict[str, Any] = {
            "event": "library.message",
            "level": logging.getLevelName(level).lower(),
            "ts": structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts")(None, "", {})["ts"],
            "logger": record.name,
            "text": text,
            "error": error,
        }
        if times:
            entry["count"] = times + 1
        finished = _allowed_only(None, "", _with_error(None, "", _with_call(None, "", entry)))
        write_line(json.dumps(finished) + "\n")


def _error_among(arguments: object) -> BaseException | None:
    places = arguments if isinstance(arguments, tuple) else ()
    return next((each for each in places if isinstance(each, BaseException)), None)
