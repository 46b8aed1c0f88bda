"""Plugin for buf that writes `*_pb2_grpc.py` with the generator inside grpcio-tools.

buf speaks to plugins over standard input and output; grpcio-tools carries its gRPC generator inside its own protoc and
ships no plugin. This file is the bridge: request in, that protoc run over the same descriptors, response out. Files
without a service get no stubs.
"""

import sys
import tempfile
from pathlib import Path

from google.protobuf.compiler.plugin_pb2 import CodeGeneratorRequest, CodeGeneratorResponse
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc


def generate(request: CodeGeneratorRequest) -> CodeGeneratorResponse:
    """Returns the stubs of every file that the request asks for."""
    response = CodeGeneratorResponse(
        supported_features=CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL,
    )
    asked_for = set(request.file_to_generate)
    with_services = [file.name for file in request.proto_file if file.service and file.name in asked_for]
    if not with_services:
        return response
    with tempfile.TemporaryDirectory() as folder:
        descriptors = Path(folder, "descriptors.binpb")
        descriptors.write_bytes(FileDescriptorSet(file=request.proto_file).SerializeToString())
        out = Path(folder, "out")
        out.mkdir()
        code = protoc.main(
            [
                "protoc",
                f"--descriptor_set_in={descriptors}",
                f"--grpc_python_out={out}",
                *with_services,
            ]
        )
        if code != 0:
            response.error = f"grpc_tools.protoc ended with {code}"
            return response
        for path in sorted(out.rglob("*.py")):
            response.file.add(name=str(path.relative_to(out)), content=path.read_text())
    return response


if __name__ == "__main__":
    asked = CodeGeneratorRequest.FromString(sys.stdin.buffer.read())
    sys.stdout.buffer.write(generate(asked).SerializeToString())
