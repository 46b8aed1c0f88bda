"""Writes `src/fte/descriptors.binpb`: every contract with its comments, and what the contracts import without.

Read from standard input as buf builds it. The gateway transcodes from this set, and reflection serves it, so that
`grpcurl describe` shows the comments of the contract; the comments of imported files would only make it large.
"""

import sys
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

TARGET = Path(__file__).parent / "src" / "fte" / "descriptors.binpb"


def main() -> None:
    """Trims the set on standard input and writes it to its place in the package."""
    descriptors = FileDescriptorSet.FromString(sys.stdin.buffer.read())
    for file in descriptors.file:
        if not file.name.startswith("fte/"):
            file.ClearField("source_code_info")
    TARGET.write_bytes(descriptors.SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
