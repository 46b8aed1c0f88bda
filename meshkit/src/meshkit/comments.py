"""What a contract says about itself: the comments in a descriptor set that was built with its sources' comments."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet

_MESSAGES_OF_FILE = 4
_MESSAGES_OF_MESSAGE = 3
_FIELDS_OF_MESSAGE = 2


class FieldComments:
    """The comment above each field of a descriptor set, by the field's full name."""

    def __init__(self, descriptors: FileDescriptorSet | None = None) -> None:
        files = descriptors.file if descriptors is not None else ()
        self._by_name = {name: comment for file in files for name, comment in _fields(file)}

    def of(self, field: str) -> str:
        """The comment on one line, by the field's full name; empty where there is none."""
        return self._by_name.get(field, "")


def _fields(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    comments = {tuple(place.path): place.leading_comments for place in file.source_code_info.location}
    for number, message in enumerate(file.message_type):
        yield from _of_message(message, file.package, (_MESSAGES_OF_FILE, number), comments)


def _of_message(
    message: DescriptorProto, scope: str, path: tuple[int, ...], comments: dict[tuple[int, ...], str]
) -> Iterator[tuple[str, str]]:
    name = f"{scope}.{message.name}" if scope else message.name
    for number, field in enumerate(message.field):
        comment = comments.get((*path, _FIELDS_OF_MESSAGE, number), "")
        if comment:
            yield f"{name}.{field.name}", " ".join(comment.split())
    for number, nested in enumerate(message.nested_type):
        yield from _of_message(nested, name, (*path, _MESSAGES_OF_MESSAGE, number), comments)
