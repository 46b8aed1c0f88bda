"""What nobody should send: each gets a clear error in the shape of every other, and no service hears of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

import httpx
import pytest

from gateway.testing import Neighbour, Reply, refusal
from local.envoy import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="session")

FORM = "/api/v1/support/form"


async def raw(gateway: Gateway, request: str) -> httpx.Response:
    """The answer to bytes that no client library would send."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    try:
        writer.write(request.encode())
        head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).decode("latin-1")
        lines = head.split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:] if line)
        length = int(headers.get("content-length", "0"))
        body = await asyncio.wait_for(reader.readexactly(length), 5)
        return httpx.Response(int(lines[0].split()[1]), headers=headers, content=body)
    finally:
        writer.close()


def unheard(neighbours: Mapping[str, Neighbour]) -> bool:
    return not any(neighbour.calls for neighbour in neighbours.values())


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"not json with secret words",
        b"[]",
        b'"text"',
        b'{"name": 5}',
        b'{"name": {"secret": "words"}}',
        b'{"priority": "PRIORITY_SECRET"}',
        b'{"name": "\xff\xfe"}',
        b'{"name": "a"} trailing secret words',
        b'{"unknown":' * 10_000 + b"1" + b"}" * 10_000,
        b"[" * 10_000,
        b'{"message":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    ],
    ids=[
        "unfinished",
        "not JSON",
        "a list",
        "a text",
        "a number for a text",
        "an object for a text",
        "an unknown word for a choice",
        "not UTF-8",
        "something behind it",
        "10 000 deep in an unknown field",
        "10 000 deep and unfinished",
        "10 000 deep in a field",
    ],
)
async def test_a_body_that_cannot_be_read_is_refused(
    body: bytes, http: httpx.AsyncClient, neighbours: Mapping[str, Neighbour]
) -> None:
    response = await http.post(FORM, content=body, headers={"content-type": "application/json"})
    reply = refusal(response)
    assert (reply.status, reply.code, reply.reason) == (400, 3, "INVALID_REQUEST")
    assert "secret" not in reply.message.lower()
    assert unheard(neighbours)


async def test_of_a_key_that_comes_twice_the_last_counts(
    http: httpx.AsyncClient, neighbours: Mapping[str, Neighbour]
) -> None:
    assert (await http.post(FORM, content=b'{"name": "first", "name": "last"}')).status_code == 200
    assert [call.request.name for call in neighbours["channels"].calls] == ["last"]


async def test_the_longest_message_passes_however_it_is_escaped(
    http: httpx.AsyncClient, neighbours: Mapping[str, Neighbour]
) -> None:
    body = json.dumps({"name": "Ada", "message": "😀" * 10_000}).encode()
    assert len(body) > 120_000
    assert (await http.post(FORM, content=body)).status_code == 200
    assert len(neighbours["channels"].calls[0].request.message) == 10_000


@pytest.mark.parametrize("size", [200_000, 10_000_000])
async def test_a_body_beyond_the_limit_is_refused(
    size: int, gateway: Gateway, neighbours: Mapping[str, Neighbour]
) -> None:
    body = json.dumps({"message": "x" * size})
    # Read while it is still being sent: the door answers without waiting for the rest.
    response = await raw(gateway, f"POST {FORM} HTTP/1.1\r\nHost: fte\r\nContent-Length: {len(body)}\r\n\r\n{body}")
    assert refusal(response) == Reply(413, 3, "REQUEST_TOO_LARGE", "The body is too large: shorten the message.")
    assert unheard(neighbours)


async def test_only_staff_may_send_a_long_body(
    http: httpx.AsyncClient, neighbours: Mapping[str, Neighbour], staff: dict[str, str]
) -> None:
    policy = "/api/v1/policies"
    body = json.dumps({"content": "#" * 200_000}).encode()
    assert (await http.post(policy, content=body)).status_code == 401
    assert unheard(neighbours)
    assert (await http.post(policy, content=body, headers=staff)).status_code == 200
    assert len(neighbours["agent"].calls[0].request.policy.content) == 200_000
    longer = json.dumps({"content": "#" * 600_000}).encode()
    assert (await http.post(policy, content=longer, headers=staff)).status_code == 413


async def test_a_body_that_nobody_asked_for_is_counted_too(
    gateway: Gateway, neighbours: Mapping[str, Neighbour]
) -> None:
    head = f"GET /api/v1/health HTTP/1.1\r\nHost: fte\r\nContent-Length: {200_000}\r\n\r\n"
    assert refusal(await raw(gateway, head + "x" * 200_000)).reason == "REQUEST_TOO_LARGE"
    assert unheard(neighbours)


async def test_a_body_of_unknown_length_is_counted_as_it_comes(
    gateway: Gateway, neighbours: Mapping[str, Neighbour]
) -> None:
    chunk = f"{100_000:x}\r\n" + "x" * 100_000 + "\r\n"
    head = f"POST {FORM} HTTP/1.1\r\nHost: fte\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert refusal(await raw(gateway, head + chunk * 3)).reason == "REQUEST_TOO_LARGE"
    assert unheard(neighbours)


@pytest.mark.parametrize("path", ["/api/v1/health?unknown=1", "/api/v1/tickets/TKT-7K3Q9V?ticket=TKT-AAAAAA&x=1"])
async def test_an_unknown_query_parameter_is_refused(
    path: str, http: httpx.AsyncClient, neighbours: Mapping[str, Neighbour]
) -> None:
    assert refusal(await http.get(path)).reason == "INVALID_REQUEST"
    assert unheard(neighbours)


