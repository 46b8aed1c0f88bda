"""REST in, gRPC behind: every path of the contracts leads to its method, with all that came in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import grpc
import httpx
import pytest

from fte.channels.v1.channels_service_pb2 import GetHealthResponse, SubmitFormResponse
from gateway.contracts import Binding, bindings, methods
from gateway.testing import CONTRACTS, Neighbour, failure

pytestmark = pytest.mark.asyncio(loop_scope="session")

TEMPLATES = [
    (method.service, method.full_name.rpartition("/")[2], verb, getattr(rule, verb))
    for method in methods()
    for rule in method.rules
    for verb in [rule.WhichOneof("pattern")]
]


def filled(template: str) -> tuple[str, str]:
    """A path for the template, and the value its variable has in it."""
    variable = re.search(r"\{[^=}]+(?:=([^}]+))?\}", template)
    if variable is None:
        return template, ""
    value = (variable[1] or "*").replace("*", "0198c0de-0000-7000-8000-000000000001")
    return template.replace(variable[0], value), value


@pytest.mark.parametrize(("service", "method", "verb", "template"), TEMPLATES)
async def test_every_rest_path_of_the_contracts_reaches_its_method(
    service: str,
    method: str,
    verb: str,
    template: str,
    http: httpx.AsyncClient,
    neighbours: Mapping[str, Neighbour],
    staff: Mapping[str, str],
) -> None:
    path, value = filled(template)
    body: dict[str, str] | None = {} if verb in ("post", "put", "patch") else None
    response = await http.request(verb.upper(), path, headers=dict(staff), json=body)
    assert response.status_code == 200, response.text
    assert [call.method for call in neighbours[service].calls] == [method]
    assert value in ["", *(field for _, field in neighbours[service].calls[0].request.ListFields())]
    assert sum(len(neighbour.calls) for neighbour in neighbours.values()) == 1


async def test_a_form_arrives_with_every_field_and_header(
    http: httpx.AsyncClient, neighbours: Mapping[str, Neighbour]
) -> None:
    async def promise(request: Any, context: Any) -> SubmitFormResponse:
        return SubmitFormResponse(reference="TKT-7K3Q9V", status_token="t", status_url="u")

    neighbours["channels"].answers["SubmitForm"] = promise
    fields = {
        "name": "Ada",
        "email": "ada@techcorp.example",
        "subject": "=HYPERLINK(1)",
        "category": "technical",
        "priority": "PRIORITY_HIGH",
        "message": "<script>&\u202e\u200b'; DROP TABLE",
    }
    response = await http.post("/api/v1/support/form", json=fields, headers={"Idempotency-Key": "k-1"})
    assert response.json() == {"reference": "TKT-7K3Q9V", "statusToken": "t", "statusUrl": "u"}
    (call,) = neighbours["channels"].calls
    assert {field.name: value for field, value in call.request.ListFields()} == {**fields, "priority": 3}
    assert call.metadata["idempotency-key"] == ["k-1"]


async def test_the_status_token_and_the_trace_pass(
    http: httpx.AsyncClient, neighbours: Mapping[str, Neighbour]
) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await http.get("/api/v1/tickets/TKT-7K3Q9V", headers={"X-Status-Token": "s", "traceparent": trace})
    (call,) = neighbours["tickets"].calls
    assert call.metadata["x-status-token"] == ["s"]
    assert call.metadata["traceparent"] == [trace]
    assert "x-request-id" in call.metadata


async def test_query_parameters_become_fields(
    http: httpx.AsyncClient, neighbours: Mapping[str, Neighbour], staff: Mapping[str, str]
) -> None:
    response = await http.get("/api/v1/tickets?pageSize=7&state=TICKET_STATE_OPEN&pageToken=a%2Bb+c", headers=staff)
    assert response.status_code == 200, response.text
    (call,) = neighbours["tickets"].calls
    assert (call.request.page_size, call.request.page_token) == (7, "a+b c")


async def test_answers_are_neither_kept_nor_marked_as_grpc(
    http: httpx.AsyncClient, neighbours: Mapping[str, Neighbour]
) -> None:
    async def health(request: Any, context: Any) -> GetHealthResponse:
        return GetHealthResponse(status="ok", checks={"database": "ok"})

    neighbours["channels"].answers["GetHealth"] = health
    response = await http.get("/api/v1/health")
    assert response.json() == {"status": "ok", "checks": {"database": "ok"}}
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-type"] == "application/json"
    assert [name for name in response.headers if name.startswith("grpc-")] == []


async def test_a_call_behind_the_gateway_has_a_deadline(
    http: httpx.AsyncClient, neighbours: Mapping[str, Neighbour]
) -> None:
    await http.get("/api/v1/tickets/TKT-7K3Q9V", headers={"grpc-timeout": "8H"})
    left = neighbours["tickets"].calls[0].seconds_left
    assert left is not None
    assert 5 < left <= 10


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, 400),
        (grpc.StatusCode.FAILED_PRECONDITION, 400),
        (grpc.StatusCode.UNAUTHENTICATED, 401),
        (grpc.StatusCode.PERMISSION_DENIED, 403),
        (grpc.StatusCode.NOT_FOUND, 404),
        (grpc.StatusCode.ABORTED, 409),
        (grpc.StatusCode.ALREADY_EXISTS, 409),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, 429),
        (grpc.StatusCode.INTERNAL, 500),
        (grpc.StatusCode.UNIMPLEMENTED, 501),
        (grpc.StatusCode.UNAVAILABLE, 503),
        (grpc.StatusCode.DEADLINE_EXCEEDED, 504),
    ],
)
async def test_a_failure_of_a_service_comes_out_as_json_with_all_its_details(
    code: grpc.StatusCode, status: int, http: httpx.AsyncClient, neighbours: Mapping[str, Neighbour]
) -> None:
    neighbours["tickets"].fail("GetTicket", failure(code, "SOME_REASON", ("ticket", "must be a reference")))
    response = await http.get("/api/v1/tickets/TKT-7K3Q9V")
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    assert [name for name in response.headers if name.startswith("grpc-")] == []
    assert response.json() == {
        "code": code.value[0],
        "message": "what a caller may know",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "SOME_REASON",
                "domain": "tickets.fte",
                "metadata": {"requestId": "r-1"},
            },
            {
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                "fieldViolations": [{"field": "ticket", "description": "must be a reference"}],
            },
        ],
    }


async def test_every_service_of_the_contracts_has_rest_paths() -> None:
    assert {binding.service for binding in bindings()} == set(CONTRACTS)
    assert all(isinstance(binding, Binding) for binding in bindings())
