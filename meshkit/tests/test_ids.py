from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.errors import InvalidArgument
from meshkit.ids import ResourceName, uuid7

TICKETS = ResourceName("tickets")


def test_ids_are_uuid7_and_ordered_by_their_making() -> None:
    made = [uuid7() for _ in range(1000)]
    assert all(type(identifier) is uuid.UUID and identifier.version == 7 for identifier in made)
    assert made == sorted(made)
    assert len(set(made)) == 1000


@given(st.uuids())
def test_a_name_reads_back_as_its_identifier(identifier: uuid.UUID) -> None:
    assert TICKETS.parse(TICKETS.format(identifier)) == identifier


@pytest.mark.parametrize(
    "name",
    [
        "",
        "tickets/",
        "tickets/1",
        "customers/0198a0c5-0000-7000-8000-000000000000",
        "0198a0c5-0000-7000-8000-000000000000",
        "tickets/0198A0C5-0000-7000-8000-000000000000",
        "tickets/{198a0c5-0000-7000-8000-000000000000}",
        "tickets/0198a0c500007000800000000000000000000000",
        "tickets/0198a0c5-0000-7000-8000-000000000000/messages",
        "tickets/tickets/0198a0c5-0000-7000-8000-000000000000",
    ],
)
def test_any_other_form_is_refused_by_field(name: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        TICKETS.parse(name, field="ticket")
    (violation,) = caught.value.violations
    assert violation.field == "ticket"
    assert "tickets/<uuid>" in violation.description
