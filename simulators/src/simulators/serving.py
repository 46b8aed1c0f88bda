"""Serving simulators: several in one process, or one within a test; with connections that can be reset."""

import asyncio
import contextlib
import signal
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

HOST = "127.0.0.1"
START_SECONDS = 10.0
# Long enough for a webhook that is on its way; whoever stops a simulator does not wait for what it has yet to send.
GRACE_SECONDS = 2
POLL_SECONDS = 0.005
RESET = "simulators.reset"


class CannotServe(Exception):
    """A simulator cannot listen; the message says why."""


@dataclass(frozen=True, slots=True)
class Door:
    """A simulator and the port that it is to listen on."""

    name: str
    app: ASGIApp
    port: int


class ConnectionReset(Response):
    """In place of an answer, the client's connection is reset."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Cuts the connection, and returns once the server has noticed: it would answer 500 for us otherwise."""
        scope["extensions"][RESET]()
        while (await receive())["type"] != "http.disconnect":
            pass


class _Protocol(H11Protocol):
    """uvicorn's protocol, with a way for the application to cut its connection: ASGI has none."""

    # uvicorn narrows the transport's type, too: TCP has no other.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # asyncio does so by itself only for sockets that name their protocol, which accepted ones do not: each answer
        # would wait 40 ms for the client to acknowledge its headers.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        app = self.app

        def reset() -> None:
            # With no time to linger, closing sends RST and not FIN (socket(7)): the client cannot take it for an
            # answer that ended early.
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()

        async def with_reset(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("extensions", {})[RESET] = reset
            await app(scope, receive, send)

        self.app = with_reset


class _Server(uvicorn.Server):
    """A server that leaves signals alone: several run in one process, and tests run it in a thread."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(doors: Sequence[Door]) -> None:
    """Serve all of them until SIGINT or SIGTERM. Raises `CannotServe` when a port is taken; none is served then."""
    with contextlib.ExitStack() as stack:
        listening = [(door, stack.enter_context(_listen(door.port))) for door in doors]
        servers = [(_server(door.app), listener) for door, listener in listening]

        def stop() -> None:
            for server, _ in servers:
                server.should_exit = True

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)
        await asyncio.gather(*(server.serve([listener]) for server, listener in servers))


@contextlib.contextmanager
def running(app: ASGIApp, port: int = 0) -> Iterator[str]:
    """Serve one simulator in a thread of its own, on a free port unless one is named: its address."""
    with _listen(port) as listener:
        server = _server(app)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), name="simulator", daemon=True)
        thread.start()
        try:
            _wait_started(server, thread)
            yield f"http://{HOST}:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(START_SECONDS)


def health_route() -> Route:
    """`GET /_control/health`: 200 from when a simulator answers at all."""

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "SERVING"})

    return Route("/_control/health", health, methods=["GET"])


def _server(app: ASGIApp) -> uvicorn.Server:
    return _Server(
        uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="on",
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port), backlog=1024)
    except OSError as error:
        raise CannotServe(f"Port {port} cannot be listened on ({error.strerror}): name another") from error


def _wait_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise CannotServe("The simulator did not start: see the lines above")
        time.sleep(POLL_SECONDS)
