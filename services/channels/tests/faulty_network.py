"""The network between a service and its Postgres, which a test can cut and mend."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

_CHUNK_BYTES = 65536


class Link:
    """A way to one address that is cut and mended; its own address stays the same."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def mend(self) -> None:
        """Lets connections through, from now on."""
        self._server = await asyncio.start_server(self._join, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Resets every connection, and refuses new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._writers:
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
        self._writers |= {writer, far_writer}
        try:
            await asyncio.gather(_carry(reader, far_writer), _carry(far_reader, writer))
        finally:
            self._writers -= {writer, far_writer}


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def link_to(dsn: str) -> AsyncIterator[tuple[Link, str]]:
    """A mended link to the database at `dsn`, and the address that leads over it."""
    parts = urlsplit(dsn)
    assert parts.hostname is not None
    assert parts.port is not None
    link = Link(parts.hostname, parts.port)
    await link.mend()
    try:
        who = parts.netloc.rpartition("@")[0]
        yield link, urlunsplit(parts._replace(netloc=f"{who}@127.0.0.1:{link.port}"))
    finally:
        await link.cut()
