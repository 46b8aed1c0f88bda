"""Identifiers: UUIDv7 in tables, resource names (`tickets/<uuid>`, AIP-122) on the wire."""

from __future__ import annotations

import uuid

from uuid_utils import compat

from meshkit.errors import InvalidArgument


def uuid7() -> uuid.UUID:
    """A new UUIDv7 (RFC 9562): unique, and ordered by the millisecond it was made in."""
    return compat.uuid7()


class ResourceName:
    """The names of one collection's resources: `<collection>/<uuid>`, and back."""

    __slots__ = ("_prefix", "collection")

    def __init__(self, collection: str) -> None:
        self.collection = collection
        self._prefix = collection + "/"

    def format(self, identifier: uuid.UUID) -> str:
        """The resource's name on the wire."""
        return f"{self._prefix}{identifier}"

    def parse(self, name: str, *, field: str = "name") -> uuid.UUID:
        """The identifier in a resource's name.

        Only the canonical form (lower case, with hyphens) is taken: one resource has one name.
        Raises InvalidArgument that names `field`.
        """
        text = name.removeprefix(self._prefix)
        if len(text) == 36 and len(name) == len(self._prefix) + 36:
            try:
                identifier = uuid.UUID(text)
            except ValueError:
                pass
            else:
                if str(identifier) == text:
                    return identifier
        raise InvalidArgument.of(
            field,
            f"must be a resource name of the form {self._prefix}<uuid> in lower case; "
            "use the name exactly as the service returned it",
        )
