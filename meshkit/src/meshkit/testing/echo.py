"""The echo service: what the kit's tests and benchmark serve and call."""
# ruff: noqa: N802 - the methods of a servicer are named by its contract

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from meshkit.server import Door
from meshkit.testing import compile_proto

_SOURCE = Path(__file__).with_name("echo.proto")


def _third_party() -> Path:
    """Where the imported protos are, in the checkout this file belongs to."""
    for folder in _SOURCE.parents:
        if (folder / ".build" / "third_party").is_dir():
            return folder / ".build" / "third_party"
    raise AssertionError("the imported protos are missing: run `make third-party`")


with tempfile.TemporaryDirectory() as _folder:
    echo_pb2, echo_pb2_grpc = compile_proto(_SOURCE, Path(_folder), include=[_third_party()])

SERVICE = "meshkit.echo.v1.EchoService"
SAY, REPEAT, JOIN, CHAT = (f"/{SERVICE}/{name}" for name in ("Say", "Repeat", "Join", "Chat"))
METHODS = (SAY, REPEAT, JOIN, CHAT)
OPEN_TO_ALL = dict.fromkeys(METHODS, frozenset({"public"}))


class Echo(echo_pb2_grpc.EchoServiceServicer):  # type: ignore[misc, name-defined] # generated at test time
    async def Say(self, request: Any, context: Any) -> Any:
        return echo_pb2.SayResponse(text=request.text)

    async def Repeat(self, request: Any, context: Any) -> AsyncIterator[Any]:
        for _ in range(request.times):
            yield echo_pb2.SayResponse(text=request.text)

    async def Join(self, requests: AsyncIterator[Any], context: Any) -> Any:
        return echo_pb2.SayResponse(text=" ".join([request.text async for request in requests]))

    async def Chat(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            yield echo_pb2.SayResponse(text=request.text)


def door(servicer: object | None = None) -> Door:
    return Door(
        echo_pb2_grpc.add_EchoServiceServicer_to_server,
        servicer or Echo(),
        echo_pb2.DESCRIPTOR.services_by_name["EchoService"],
    )


def stub(channel: Any) -> Any:
    return echo_pb2_grpc.EchoServiceStub(channel)


def say(text: str = "hello", **fields: Any) -> Any:
    return echo_pb2.SayRequest(text=text, **fields)
