"""The contracts as one descriptor set, with their comments: what reflection serves and the gateway transcodes from."""

from importlib import resources
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet


def path() -> Path:
    """Returns where the descriptor set lies as a file."""
    return Path(str(resources.files("fte").joinpath("descriptors.binpb")))


def load() -> FileDescriptorSet:
    """Returns the descriptor set, every file after those it imports, comments included."""
    return FileDescriptorSet.FromString(path().read_bytes())
