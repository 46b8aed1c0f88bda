import pytest
from google.protobuf.wrappers_pb2 import StringValue
from pydantic import ValidationError

from meshkit.deadletters import HandlingTimeout, reason_of, redriven
from meshkit.envelope import Undecodable
from meshkit.errors import InvalidArgument


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (InvalidArgument("a customer's words"), "INVALID_ARGUMENT"),
        (Undecodable("CE_ID_MISSING"), "CE_ID_MISSING"),
        (HandlingTimeout("APPLY_TIMEOUT"), "APPLY_TIMEOUT"),
        (ValueError("a customer's words"), "VALUE_ERROR"),
        (OSError("an address"), "OS_ERROR"),
        (ValidationError.from_exception_data("x", []), "VALIDATION_ERROR"),
    ],
)
def test_a_reason_is_a_name_and_never_a_text(error: Exception, reason: str) -> None:
    assert reason_of(error) == reason


def test_a_redrive_goes_to_the_topic_and_the_consumer_it_came_from_and_is_counted() -> None:
    letter = [
        ("ce_id", b"1"),
        ("sequence", b"7"),
        ("dlq_topic", b"facts"),
        ("dlq_consumer", b"agent"),
        ("dlq_reason", b"VALUE_ERROR"),
    ]
    topic, headers = redriven(letter)
    assert topic == "facts"
    assert headers == [("ce_id", b"1"), ("sequence", b"7"), ("redrive", b"1"), ("redrive_for", b"agent")]
    _, again = redriven([*headers, ("dlq_topic", b"facts"), ("dlq_consumer", b"agent")])
    assert again[-2:] == [("redrive", b"2"), ("redrive_for", b"agent")]
    assert len(again) == 4


def test_what_is_no_dead_letter_cannot_be_redriven() -> None:
    with pytest.raises(ValueError, match="not the headers of a dead letter"):
        redriven([("ce_type", StringValue.DESCRIPTOR.full_name.encode())])