async def test_what_stands_in_the_path_cannot_be_changed_elsewhere(
    http: httpx.AsyncClient, neighbours: Mapping[str, Neighbour]
) -> None:
    body = {"reference": "TKT-AAAAAA", "text": "t"}
    assert refusal(await http.post("/api/v1/tickets/TKT-7K3Q9V/messages", json=body)).reason == "INVALID_REQUEST"
    assert unheard(neighbours)


@pytest.mark.parametrize("query", ["ticket=TKT-AAAAAA", "tick%65t=TKT-AAAAAA", "x=1&ticket=", "ticket"])
async def test_a_query_cannot_overrule_the_path(
    query: str, http: httpx.AsyncClient, neighbours: Mapping[str, Neighbour]
) -> None:
    assert refusal(await http.get(f"/api/v1/tickets/TKT-7K3Q9V?{query}")).reason == "INVALID_REQUEST"
    assert unheard(neighbours)


@pytest.mark.parametrize(
    ("verb", "path", "allowed"),
    [
        ("GET", FORM, "POST"),
        ("PUT", FORM, "POST"),
        ("DELETE", "/api/v1/tickets/TKT-7K3Q9V", "GET"),
        ("PATCH", "/api/v1/tickets/TKT-7K3Q9V/messages", "GET, POST"),
        ("OPTIONS", FORM, "POST"),
        ("HEAD", FORM, "POST"),
    ],
)
async def test_a_verb_that_a_path_does_not_take_is_refused(
    verb: str, path: str, allowed: str, http: httpx.AsyncClient, neighbours: Mapping[str, Neighbour]
) -> None:
    response = await http.request(verb, path)
    assert (response.status_code, response.headers["allow"]) == (405, allowed)
    if verb != "HEAD":
        assert refusal(response).reason == "METHOD_NOT_ALLOWED"
    assert unheard(neighbours)


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/nothing",
        "/api/v2/tickets",
        "/api/v1/tickets/TKT-7K3Q9V:explode",
        "/api/v1/tickets/TKT-7K3Q9V/",
        "/api/v1/TICKETS",
        "/api/v1/health/",
        "/api/",
    ],
)
@pytest.mark.parametrize("verb", ["GET", "POST"])
async def test_a_path_that_leads_nowhere_is_not_found(
    verb: str, path: str, http: httpx.AsyncClient, neighbours: Mapping[str, Neighbour]
) -> None:
    assert refusal(await http.request(verb, path)) == Reply(404, 5, "NOT_FOUND", "There is nothing at this path.")
    assert unheard(neighbours)


@pytest.mark.parametrize(
    "path",
    [
        "//api/v1/tickets",
        "/api//v1/tickets",
        "/api/v1/tickets//TKT-7K3Q9V",
        "/api/v1/tickets%2fTKT-7K3Q9V",
        "/api/v1/tickets%2FTKT-7K3Q9V",
        "/api/v1/tickets%5cTKT-7K3Q9V",
        "//fte.tickets.v1.TicketsService/ListTickets",
        "//",
    ],
)
async def test_a_path_that_can_be_read_in_two_ways_is_refused(
    path: str, gateway: Gateway, neighbours: Mapping[str, Neighbour]
) -> None:
    response = await raw(gateway, f"GET {path} HTTP/1.1\r\nHost: fte\r\n\r\n")
    assert refusal(response).reason == "INVALID_REQUEST"
    assert unheard(neighbours)


async def test_dots_in_a_path_are_resolved_before_anything_is_decided(
    gateway: Gateway, neighbours: Mapping[str, Neighbour]
) -> None:
    for path in ("/api/v1/health/../tickets", "/assets/../api/v1/tickets", "/api/v1/%2e%2e/v1/tickets"):
        response = await raw(gateway, f"GET {path} HTTP/1.1\r\nHost: fte\r\n\r\n")
        assert refusal(response).reason == "UNAUTHENTICATED"
    assert unheard(neighbours)


@pytest.mark.parametrize(
    ("lines", "status", "reason"),
    [
        ("X-Big: " + "x" * 40_000, 431, "HEADERS_TOO_LARGE"),
        ("\r\n".join(f"X-{number}: x" for number in range(200)), 431, "HEADERS_TOO_LARGE"),
        ("X_Under_Score: x", 400, "INVALID_REQUEST"),
    ],
    ids=["too large", "too many", "underscores"],
)
async def test_headers_beyond_the_limits_are_refused(
    lines: str, status: int, reason: str, gateway: Gateway, neighbours: Mapping[str, Neighbour]
) -> None:
    response = await raw(gateway, f"GET /api/v1/health HTTP/1.1\r\nHost: fte\r\n{lines}\r\n\r\n")
    reply = refusal(response)
    assert (reply.status, reply.reason) == (status, reason)
    assert unheard(neighbours)


async def test_a_verb_that_http_does_not_have_is_refused(gateway: Gateway) -> None:
    assert refusal(await raw(gateway, "BREW /api/v1/health HTTP/1.1\r\nHost: fte\r\n\r\n")).reason == "INVALID_REQUEST"


async def test_grpc_does_not_come_in_by_a_rest_path(
    http: httpx.AsyncClient, neighbours: Mapping[str, Neighbour]
) -> None:
    response = await http.post(FORM, content=b"\0\0\0\0\0", headers={"content-type": "application/grpc"})
    assert response.headers["grpc-status"] == "12"
    assert unheard(neighbours)
