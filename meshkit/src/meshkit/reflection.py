"""Server reflection, so that `grpcurl` and its like can list and call what a server serves."""

from __future__ import annotations

from collections.abc import Sequence

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

V1ALPHA_NAME: str = reflection.SERVICE_NAME
V1_NAME = "grpc.reflection.v1.ServerReflection"


def add(server: grpc.aio.Server, services: Sequence[str]) -> None:
    """Serves reflection for these services, as v1alpha and as v1.

    grpcio-reflection brings v1alpha alone. The messages of v1 are the same on the wire, so one servicer answers both.
    """
    names = (*services, V1ALPHA_NAME)
    servicer = reflection.aio.ReflectionServicer(names)
    reflection.enable_server_reflection(names, server)
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(V1_NAME, {"ServerReflectionInfo": handler}),))
