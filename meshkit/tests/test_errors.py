from __future__ import annotations

from enum import Enum

import pytest
from google.protobuf import struct_pb2

from meshkit.errors import Failure, InvalidArgument, Kind, Violation, reason_name


class TicketNotFound(Failure):
    kind = Kind.NOT_FOUND
    reason = "TICKET_NOT_FOUND"


def test_a_failure_carries_kind_reason_facts_and_message() -> None:
    failure = TicketNotFound("no such ticket", facts={"ticket": "tickets/1"})
    assert (failure.kind, failure.reason) == (Kind.NOT_FOUND, "TICKET_NOT_FOUND")
    assert failure.facts == {"ticket": "tickets/1"}
    assert str(failure) == failure.message == "no such ticket"


def test_a_violation_names_its_field_in_message_and_detail() -> None:
    failure = InvalidArgument.of("name", "must not be empty; give the ticket's name")
    assert failure.violations == (Violation("name", "must not be empty; give the ticket's name"),)
    assert str(failure).startswith("name: ")


def test_a_reason_is_the_contracts_name_without_its_prefix() -> None:
    class Reasons:
        @staticmethod
        def Name(number: int) -> str:
            return {1: "ERROR_REASON_TICKET_NOT_FOUND"}[number]

    assert reason_name(Reasons, 1) == "TICKET_NOT_FOUND"


def test_a_number_outside_the_enum_is_refused() -> None:
    with pytest.raises(ValueError, match="99"):
        reason_name(struct_pb2.NullValue, 99)


def test_kinds_are_an_enum_without_doubles() -> None:
    assert issubclass(Kind, Enum)
    assert len({kind.value for kind in Kind}) == 11
