"""What tests of the gateway need: neighbours that write down what reaches them, and a gateway to ask."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
import httpx
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from fte.agent.v1 import agent_service_pb2
from fte.channels.v1 import channels_service_pb2
from fte.identity.v1 import identity_service_pb2
from fte.knowledge.v1 import knowledge_service_pb2
from fte.tickets.v1 import tickets_service_pb2

CONTRACTS: Mapping[str, ServiceDescriptor] = {
    file.package.split(".")[1]: next(iter(file.services_by_name.values()))
    for file in (
        module.DESCRIPTOR
        for module in (
            identity_service_pb2,
            tickets_service_pb2,
            knowledge_service_pb2,
            agent_service_pb2,
            channels_service_pb2,
        )
    )
}
"""The gRPC service of each service of the mesh."""


def message_class(method: MethodDescriptor, *, answer: bool = False) -> type[Message]:
    """The class of a method's request, or of its answer."""
    return GetMessageClass(method.output_type if answer else method.input_type)


@dataclass(frozen=True)
class Call:
    """One call as it reached a neighbour."""

    method: str
    request: Any
    metadata: Mapping[str, Sequence[str]]
    seconds_left: float | None


Answer = Callable[[Any, Any], Awaitable[Message]]
"""Answers a request in a call's context, in place of the empty answer."""


@dataclass
class Neighbour:
    """A server of one contract that writes down each call, and answers as it is told, or with an empty message."""

    service: str
    calls: list[Call] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    port: int = 0
    _server: grpc.aio.Server | None = None

    async def start(self) -> None:
        """Serves on a free port, with health, as every service does."""
        contract = CONTRACTS[self.service]
        self._server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        handlers = {method.name: self._handler(method) for method in contract.methods}
        self._server.add_registered_method_handlers(contract.full_name, handlers)
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(contract.full_name, handlers),))
        state = health.aio.HealthServicer()
        await state.set("", health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(state, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()

    async def stop(self) -> None:
        """Ends at once."""
        if self._server is not None:
            await self._server.stop(None)

    def forget(self) -> None:
        """Starts over: no calls, no answers."""
        self.calls.clear()
        self.answers.clear()

    def fail(self, method: str, status: status_pb2.Status) -> None:
        """Answers this method with a failure, its details as gRPC carries them."""

        async def answer(request: Any, context: Any) -> Message:
            context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
            code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
            await context.abort(code, status.message)
            raise AssertionError("abort raises")

        self.answers[method] = answer

    def _handler(self, method: MethodDescriptor) -> grpc.RpcMethodHandler[Any, Any]:
        async def handle(request: Any, context: Any) -> Message:
            metadata: dict[str, list[str]] = {}
            for key, value in context.invocation_metadata():
                metadata.setdefault(key, []).append(value)
            self.calls.append(Call(method.name, request, metadata, context.time_remaining()))
            answer = self.answers.get(method.name)
            return message_class(method, answer=True)() if answer is None else await answer(request, context)

        return grpc.unary_unary_rpc_method_handler(
            handle,
            request_deserializer=message_class(method).FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )


def failure(code: grpc.StatusCode, reason: str, *violations: tuple[str, str]) -> status_pb2.Status:
    """A failure as a service of the mesh tells it: `ErrorInfo`, and `BadRequest` where a field is to blame."""
    status = status_pb2.Status(code=code.value[0], message="what a caller may know")
    status.details.add().Pack(
        error_details_pb2.ErrorInfo(reason=reason, domain="tickets.fte", metadata={"requestId": "r-1"})
    )
    if violations:
        blamed = error_details_pb2.BadRequest()
        for name, description in violations:
            blamed.field_violations.add(field=name, description=description)
        status.details.add().Pack(blamed)
    return status


@dataclass(frozen=True)
class Reply:
    """An error of the gateway, read: HTTP status, code, reason, message."""

    status: int
    code: int
    reason: str
    message: str


def refusal(response: httpx.Response) -> Reply:
    """The error in a response. Raises AssertionError when it has not the shape of every error of the mesh."""
    assert response.headers["content-type"] == "application/json", response.text
    body = json.loads(response.text)
    assert body.keys() == {"code", "message", "details"}, body
    infos = [each for each in body["details"] if each["@type"] == "type.googleapis.com/google.rpc.ErrorInfo"]
    assert len(infos) == 1, body
    assert infos[0]["domain"] == "gateway.fte", body
    return Reply(response.status_code, body["code"], infos[0]["reason"], body["message"])
