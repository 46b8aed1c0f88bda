"""Traces reach a collector when there is one, and stay connected across services."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from meshkit import telemetry
from meshkit.server import Server
from meshkit.settings import ServiceSettings
from meshkit.testing import echo, eventually, settings_for

TRACE = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self) -> None:
        self.requests: list[Any] = []

    async def Export(self, request: Any, context: Any) -> Any:
        self.requests.append(request)
        return trace_service_pb2.ExportTraceServiceResponse()


@pytest.fixture
async def collector() -> AsyncIterator[tuple[Collector, str]]:
    servicer = Collector()
    server = grpc.aio.server()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(servicer, server)  # type: ignore[no-untyped-call] # generated
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield servicer, f"http://127.0.0.1:{port}"
    await server.stop(None)


async def test_a_served_call_is_a_span_below_its_callers(collector: tuple[Collector, str]) -> None:
    servicer, endpoint = collector
    settings = settings_for(ServiceSettings)
    stack = ExitStack()
    tracer = stack.enter_context(telemetry.exporting("tickets", endpoint))
    server = Server(settings, "tickets", [echo.door()], echo.OPEN_TO_ALL, tracer=tracer, write_log=lambda _: None)
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        await echo.stub(channel).Say(echo.say(), metadata=(("traceparent", TRACE),))
    await server.drain()
    # Its end waits for the collector, which lives on this loop.
    await asyncio.to_thread(stack.close)
    (request,) = await eventually(lambda: servicer.requests)
    (resource,) = request.resource_spans
    (span,) = resource.scope_spans[0].spans
    assert span.name == echo.SAY[1:]
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == ("a" * 32, "b" * 16)
    assert {each.key: each.value.string_value for each in resource.resource.attributes}["service.name"] == "tickets"


def test_without_an_endpoint_there_is_no_tracer() -> None:
    with telemetry.exporting("tickets", None) as tracer:
        assert tracer is None
