"""What the door answers when too much is asked of it, or when those behind it are slow, away, or not well."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import grpc
import httpx
import pytest
from google.rpc import error_details_pb2, status_pb2

from fte.channels.v1.channels_service_pb2 import GetHealthRequest, GetHealthResponse
from fte.tickets.v1.ticket_pb2 import Ticket
from fte.tickets.v1.tickets_service_pb2 import GetTicketRequest
from gateway.testing import Neighbour, Reply, refusal
from local.envoy import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="session")

HEALTH = "/api/v1/health"
TICKET = "/api/v1/tickets/TKT-7K3Q9V"
DOWN = {"status": "down", "checks": {"channels": "down"}}
AT_ONCE = 4
"""Twice the requests in a second that the strict gateway allows to one address."""


async def answers(http: httpx.AsyncClient, addresses: list[str]) -> list[httpx.Response]:
    """The answers to one request from each address, as the proxy in front tells them."""
    return [await http.get("/mark.svg", headers={"x-forwarded-for": address}) for address in addresses]


async def test_who_asks_too_often_is_told_to_wait(strict_http: httpx.AsyncClient) -> None:
    replies = await answers(strict_http, ["203.0.113.1"] * (AT_ONCE + 8))
    assert [reply.status_code for reply in replies[:AT_ONCE]] == [200] * AT_ONCE
    late = next(reply for reply in replies if reply.status_code == 429)
    assert refusal(late) == Reply(429, 8, "RATE_LIMITED", "Too many requests: wait a second and try again.")
    assert late.headers["retry-after"] == "1"


async def test_one_who_asks_too_often_does_not_hinder_others(strict_http: httpx.AsyncClient) -> None:
    await answers(strict_http, ["203.0.113.2"] * (AT_ONCE + 8))
    replies = await answers(strict_http, [f"198.51.100.{number}" for number in range(20)])
    assert {reply.status_code for reply in replies} == {200}


async def test_a_64_of_ipv6_counts_as_one_address(strict_http: httpx.AsyncClient) -> None:
    one_customer = [f"2001:db8:0:1::{number:x}" for number in range(1, AT_ONCE + 9)]
    assert 429 in {reply.status_code for reply in await answers(strict_http, one_customer)}
    many_customers = [f"2001:db8:1:{number:x}::1" for number in range(1, 20)]
    assert {reply.status_code for reply in await answers(strict_http, many_customers)} == {200}


async def test_what_a_client_says_before_the_trusted_proxy_does_not_count(strict_http: httpx.AsyncClient) -> None:
    replies = await answers(strict_http, [f"192.0.2.{number}, 203.0.113.3" for number in range(AT_ONCE + 8)])
    assert 429 in {reply.status_code for reply in replies}


async def test_the_address_that_a_trusted_proxy_tells_reaches_the_services(
    strict_http: httpx.AsyncClient, neighbours: Mapping[str, Neighbour]
) -> None:
    headers = {"x-forwarded-for": "192.0.2.1, 203.0.113.4", "x-envoy-external-address": "192.0.2.1"}
    await strict_http.get(TICKET, headers=headers)
    assert neighbours["tickets"].calls[0].metadata["x-envoy-external-address"] == ["203.0.113.4"]


async def test_grpc_that_asks_too_often_is_told_so_in_its_own_words(strict_gateway: Gateway) -> None:
    errors = [error async for error in many_grpc_calls(strict_gateway, "203.0.113.5")]
    late = next(error for error in errors if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED)
    details = dict(late.trailing_metadata() or ())["grpc-status-details-bin"]
    assert isinstance(details, bytes)
    info = error_details_pb2.ErrorInfo()
    assert status_pb2.Status.FromString(details).details[0].Unpack(info)
    assert info.reason == "RATE_LIMITED"


async def many_grpc_calls(gateway: Gateway, address: str) -> AsyncIterator[grpc.aio.AioRpcError]:
    """How calls fail that come too often."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
        get = channel.unary_unary(
            "/fte.tickets.v1.TicketsService/GetTicket",
            request_serializer=GetTicketRequest.SerializeToString,
            response_deserializer=Ticket.FromString,
        )
        for _ in range(AT_ONCE + 8):
            try:
                await get(GetTicketRequest(), metadata=(("x-forwarded-for", address),), timeout=5)
            except grpc.aio.AioRpcError as error:
                yield error


async def test_a_service_that_does_not_answer_in_time_is_not_waited_for(
    strict_http: httpx.AsyncClient, neighbours: Mapping[str, Neighbour]
) -> None:
    given_up = asyncio.Event()

    async def sleep(request: Any, context: Any) -> Ticket:
        try:
            await asyncio.sleep(30)
        finally:
            given_up.set()
        raise AssertionError("nobody gave up")

    neighbours["tickets"].answers["GetTicket"] = sleep
    response = await strict_http.get(TICKET, headers={"x-forwarded-for": "203.0.113.6"})
    assert response.status_code == 504
    assert response.json()["code"] == 4
    await asyncio.wait_for(given_up.wait(), 5)


async def test_a_service_that_is_away_is_not_available(strict_http: httpx.AsyncClient) -> None:
    response = await strict_http.post(
        "/api/v1/support/form", json={"name": "Ada"}, headers={"x-forwarded-for": "203.0.113.7"}
    )
    assert refusal(response) == Reply(503, 14, "UNAVAILABLE", "The service is not available; try again.")


async def test_health_is_down_when_nobody_is_there_to_take_messages(strict_http: httpx.AsyncClient) -> None:
    for path in (HEALTH, f"{HEALTH}?"):
        response = await strict_http.get(path, headers={"x-forwarded-for": "203.0.113.8"})
        assert (response.status_code, response.json()) == (503, DOWN)
        assert response.headers["content-type"] == "application/json"


async def test_health_over_rest_has_the_status_that_the_service_asks_for(
    http: httpx.AsyncClient, gateway: Gateway, neighbours: Mapping[str, Neighbour]
) -> None:
    async def down(request: Any, context: Any) -> GetHealthResponse:
        await context.send_initial_metadata((("x-http-status", "503"),))
        return GetHealthResponse(status="down", checks={"database": "down", "web": "ok"})

    neighbours["channels"].answers["GetHealth"] = down
    response = await http.get(HEALTH)
    assert response.status_code == 503
    assert response.json() == {"status": "down", "checks": {"database": "down", "web": "ok"}}
    assert "x-http-status" not in response.headers

    async with grpc.aio.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
        ask = channel.unary_unary(
            "/fte.channels.v1.ChannelsService/GetHealth",
            request_serializer=GetHealthRequest.SerializeToString,
            response_deserializer=GetHealthResponse.FromString,
        )
        assert (await ask(GetHealthRequest(), timeout=5)).status == "down"


async def test_reading_is_tried_again_while_a_service_restarts_and_writing_is_not(
    http: httpx.AsyncClient, neighbours: Mapping[str, Neighbour]
) -> None:
    async def away(request: Any, context: Any) -> Any:
        await context.abort(grpc.StatusCode.UNAVAILABLE, "starting")

    neighbours["tickets"].answers["GetTicket"] = away
    neighbours["channels"].answers["SubmitForm"] = away
    assert (await http.get(TICKET)).status_code == 503
    assert (await http.post("/api/v1/support/form", json={})).status_code == 503
    assert len(neighbours["tickets"].calls) == 3
    assert len(neighbours["channels"].calls) == 1
