import json
from dataclasses import dataclass

from google.protobuf.wrappers_pb2 import StringValue

from meshkit import logs
from meshkit.envelope import Headers, decode, decode_raw
from meshkit.eventlog import Ended, EventLog


@dataclass
class Taken:
    """A record as it was taken from a broker."""

    headers: Headers
    value: bytes | None = b""
    key: bytes | None = b"ada"
    topic: str = "facts"
    partition: int = 3
    offset: int = 7


HEADERS = [
    ("ce_id", b"0190b5a0-0000-7000-8000-000000000001"),
    ("ce_type", b"google.protobuf.StringValue"),
    ("x-request-id", b"request-1"),
    ("traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"),
]


def test_each_event_is_one_line_of_fields_that_the_list_allows() -> None:
    written: list[str] = []
    record = Taken(HEADERS)
    event = Ended(record, decode(record, StringValue), "applied", 1, 0.0125)
    EventLog("tickets", "facts", level="INFO", write=written.append).ended([event, event])
    first, second = "".join(written).splitlines()
    assert first == second
    line = json.loads(first)
    assert set(line) <= logs.FIELDS
    assert line["request_id"] == "request-1"
    assert (line["trace_id"], line["event_id"]) == ("a" * 32, "0190b5a0-0000-7000-8000-000000000001")
    assert (line["outcome"], line["attempts"], line["duration_ms"]) == ("applied", 1, 12.5)


def test_headers_of_strangers_cannot_break_out_of_their_line() -> None:
    written: list[str] = []
    record = Taken([("ce_id", b'"}\n{"'), ("ce_type", b'"}\n{"forged":"' + b"x" * 500), ("x-request-id", b'"}\n')])
    log = EventLog("tickets", "facts", level="INFO", write=written.append)
    log.ended([Ended(record, decode_raw(record), "applied", 1, 0), Ended(record, None, "dead", 5, 0, "VALUE_ERROR")])
    lines = [json.loads(line) for line in "".join(written).splitlines()]
    assert [line["level"] for line in lines] == ["info", "error"]
    assert lines[0]["request_id"] == ""
    assert len(lines[0]["event_type"]) <= 200
    assert lines[1]["reason"] == "VALUE_ERROR"


def test_below_the_level_nothing_is_written() -> None:
    written: list[str] = []
    record = Taken(HEADERS)
    log = EventLog("tickets", "facts", level="ERROR", write=written.append)
    log.ended([Ended(record, None, "skipped", 1, 0)])
    assert written == []
