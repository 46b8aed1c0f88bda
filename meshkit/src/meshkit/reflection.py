"""Server reflection, so that `grpcurl` and its like can list, describe and call what a server serves."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from typing import Any

import grpc
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

V1ALPHA_NAME: str = reflection.SERVICE_NAME
V1_NAME = "grpc.reflection.v1.ServerReflection"


class _Servicer(reflection.aio.ReflectionServicer):  # type: ignore[misc]  # grpcio-reflection has no types
    """Puts files with their comments in the place of those that generated code carries, which have none."""

    def __init__(self, names: Sequence[str], commented: FileDescriptorSet | None) -> None:
        super().__init__(names)
        files = commented.file if commented is not None else ()
        self._commented = {file.name: file.SerializeToString() for file in files}

    def _file_containing_symbol(self, request: Any, fully_qualified_name: str) -> Any:
        """The file of a symbol; of a method, which Python's descriptor pool does not look up, that of its service."""
        service, _, method = fully_qualified_name.rpartition(".")
        try:
            is_method = method in self._pool.FindServiceByName(service).methods_by_name
        except KeyError:
            is_method = False
        return super()._file_containing_symbol(request, service if is_method else fully_qualified_name)

    async def ServerReflectionInfo(  # noqa: N802 - named by the contract of reflection
        self, request_iterator: AsyncIterable[Any], context: Any
    ) -> AsyncIterator[Any]:
        """Answers each question, and each file with its comments where they are known."""
        async for response in super().ServerReflectionInfo(request_iterator, context):
            if response.HasField("file_descriptor_response"):
                files = response.file_descriptor_response.file_descriptor_proto
                files[:] = [self._commented.get(FileDescriptorProto.FromString(file).name, file) for file in files]
            yield response


def add(server: grpc.aio.Server, services: Sequence[str], commented: FileDescriptorSet | None = None) -> None:
    """Serves reflection for these services, as v1alpha and as v1; with the comments of `commented`.

    grpcio-reflection brings v1alpha alone. The messages of v1 are the same on the wire, so one servicer answers both.
    """
    servicer = _Servicer((*services, V1ALPHA_NAME), commented)
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, server)
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(V1_NAME, {"ServerReflectionInfo": handler}),))
