"""What tests of services need: a clock that stands still, a server in this process, tokens of any caller, waiting.

Everything is the real part (server, channel, tokens, verifier); only keys and ports are made up for the occasion.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import inspect
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar, overload

import grpc
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from pydantic import SecretStr

from meshkit.callers import PUBLIC_NAME, STAFF_NAME, Access, Tokens
from meshkit.channel import connect
from meshkit.server import Door, Server
from meshkit.settings import ServiceSettings
from meshkit.status import RpcFailure, from_rpc_error

if TYPE_CHECKING:
    from meshkit.database import Connection

S = TypeVar("S", bound=ServiceSettings)
T = TypeVar("T")

_KEY_ID = "testing"
_NAMESPACE = "testing"
_SERVICE_ISSUER = "https://services.test"
_STAFF_ISSUER = "https://staff.test"
_AUDIENCE = "fte"


class HeldClock:
    """A clock that moves only when it is told to."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, 12, tzinfo=UTC)) -> None:
        self._now = start
        self._monotonic = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Moves both kinds of time on."""
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds


@functools.cache
def _signing_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def jwks(key: ec.EllipticCurvePrivateKey, key_id: str) -> str:
    """A JWKS, as JSON, with the public half of one key."""
    algorithm = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256)
    entry = algorithm.to_jwk(key.public_key(), as_dict=True)
    return json.dumps({"keys": [{**entry, "kid": key_id, "alg": "ES256", "use": "sig"}]})


def settings_for(settings_type: type[S], **values: Any) -> S:
    """Settings that need no environment: free ports, this module's keys, and `values` over everything."""
    base: dict[str, Any] = {
        "database_url": SecretStr("postgresql://nobody@127.0.0.1:1/none"),
        "kafka_bootstrap_servers": "127.0.0.1:1",
        "grpc_port": 0,
        "metrics_port": 0,
        "drain_seconds": 1.0,
        "drain_notice_seconds": 0.0,
        "page_token_key": SecretStr("a key for tests only"),
        "service_jwks": jwks(_signing_key(), _KEY_ID),
        "service_jwt_issuer": _SERVICE_ISSUER,
        "service_jwt_audience": _AUDIENCE,
        "service_account_namespace": _NAMESPACE,
        "staff_jwks": jwks(_signing_key(), _KEY_ID),
        "staff_jwt_issuer": _STAFF_ISSUER,
        "staff_jwt_audience": _AUDIENCE,
    }
    return settings_type(**{**base, **values})


@dataclass(frozen=True)
class _FixedToken:
    text: str

    def token(self) -> str:
        return self.text


def tokens_for(name: str, *, subject: str = "ada") -> Tokens | None:
    """What makes a channel the caller `name`: "public" (nothing), "staff" (with this subject), or a service's name."""
    if name == PUBLIC_NAME:
        return None
    if name == STAFF_NAME:
        return _FixedToken(signed({"iss": _STAFF_ISSUER, "sub": subject}))
    return _FixedToken(signed({"iss": _SERVICE_ISSUER, "sub": f"system:serviceaccount:{_NAMESPACE}:{name}"}))


def signed(claims: Mapping[str, Any]) -> str:
    """A token with these claims over sound ones, signed with the key that `settings_for` trusts."""
    now = int(time.time())
    return jwt.encode(
        {"aud": _AUDIENCE, "iat": now, "exp": now + 3600, **claims},
        _signing_key(),
        algorithm="ES256",
        headers={"kid": _KEY_ID},
    )


