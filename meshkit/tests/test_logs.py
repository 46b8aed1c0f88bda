"""The log says what happened and nothing of what was said."""

from __future__ import annotations

import io
import json
import logging
import warnings
from typing import Any

import pytest
from aiokafka.errors import LeaderNotAvailableError, TopicAuthorizationFailedError
from hypothesis import given
from hypothesis import strategies as st

from meshkit import context, logs, metrics
from meshkit.callers import Caller
from meshkit.context import Call

SECRET = "ada@example.com"


@pytest.fixture
def stream() -> io.StringIO:
    written = io.StringIO()
    logs.configure("tickets", "DEBUG", stream=written)
    return written


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def dropped() -> float:
    value: float = metrics.LOG_FIELDS_DROPPED._value.get()
    return value


def test_a_line_says_when_where_what_and_for_whom(stream: io.StringIO) -> None:
    call = Call("r-1", "00-" + "a" * 32 + "-" + "b" * 16 + "-01", None, Caller("staff", SECRET))
    with context.entered(call):
        logs.get().info("ticket.escalated", reason="CUSTOMER_ASKED", attempt=2)
    (line,) = lines(stream)
    assert line.pop("ts").endswith("Z")
    assert line == {
        "level": "info",
        "service": "tickets",
        "event": "ticket.escalated",
        "reason": "CUSTOMER_ASKED",
        "attempt": 2,
        "request_id": "r-1",
        "trace_id": "a" * 32,
        "caller": "staff",
    }


def test_a_field_that_no_list_allows_is_dropped_and_counted(stream: io.StringIO) -> None:
    before = dropped()
    logs.get().info("ticket.filed", email=SECRET, message_text=SECRET, reason={"nested": SECRET})
    assert SECRET not in stream.getvalue()
    assert dropped() == before + 3


@given(st.text(max_size=80))
def test_free_text_cannot_stand_where_a_name_belongs(text: str) -> None:
    written = io.StringIO()
    logs.configure("tickets", stream=written)
    logs.get().info(text)
    (line,) = lines(written)
    assert line["event"] in (text, "unnamed")
    assert line["event"] == "unnamed" or text.replace(".", "").replace("_", "").isalnum()


def test_of_an_exception_only_type_and_places_are_kept(stream: io.StringIO) -> None:
    try:
        raise ValueError(f"cannot reach {SECRET}")
    except ValueError as error:
        logs.get().error("rpc.failed", error=error)
    (line,) = lines(stream)
    assert line["error_type"] == "ValueError"
    assert "tests/test_logs.py" in line["stack"]
    assert SECRET not in stream.getvalue()


def test_what_libraries_log_loses_its_values(stream: io.StringIO) -> None:
    logging.getLogger("aiokafka.conn").error("cannot connect to %s", SECRET)
    logging.getLogger("other").error("cannot connect to " + SECRET)  # noqa: G003 - what a library should not do
    logging.getLogger("quiet").info("connected to %s", SECRET)
    first, second = lines(stream)
    assert (first["logger"], first["text"]) == ("aiokafka.conn", "cannot connect to %s")
    assert second["text"].startswith("test_logs.py:")
    assert SECRET not in stream.getvalue()


def test_a_library_that_repeats_itself_is_written_every_ten_seconds_with_a_count(stream: io.StringIO) -> None:
    handler = logging.getLogger().handlers[0]
    for milliseconds in range(0, 25_001, 10):
        for text in ("cannot connect to %s", "cannot fetch from %s"):
            handler.handle(
                logging.makeLogRecord(
                    {
                        "name": "aiokafka",
                        "levelno": logging.WARNING,
                        "msg": text,
                        "args": (SECRET,),
                        "created": milliseconds / 1000,
                    }
                )
            )
    told = [(line["text"], line.get("count")) for line in lines(stream)]
    assert told == [
        (text, count) for count in (None, 1000, 1000) for text in ("cannot connect to %s", "cannot fetch from %s")
    ]


def test_what_a_library_tries_again_by_itself_is_no_error(stream: io.StringIO) -> None:
    log = logging.getLogger("aiokafka")
    log.error("Failed fetch offsets from %s: %s", 1, LeaderNotAvailableError(SECRET))
    log.error("Failed fetch offsets from %s: %s", 1, TopicAuthorizationFailedError(SECRET))
    log.warning("Heartbeat failed for group %s because it is rebalancing", "tickets")
    log.error("Heartbeat session expired of %s", "tickets")
    told = [(line["level"], line.get("error_type")) for line in lines(stream)]
    assert told == [
        ("info", "LeaderNotAvailableError"),
        ("error", "TopicAuthorizationFailedError"),
        ("info", None),
        ("error", None),
    ]
    assert SECRET not in stream.getvalue()


def test_what_a_library_tries_again_by_itself_is_kept_out_with_the_infos() -> None:
    written = io.StringIO()
    logs.configure("tickets", "WARNING", stream=written)
    logging.getLogger("aiokafka").error("Failed fetch offsets from %s: %s", 1, LeaderNotAvailableError())
    assert lines(written) == []


def test_a_librarys_warning_is_a_line_like_any_other(capfd: pytest.CaptureFixture[str]) -> None:
    # The test runner shows warnings in a way of its own, anew for each test.
    logging.captureWarnings(False)
    stream = io.StringIO()
    logs.configure("tickets", stream=stream)
    warnings.warn(f"{SECRET} is deprecated", DeprecationWarning, stacklevel=1)
    (line,) = lines(stream)
    assert (line["logger"], line["level"]) == ("py.warnings", "warning")
    assert SECRET not in stream.getvalue() + capfd.readouterr().err


def test_a_level_keeps_what_is_below_it_out() -> None:
    written = io.StringIO()
    logs.configure("tickets", "WARNING", stream=written)
    logs.get().info("ticket.filed")
    logs.get().warning("relay.failed")
    assert [line["event"] for line in lines(written)] == ["relay.failed"]


def test_a_log_that_nobody_reads_stops_nothing(stream: io.StringIO) -> None:
    before: float = metrics.LOG_WRITES_FAILED._value.get()
    stream.close()
    logs.get().info("ticket.filed")
    assert metrics.LOG_WRITES_FAILED._value.get() == before + 1


def test_a_long_value_is_cut(stream: io.StringIO) -> None:
    logs.get().info("ticket.filed", reason="x" * 5000)
    assert len(lines(stream)[0]["reason"]) == 200
