import asyncio

import grpc
import pytest
from services.identity.tests.conftest import Running

from fte.identity.v1.customer_pb2 import IDENTIFIER_TYPE_EMAIL, IDENTIFIER_TYPE_PHONE, Customer, Identifier
from fte.identity.v1.identity_events_pb2 import CustomerCreated
from fte.identity.v1.identity_service_pb2 import (
    GetCustomerRequest,
    ListCustomersRequest,
    ResolveCustomerRequest,
    ResolveCustomerResponse,
)
from meshkit.status import from_rpc_error


def asks(value: str, *, name: str = "", verified: bool = False, phone: bool = False) -> ResolveCustomerRequest:
    type_ = IDENTIFIER_TYPE_PHONE if phone else IDENTIFIER_TYPE_EMAIL
    return ResolveCustomerRequest(identifier=Identifier(type=type_, value=value), display_name=name, verified=verified)


async def test_one_identifier_is_one_customer_in_any_spelling(identity: Running) -> None:
    desk = await identity.stub("tickets")
    first = await desk.ResolveCustomer(asks("Ada@TechCorp.example", name="Ada"))
    second = await desk.ResolveCustomer(asks("ada@techcorp.EXAMPLE", name="Someone else"))
    assert (first.created, second.created) == (True, False)
    assert second.customer.name == first.customer.name
    assert second.customer.display_name == "Ada"
    assert [i.value for i in second.customer.identifiers] == ["ada@techcorp.example"]


async def test_many_at_once_create_exactly_one_customer_and_one_event(identity: Running) -> None:
    desk = await identity.stub("tickets")
    answers: list[ResolveCustomerResponse] = await asyncio.gather(
        *(desk.ResolveCustomer(asks("crowd@techcorp.example", name=f"n{i}")) for i in range(60))
    )
    assert len({answer.customer.name for answer in answers}) == 1
    assert sum(answer.created for answer in answers) == 1
    async with identity.database.connection() as connection:
        assert await connection.fetchval("select count(*) from customers") == 1
        values = await connection.fetch("select topic, key, value from outbox")
    (row,) = values
    event = CustomerCreated.FromString(row["value"])
    assert (row["topic"], row["key"].decode()) == ("fte.identity.changes", event.customer)
    assert event.customer == answers[0].customer.name
    assert b"crowd" not in row["value"]


async def test_once_verified_an_identifier_stays_verified(identity: Running) -> None:
    desk = await identity.stub("tickets")
    number = "+1 212 555 0101"
    claimed = await desk.ResolveCustomer(asks(number, phone=True))
    proved = await desk.ResolveCustomer(asks(number, phone=True, verified=True))
    again = await desk.ResolveCustomer(asks(number, phone=True))
    assert [a.customer.identifiers[0].verified for a in (claimed, proved, again)] == [False, True, True]
    assert proved.customer.update_time.ToNanoseconds() > claimed.customer.update_time.ToNanoseconds()
    assert again.customer == proved.customer


async def test_the_first_name_given_is_kept(identity: Running) -> None:
    desk = await identity.stub("tickets")
    await desk.ResolveCustomer(asks("ada@techcorp.example"))
    named = await desk.ResolveCustomer(asks("ada@techcorp.example", name="Ada"))
    assert named.customer.display_name == "Ada"


async def test_an_impossible_identifier_names_its_field_and_creates_nothing(identity: Running) -> None:
    desk = await identity.stub("tickets")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await desk.ResolveCustomer(asks("not an address"))
    failure = from_rpc_error(refused.value)
    assert (failure.code, failure.reason, failure.domain) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_IDENTIFIER",
        "identity.fte",
    )
    assert [violation.field for violation in failure.violations] == ["identifier.value"]
    async with identity.database.connection() as connection:
        assert await connection.fetchval("select count(*) from customers") == 0


async def test_an_identifier_without_a_type_is_refused_by_the_contract(identity: Running) -> None:
    desk = await identity.stub("tickets")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await desk.ResolveCustomer(ResolveCustomerRequest(identifier=Identifier(value="ada@techcorp.example")))
    assert [violation.field for violation in from_rpc_error(refused.value).violations] == ["identifier.type"]


async def test_staff_read_one_customer_and_are_told_of_none(identity: Running) -> None:
    desk, staff = await identity.stub("tickets"), await identity.stub("staff")
    customer = (await desk.ResolveCustomer(asks("ada@techcorp.example", name="Ada"))).customer
    assert await staff.GetCustomer(GetCustomerRequest(name=customer.name)) == customer
    unknown = "customers/01890000-0000-7000-8000-000000000000"
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await staff.GetCustomer(GetCustomerRequest(name=unknown))
    failure = from_rpc_error(refused.value)
    assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, "CUSTOMER_NOT_FOUND")
    assert failure.metadata["customer"] == unknown


async def test_pages_hold_every_customer_once_newest_first(identity: Running) -> None:
    desk, staff = await identity.stub("tickets"), await identity.stub("staff")
    made = [(await desk.ResolveCustomer(asks(f"c{i}@techcorp.example"))).customer.name for i in range(7)]
    seen: list[Customer] = []
    token = ""
    while True:
        page = await staff.ListCustomers(ListCustomersRequest(page_size=3, page_token=token))
        assert len(page.customers) <= 3
        seen.extend(page.customers)
        token = page.next_page_token
        if not token:
            break
    assert [customer.name for customer in seen] == made[::-1]


async def test_a_page_token_that_we_did_not_make_is_refused(identity: Running) -> None:
    staff = await identity.stub("staff")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await staff.ListCustomers(ListCustomersRequest(page_token="AAAA"))
    assert [violation.field for violation in from_rpc_error(refused.value).violations] == ["page_token"]


async def test_a_customer_is_found_by_any_spelling_of_an_identifier(identity: Running) -> None:
    desk, staff = await identity.stub("tickets"), await identity.stub("staff")
    await desk.ResolveCustomer(asks("other@techcorp.example"))
    customer = (await desk.ResolveCustomer(asks("+12125550101", phone=True))).customer
    found = await staff.ListCustomers(ListCustomersRequest(identifier="(212) 555-0101"))
    assert list(found.customers) == [customer]
    assert not (await staff.ListCustomers(ListCustomersRequest(identifier="nobody@techcorp.example"))).customers
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await staff.ListCustomers(ListCustomersRequest(identifier="nonsense"))
    assert [violation.field for violation in from_rpc_error(refused.value).violations] == ["identifier"]


@pytest.mark.parametrize(
    ("caller", "code"),
    [
        ("public", grpc.StatusCode.UNAUTHENTICATED),
        ("staff", grpc.StatusCode.PERMISSION_DENIED),
        ("agent", grpc.StatusCode.PERMISSION_DENIED),
    ],
)
async def test_only_the_desk_resolves(identity: Running, caller: str, code: grpc.StatusCode) -> None:
    stub = await identity.stub(caller)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.ResolveCustomer(asks("ada@techcorp.example"))
    assert refused.value.code() == code
