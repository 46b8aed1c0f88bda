"""gRPC through the door: as it is, with a token where the access table asks for one, errors with their details."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from fte.access import ACCESS, PUBLIC
from fte.channels.v1.channels_service_pb2 import SubmitFormRequest
from fte.tickets.v1.ticket_pb2 import Ticket
from gateway.testing import CONTRACTS, Neighbour, failure, message_class
from local.envoy import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="session")

METHODS = {
    f"/{contract.full_name}/{method.name}": (service, method)
    for service, contract in CONTRACTS.items()
    for method in contract.methods
}
PUBLIC_METHODS = sorted(name for name, callers in ACCESS.items() if PUBLIC in callers)
GET_TICKET = "/fte.tickets.v1.TicketsService/GetTicket"
LIST_TICKETS = "/fte.tickets.v1.TicketsService/ListTickets"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def channel(gateway: Gateway) -> AsyncIterator[grpc.aio.Channel]:
    """A gRPC client of the gateway."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
        yield channel


async def call(
    channel: grpc.aio.Channel,
    name: str,
    request: Message | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    timeout: float | None = 5,
) -> Any:
    """The answer of one method, whatever it is."""
    known = METHODS.get(name)
    request_type = message_class(known[1]) if known else Empty
    answer_type = message_class(known[1], answer=True) if known else Empty
    method: Any = channel.unary_unary(
        name,
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=answer_type.FromString,
    )
    return await method(request or request_type(), metadata=tuple((headers or {}).items()), timeout=timeout)


async def refused(channel: grpc.aio.Channel, name: str, **how: Any) -> grpc.aio.AioRpcError:
    """How the call failed."""
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call(channel, name, **how)
    return error.value


def reasons(error: grpc.aio.AioRpcError) -> list[tuple[str, str]]:
    """Domain and reason of each ErrorInfo in a failure's details."""
    found = []
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            status = status_pb2.Status.FromString(value)
            assert status.code == error.code().value[0]
            for detail in status.details:
                info = error_details_pb2.ErrorInfo()
                if detail.Unpack(info):
                    found.append((info.domain, info.reason))
    return found


@pytest.mark.parametrize("name", sorted(METHODS))
async def test_every_method_passes_as_it_is(
    name: str, channel: grpc.aio.Channel, neighbours: Mapping[str, Neighbour], staff: Mapping[str, str]
) -> None:
    service, method = METHODS[name]
    await call(channel, name, headers=staff)
    assert [call.method for call in neighbours[service].calls] == [method.name]
    assert neighbours[service].calls[0].metadata["authorization"] == [staff["authorization"]]


@pytest.mark.parametrize("name", sorted(METHODS))
async def test_without_a_token_only_public_methods_pass(
    name: str, channel: grpc.aio.Channel, neighbours: Mapping[str, Neighbour]
) -> None:
    service, _ = METHODS[name]
    if name in PUBLIC_METHODS:
        await call(channel, name)
        return
    error = await refused(channel, name)
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED
    assert reasons(error) == [("gateway.fte", "UNAUTHENTICATED")]
    # Envoy's would repeat what was asked for.
    assert "www-authenticate" not in {key for key, _ in error.trailing_metadata() or ()}
    assert neighbours[service].calls == []


async def test_a_token_for_another_audience_is_refused(
    channel: grpc.aio.Channel, neighbours: Mapping[str, Neighbour], signed: Any
) -> None:
    for name in (GET_TICKET, LIST_TICKETS):
        error = await refused(channel, name, headers={"authorization": f"Bearer {signed(aud='other')}"})
        assert error.code() is grpc.StatusCode.UNAUTHENTICATED
        assert reasons(error) == [("gateway.fte", "UNAUTHENTICATED")]
    assert neighbours["tickets"].calls == []


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
async def test_a_failure_keeps_its_code_and_every_detail(
    code: grpc.StatusCode, channel: grpc.aio.Channel, neighbours: Mapping[str, Neighbour]
) -> None:
    told = failure(code, "SOME_REASON", ("ticket", "must be a reference"))
    neighbours["tickets"].fail("GetTicket", told)
    error = await refused(channel, GET_TICKET)
    assert (error.code(), error.details()) == (code, told.message)
    (details,) = [value for key, value in error.trailing_metadata() or () if key == "grpc-status-details-bin"]
    assert details == told.SerializeToString()


