import contextlib
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from google.protobuf.wrappers_pb2 import Int64Value, StringValue
from hypothesis import given
from hypothesis import strategies as st

from meshkit.context import Call
from meshkit.envelope import (
    Event,
    Headers,
    Undecodable,
    decode,
    decode_raw,
    encode_headers,
    event_type,
    identify,
    inbox_key,
    redrive_for,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TRACE = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


@dataclass
class Taken:
    """A record as it was taken from a broker."""

    headers: Headers
    value: bytes | None = b""
    key: bytes | None = b"ada"
    topic: str = "facts"
    partition: int = 3
    offset: int = 7


def published(**changes: bytes | None) -> Taken:
    event = Event("facts", "ada", StringValue(value="hello"), subject="tickets/1", id=uuid.UUID(int=5))
    headers = dict(encode_headers(event, source="/fte/tests", time=NOON, call=Call("request-1", TRACE)))
    for name, content in changes.items():
        if content is None:
            headers.pop(name.replace("content_type", "content-type"))
        else:
            headers[name.replace("content_type", "content-type")] = content
    return Taken(list(headers.items()), event.message.SerializeToString())


def test_an_event_comes_back_as_it_was_published() -> None:
    received = decode(published(sequence=b"42"), StringValue)
    assert received.message.value == "hello"
    assert (received.id, received.type) == (uuid.UUID(int=5), "google.protobuf.StringValue")
    assert (received.source, received.subject, received.key) == ("/fte/tests", "tickets/1", "ada")
    assert received.time == NOON
    assert (received.request_id, received.traceparent) == ("request-1", TRACE)
    assert (received.sequence, received.redrive) == (42, 0)
    assert (received.topic, received.partition, received.offset) == ("facts", 3, 7)


def test_the_headers_are_those_of_cloudevents_in_binary_mode() -> None:
    headers = dict(published().headers)
    assert headers["ce_specversion"] == b"1.0"
    assert headers["content-type"] == b"application/protobuf"
    assert headers["ce_time"] == b"2026-01-01T12:00:00.000000Z"


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (published(ce_id=None), "CE_ID_MISSING"),
        (published(ce_id=b"seven"), "CE_ID_INVALID"),
        (published(ce_id=b"\xff"), "CE_ID_INVALID"),
        (published(ce_type=b"fte.Unknown"), "CE_TYPE_UNKNOWN"),
        (published(ce_type=None), "CE_TYPE_UNKNOWN"),
        (published(content_type=b"application/json"), "CONTENT_TYPE_UNKNOWN"),
        (Taken(published().headers, None), "VALUE_MISSING"),
        (Taken(published().headers, b"\x0a\xff"), "VALUE_UNDECODABLE"),
    ],
)
def test_a_record_that_is_no_event_says_why(record: Taken, reason: str) -> None:
    with pytest.raises(Undecodable) as caught:
        decode(record, StringValue)
    assert caught.value.reason == reason


def test_another_message_type_is_unknown_even_if_its_bytes_would_fit() -> None:
    with pytest.raises(Undecodable, match="CE_TYPE_UNKNOWN"):
        decode(published(), Int64Value)


def test_a_forged_request_id_or_trace_is_not_taken_over() -> None:
    forged = published(traceparent=b"00-zz", **{"x-request-id": b'a"},{"x'})
    received = decode(forged, StringValue)
    assert (received.request_id, received.traceparent) == ("", None)


headers_of_strangers = st.lists(
    st.tuples(st.sampled_from(["ce_id", "ce_type", "ce_time", "redrive", "sequence", "other"]), st.binary(max_size=20))
)


@given(headers=headers_of_strangers, value=st.none() | st.binary(max_size=50), key=st.none() | st.binary(max_size=9))
def test_any_record_is_either_an_event_or_undecodable_and_always_has_the_same_id(
    headers: list[tuple[str, bytes]], value: bytes | None, key: bytes | None
) -> None:
    record = Taken(headers, value, key)
    raw = decode_raw(record)
    assert raw.message == (value or b"")
    assert identify(record) == identify(record) == raw.id
    assert isinstance(event_type(record), str)
    assert isinstance(redrive_for(record), str)
    with contextlib.suppress(Undecodable):
        decode(record, StringValue)


def test_a_redrive_and_each_consumers_dead_letter_are_facts_of_their_own() -> None:
    keys = {
        inbox_key(uuid.UUID(int=5), {}),
        inbox_key(uuid.UUID(int=5), {"redrive": b"1"}),
        inbox_key(uuid.UUID(int=5), {"dlq_consumer": b"agent"}),
        inbox_key(uuid.UUID(int=5), {"dlq_consumer": b"tickets"}),
    }
    assert len(keys) == 4
