"""Whether a customer can be reached: what the providers told, in whatever order it arrived."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import grpc
import pytest
from services.identity.tests.conftest import Running

from fte.identity.v1 import customer_pb2
from fte.identity.v1.customer_pb2 import (
    IDENTIFIER_TYPE_EMAIL,
    IDENTIFIER_TYPE_PHONE,
    REACHABILITY_OPTED_OUT,
    REACHABILITY_REACHABLE,
    REACHABILITY_UNDELIVERABLE,
    REACHABILITY_UNSPECIFIED,
    Customer,
    Identifier,
    Reachability,
)
from fte.identity.v1.identity_service_pb2 import ListCustomersRequest, MarkIdentifierRequest, ResolveCustomerRequest
from meshkit.status import from_rpc_error
from meshkit.timestamps import timestamp

ADA = "ada@techcorp.example"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def note(
    reachability: Reachability.ValueType,
    *,
    value: str = ADA,
    type_: customer_pb2.IdentifierType.ValueType = IDENTIFIER_TYPE_EMAIL,
    at: datetime = NOON,
) -> MarkIdentifierRequest:
    return MarkIdentifierRequest(
        identifier=Identifier(type=type_, value=value), reachability=reachability, change_time=timestamp(at)
    )


async def known(identity: Running, value: str = ADA) -> Customer:
    """The customer of an identifier as staff see it."""
    staff = await identity.stub("staff")
    (customer,) = (await staff.ListCustomers(ListCustomersRequest(identifier=value))).customers
    return customer


async def writes(identity: Running, value: str = ADA, *, phone: bool = False) -> None:
    """Somebody writes to us from there."""
    type_ = IDENTIFIER_TYPE_PHONE if phone else IDENTIFIER_TYPE_EMAIL
    desk = await identity.stub("tickets")
    await desk.ResolveCustomer(ResolveCustomerRequest(identifier=Identifier(type=type_, value=value)))


async def test_an_identifier_is_reachable_until_somebody_says_otherwise(identity: Running) -> None:
    await writes(identity)
    assert [each.reachability for each in (await known(identity)).identifiers] == [REACHABILITY_REACHABLE]


async def test_an_address_whose_mail_came_back_shows_it_in_any_spelling(identity: Running) -> None:
    await writes(identity)
    before = await known(identity)
    desk = await identity.stub("tickets")
    await desk.MarkIdentifier(note(REACHABILITY_UNDELIVERABLE, value="Ada@TechCorp.EXAMPLE"))
    after = await known(identity)
    assert [each.reachability for each in after.identifiers] == [REACHABILITY_UNDELIVERABLE]
    assert after.update_time.ToNanoseconds() > before.update_time.ToNanoseconds()


async def test_a_number_that_wants_nothing_more_shows_it(identity: Running) -> None:
    await writes(identity, "+12125550101", phone=True)
    desk = await identity.stub("tickets")
    await desk.MarkIdentifier(note(REACHABILITY_OPTED_OUT, value="+1 212 555 0101", type_=IDENTIFIER_TYPE_PHONE))
    assert (await known(identity, "+12125550101")).identifiers[0].reachability == REACHABILITY_OPTED_OUT


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_of_several_notes_the_one_with_the_latest_time_stands(order: tuple[int, ...], identity: Running) -> None:
    await writes(identity)
    notes = [
        note(word, at=NOON + timedelta(minutes=number))
        for number, word in enumerate((REACHABILITY_UNDELIVERABLE, REACHABILITY_REACHABLE, REACHABILITY_OPTED_OUT))
    ]
    desk = await identity.stub("tickets")
    for number in order:
        await desk.MarkIdentifier(notes[number])
    assert (await known(identity)).identifiers[0].reachability == REACHABILITY_OPTED_OUT


async def test_the_same_note_again_changes_nothing(identity: Running) -> None:
    await writes(identity)
    desk = await identity.stub("tickets")
    await desk.MarkIdentifier(note(REACHABILITY_OPTED_OUT))
    once = await known(identity)
    await desk.MarkIdentifier(note(REACHABILITY_OPTED_OUT))
    assert await known(identity) == once


async def test_a_time_that_has_not_come_yet_does_not_stand_for_ever(identity: Running) -> None:
    await writes(identity)
    desk = await identity.stub("tickets")
    await desk.MarkIdentifier(note(REACHABILITY_UNDELIVERABLE, at=datetime.now(UTC) + timedelta(days=400)))
    await desk.MarkIdentifier(note(REACHABILITY_REACHABLE, at=datetime.now(UTC) + timedelta(days=300)))
    assert (await known(identity)).identifiers[0].reachability == REACHABILITY_REACHABLE


async def test_writing_again_takes_no_note_back(identity: Running) -> None:
    await writes(identity)
    desk = await identity.stub("tickets")
    await desk.MarkIdentifier(note(REACHABILITY_OPTED_OUT))
    await desk.ResolveCustomer(
        ResolveCustomerRequest(identifier=Identifier(type=IDENTIFIER_TYPE_EMAIL, value=ADA), verified=True)
    )
    (identifier,) = (await known(identity)).identifiers
    assert (identifier.verified, identifier.reachability) == (True, REACHABILITY_OPTED_OUT)


async def test_an_identifier_that_nobody_has_is_left_alone(identity: Running) -> None:
    desk = await identity.stub("tickets")
    await desk.MarkIdentifier(note(REACHABILITY_UNDELIVERABLE, value="nobody@nowhere.example"))
    async with identity.database.connection() as connection:
        assert await connection.fetchval("select count(*) from identifiers") == 0


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (note(REACHABILITY_OPTED_OUT, value="no address"), "INVALID_IDENTIFIER"),
        (note(REACHABILITY_UNSPECIFIED), "INVALID_ARGUMENT"),
        (MarkIdentifierRequest(reachability=REACHABILITY_OPTED_OUT, change_time=timestamp(NOON)), "INVALID_ARGUMENT"),
        (
            MarkIdentifierRequest(
                identifier=Identifier(type=IDENTIFIER_TYPE_EMAIL, value=ADA), reachability=REACHABILITY_OPTED_OUT
            ),
            "INVALID_ARGUMENT",
        ),
    ],
    ids=["no address", "no word", "no identifier", "no time"],
)
async def test_a_note_that_says_too_little_is_refused(
    request_: MarkIdentifierRequest, reason: str, identity: Running
) -> None:
    desk = await identity.stub("tickets")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await desk.MarkIdentifier(request_)
    failure = from_rpc_error(refused.value)
    assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)


@pytest.mark.parametrize("caller", ["channels", "agent", "staff"])
async def test_only_the_desk_takes_notes(caller: str, identity: Running) -> None:
    stub = await identity.stub(caller)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.MarkIdentifier(note(REACHABILITY_OPTED_OUT))
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