async def test_answers_come_back_whole(channel: grpc.aio.Channel, neighbours: Mapping[str, Neighbour]) -> None:
    async def answer(request: Any, context: Any) -> Ticket:
        return Ticket(reference=request.ticket, subject="Straße 🧵")

    neighbours["tickets"].answers["GetTicket"] = answer
    request = message_class(METHODS[GET_TICKET][1])(ticket="TKT-7K3Q9V")
    found = await call(channel, GET_TICKET, request)
    assert (found.reference, found.subject) == ("TKT-7K3Q9V", "Straße 🧵")


async def test_forged_identity_in_metadata_does_not_pass(
    channel: grpc.aio.Channel, neighbours: Mapping[str, Neighbour]
) -> None:
    forged = {"x-staff-sub": "forged", "x-fte-caller": "forged", "x-jwt-payload": "forged", "x-envoy-peer": "forged"}
    await call(channel, GET_TICKET, headers=forged)
    values = {value for values in neighbours["tickets"].calls[0].metadata.values() for value in values}
    assert "forged" not in values


async def test_a_call_without_a_deadline_gets_one(
    channel: grpc.aio.Channel, neighbours: Mapping[str, Neighbour]
) -> None:
    await call(channel, GET_TICKET, timeout=None)
    left = neighbours["tickets"].calls[0].seconds_left
    assert left is not None
    assert 5 < left <= 10


async def test_a_deadline_of_the_caller_is_kept_up_to_a_minute(
    channel: grpc.aio.Channel, neighbours: Mapping[str, Neighbour]
) -> None:
    await call(channel, GET_TICKET, timeout=30)
    left = neighbours["tickets"].calls[0].seconds_left
    assert left is not None
    assert 25 < left <= 30.1


async def test_a_caller_that_leaves_ends_the_call(
    channel: grpc.aio.Channel, neighbours: Mapping[str, Neighbour]
) -> None:
    entered, left = asyncio.Event(), asyncio.Event()

    async def wait(request: Any, context: Any) -> Ticket:
        entered.set()
        try:
            await asyncio.sleep(30)
        finally:
            left.set()
        raise AssertionError("nobody left")

    neighbours["tickets"].answers["GetTicket"] = wait
    calling = asyncio.ensure_future(call(channel, GET_TICKET))
    await asyncio.wait_for(entered.wait(), 5)
    calling.cancel()
    await asyncio.wait_for(left.wait(), 5)


@pytest.mark.parametrize(
    "name",
    [
        "/fte.tickets.v2.TicketsService/GetTicket",
        "/fte.nobody.v1.NobodyService/Get",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.health.v1.Health/Check",
        "/api/v1/tickets",
    ],
)
async def test_what_the_door_does_not_serve_is_unimplemented(name: str, channel: grpc.aio.Channel) -> None:
    error = await refused(channel, name)
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    assert reasons(error) == [("gateway.fte", "NOT_FOUND")]


async def test_a_stream_that_waits_for_its_answer_is_refused_without_waiting_for_its_end(
    channel: grpc.aio.Channel,
) -> None:
    call: Any = channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")(timeout=5)
    assert await call.code() is grpc.StatusCode.UNIMPLEMENTED, "a client that lists services would hang"


async def test_an_unknown_method_of_a_known_service_is_unimplemented(
    channel: grpc.aio.Channel, staff: Mapping[str, str]
) -> None:
    error = await refused(channel, "/fte.tickets.v1.TicketsService/Nothing", headers=staff)
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_message_of_five_megabytes_is_refused_by_the_limit_of_the_service(
    channel: grpc.aio.Channel, neighbours: Mapping[str, Neighbour]
) -> None:
    request = SubmitFormRequest(message="x" * 5_000_000)
    error = await refused(channel, "/fte.channels.v1.ChannelsService/SubmitForm", request=request)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert neighbours["channels"].calls == []