@dataclass
class InProcess:
    """A server in this process, and ways to call it."""

    server: Server
    settings: ServiceSettings
    address: str
    channel: grpc.aio.Channel
    _lines: list[str] = field(repr=False)
    _open: AsyncExitStack = field(repr=False)

    async def log(self, calls: int) -> list[dict[str, Any]]:
        """The line of each call, parsed, in order, once there are as many as `calls`.

        A caller has its answer a moment before the server has written the line about it.
        """

        def lines() -> list[str]:
            self.server.recorder.flush()
            return "".join(self._lines).splitlines()

        await eventually(lambda: len(lines()) >= calls)
        return [json.loads(line) for line in lines()]

    async def connect(
        self, caller: str, *, safe_to_repeat: Collection[str] = (), deadline_seconds: float | None = None
    ) -> grpc.aio.Channel:
        """A channel for another caller; closed together with the server."""
        channel = connect(
            self.address,
            settings=self.settings,
            service=caller,
            tokens=tokens_for(caller),
            safe_to_repeat=safe_to_repeat,
            deadline_seconds=deadline_seconds,
        )
        return await self._open.enter_async_context(channel)


@asynccontextmanager
async def serve(
    doors: Sequence[Door],
    access: Access,
    *,
    caller: str = PUBLIC_NAME,
    service: str = "testing",
    settings: ServiceSettings | None = None,
    contracts: FileDescriptorSet | None = None,
) -> AsyncIterator[InProcess]:
    """A ready server for the doors on a free port, with a channel that calls as `caller`."""
    settings = settings or settings_for(ServiceSettings)
    lines: list[str] = []
    server = Server(settings, service, doors, access, write_log=lines.append, contracts=contracts)
    await server.start()
    await server.ready()
    async with AsyncExitStack() as open_channels:
        address = f"{settings.grpc_host}:{server.port}"
        channel = connect(address, settings=settings, service=caller, tokens=tokens_for(caller))
        await open_channels.enter_async_context(channel)
        try:
            yield InProcess(server, settings, address, channel, lines, open_channels)
        finally:
            await server.drain()


async def failing(call: Awaitable[object]) -> grpc.aio.AioRpcError:
    """The error that a call ends with, as grpc raises it. Raises AssertionError for one that ends well."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error
    raise AssertionError("the call was not refused")


async def refused(call: Awaitable[object]) -> RpcFailure:
    """Why a call was refused. Raises AssertionError for one that was not."""
    return from_rpc_error(await failing(call))


@overload
async def eventually(condition: Callable[[], Awaitable[T]], within_seconds: float = 5.0) -> T: ...
@overload
async def eventually(condition: Callable[[], T], within_seconds: float = 5.0) -> T: ...
async def eventually(condition: Callable[[], T | Awaitable[T]], within_seconds: float = 5.0) -> T:
    """The first true answer of `condition`, asked again every ten milliseconds. Raises AssertionError at the end."""
    deadline = time.monotonic() + within_seconds
    while True:
        answer = condition()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return answer
        if time.monotonic() >= deadline:
            raise AssertionError(f"not true within {within_seconds} s; the last answer was {answer!r}")
        await asyncio.sleep(0.01)


async def prepare_all(queries: Mapping[str, str], connection: Connection) -> None:
    """Prepares every query, so that a name or type the schema does not have fails. Raises AssertionError by query."""
    for name, text in queries.items():
        try:
            await connection.prepare(text)
        except Exception as error:
            raise AssertionError(f"the query {name} does not fit the schema: {error}") from error


def compile_proto(source: Path, into: Path, *, include: Sequence[Path] = ()) -> tuple[ModuleType, ModuleType]:
    """The messages' and the services' modules of a test's own .proto file, generated into the folder `into`."""
    # A tool of development, not there in production; it carries no types.
    from grpc_tools import protoc  # type: ignore[import-untyped]

    # protoc's own messages (google/protobuf/…) lie beside the tool.
    well_known = Path(protoc.__file__).parent / "_proto"
    folders = [f"-I{folder}" for folder in (source.parent, *include, well_known)]
    arguments = ["protoc", *folders, f"--python_out={into}", f"--grpc_python_out={into}", str(source)]
    if protoc.main(arguments) != 0:
        raise AssertionError(f"{source.name} does not compile")
    sys.path.insert(0, str(into))
    try:
        messages = importlib.import_module(f"{source.stem}_pb2")
        return messages, importlib.import_module(f"{source.stem}_pb2_grpc")
    finally:
        sys.path.remove(str(into))
