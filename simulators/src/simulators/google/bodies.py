"""Reading a request's body, up to a limit."""

from __future__ import annotations

from starlette.requests import Request

BYTES_MAX = 64 * 1024 * 1024


class TooLarge(Exception):
    """The body is longer than `BYTES_MAX`."""


async def read(request: Request) -> bytes:
    """The whole body. Raises TooLarge without having read more of it than fits."""
    octets = bytearray()
    async for chunk in request.stream():
        octets += chunk
        if len(octets) > BYTES_MAX:
            raise TooLarge
    return bytes(octets)
