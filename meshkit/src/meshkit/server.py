"""The gRPC server of a service: its doors behind the kit's pipeline, health, reflection, limits, and a clean end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from opentelemetry.trace import Tracer

from meshkit import reflection
from meshkit.callers import Access, Verifier, missing_from
from meshkit.comments import FieldComments
from meshkit.health import SERVICE_NAME as HEALTH_NAME
from meshkit.health import Health
from meshkit.interceptors import Pipeline
from meshkit.settings import ServiceSettings

_KEEPALIVE_OPTIONS = (
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Our own channels ping every 20 s, also when idle; the default would take that for an attack.
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
)


class ServerError(Exception):
    """The server cannot start as it is put together; the text names what to mend."""


@dataclass(frozen=True)
class Door:
    """A gRPC service and what serves it: the generated `add_XServicer_to_server`, the servicer, the descriptor."""

    add_to_server: Callable[[Any, Any], None]
    servicer: object
    descriptor: ServiceDescriptor


class Server:
    """Serves the doors on the settings' address. Health says NOT_SERVING until `ready`.

    With `contracts`, a descriptor set built with comments, reflection and refusals quote them.
    Raises ServerError when a method has no row in the access table, or a door is given twice.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        service: str,
        doors: Sequence[Door],
        access: Access,
        *,
        verifier: Verifier | None = None,
        tracer: Tracer | None = None,
        write_log: Callable[[str], None] | None = None,
        contracts: FileDescriptorSet | None = None,
    ) -> None:
        self._settings = settings
        self._server = grpc.aio.server(
            options=(
                *_KEEPALIVE_OPTIONS,
                # Two servers on one port would share its calls in silence; the second must fail.
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", settings.message_bytes_max),
                ("grpc.max_send_message_length", settings.message_bytes_max),
            ),
            maximum_concurrent_rpcs=settings.concurrent_rpcs_max,
        )
        pipeline = Pipeline(
            settings,
            service,
            access,
            verifier or Verifier(settings),
            tracer=tracer,
            write_log=write_log,
            comments=FieldComments(contracts),
        )
        self._server.add_generic_rpc_handlers((_handlers(doors, access, pipeline),))
        self.recorder = pipeline.recorder
        names = [door.descriptor.full_name for door in doors]
        self._health = Health(self._server, names)
        reflection.add(self._server, (*names, HEALTH_NAME), contracts)
        # The last to be asked: what got this far is served by nobody.
        self._server.add_generic_rpc_handlers((_Unknown(pipeline.unknown()),))
        self._port = 0

    @property
    def port(self) -> int:
        """The port that is served; 0 before `start`."""
        return self._port

    async def start(self) -> None:
        """Listens, not ready yet. Raises ServerError when the address cannot be had."""
        await self._health.set(serving=False)
        address = f"{self._settings.grpc_host}:{self._settings.grpc_port}"
        try:
            self._port = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise ServerError(
                f"gRPC cannot listen on {address}: choose a free address with GRPC_HOST and GRPC_PORT"
            ) from error
        await self._server.start()

    async def ready(self) -> None:
        """Health says SERVING from here on."""
        await self._health.set(serving=True)

    async def drain(self) -> None:
        """Ends without dropping a call: NOT_SERVING, time for health checks to notice, then calls in flight finish.

        What is not done after `drain_seconds` is cancelled.
        """
        await self._health.drain()
        # New calls are still welcome meanwhile: refusing them before balancers look away would be errors for nothing.
        await asyncio.sleep(self._settings.drain_notice_seconds)
        await self._server.stop(self._settings.drain_seconds)
        self.recorder.flush()


class _Registrar:
    """Stands in for a server while generated code registers, to learn the handlers and wrap them."""

    def __init__(self) -> None:
        self.handlers: dict[str, Mapping[str, Any]] = {}

    def add_generic_rpc_handlers(self, _handlers: object) -> None:
        """The same handlers come by the other method, with their names."""

    def add_registered_method_handlers(self, service_name: str, method_handlers: Mapping[str, Any]) -> None:
        self.handlers[service_name] = method_handlers


class _Handlers(grpc.GenericRpcHandler):
    """All methods of all doors in one table: grpc asks its handlers one after the other, so one is quickest."""

    def __init__(self, by_method: Mapping[str, grpc.RpcMethodHandler[Any, Any]]) -> None:
        self._by_method = by_method

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        return self._by_method.get(handler_call_details.method)


class _Unknown(grpc.GenericRpcHandler):
    """Takes every method: for the end of the line."""

    def __init__(self, handler: grpc.RpcMethodHandler[Any, Any]) -> None:
        self._handler = handler

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        return self._handler


def _handlers(doors: Sequence[Door], access: Access, pipeline: Pipeline) -> _Handlers:
    by_method: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
    for door in doors:
        registrar = _Registrar()
        door.add_to_server(door.servicer, registrar)
        descriptor = door.descriptor
        registered = registrar.handlers.get(descriptor.full_name)
        if registered is None:
            raise ServerError(
                f"the door's descriptor {descriptor.full_name} is not the service that its code registers"
            )
        methods = {f"/{descriptor.full_name}/{name}": name for name in descriptor.methods_by_name}
        if doubled := by_method.keys() & methods:
            raise ServerError(f"served twice: {', '.join(sorted(doubled))}")
        if missing := missing_from(access, methods):
            raise ServerError(f"the access table has no row for: {', '.join(missing)}; say who may call each")
        for path, name in methods.items():
            request_type: type[Message] = GetMessageClass(descriptor.methods_by_name[name].input_type)
            by_method[path] = pipeline.wrap(path, registered[name], request_type)
    return _Handlers(by_method)
