"""What every call to a neighbour carries, and which are tried again."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from meshkit import context
from meshkit.callers import Caller
from meshkit.channel import connect
from meshkit.context import Call
from meshkit.errors import Unavailable
from meshkit.interceptors.deadlines import granted_seconds, shaved_seconds
from meshkit.settings import ServiceSettings
from meshkit.testing import echo, eventually, serve, settings_for, tokens_for

TRACE = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


class Neighbour(echo.Echo):
    """Notes what reaches it; away for its first `absences` calls."""

    def __init__(self, absences: int = 0) -> None:
        self.seen: list[Call] = []
        self.remaining: list[float] = []
        self.absences = absences

    async def Say(self, request: Any, grpc_context: Any) -> Any:
        self.seen.append(context.current())
        self.remaining.append(grpc_context.time_remaining())
        if len(self.seen) <= self.absences:
            raise Unavailable("not yet")
        return echo.echo_pb2.SayResponse(text=request.text)

    async def Repeat(self, request: Any, grpc_context: Any) -> AsyncIterator[Any]:
        self.seen.append(context.current())
        yield echo.echo_pb2.SayResponse(text=request.text)


async def test_who_we_are_and_whose_request_it_is_travel_on() -> None:
    neighbour = Neighbour()
    async with serve([echo.door(neighbour)], echo.OPEN_TO_ALL, caller="agent") as served:
        with context.entered(Call("r-9", TRACE)):
            await echo.stub(served.channel).Say(echo.say())
            assert [each.text async for each in echo.stub(served.channel).Repeat(echo.say("x"))] == ["x"]
    for call in neighbour.seen:
        assert (call.request_id, call.traceparent, call.caller) == ("r-9", TRACE, Caller("service", "agent"))


async def test_a_sub_call_gets_a_little_less_than_is_left() -> None:
    neighbour = Neighbour()
    async with serve([echo.door(neighbour)], echo.OPEN_TO_ALL) as served:
        with context.entered(Call("r", None, time.monotonic() + 2.0)):
            await echo.stub(served.channel).Say(echo.say())
            await echo.stub(served.channel).Say(echo.say(), timeout=0.5)
            await echo.stub(served.channel).Say(echo.say(), timeout=30)
        await echo.stub(served.channel).Say(echo.say())
    shaved, own, cut, default = neighbour.remaining
    # On the wire a timeout is rounded up to three digits.
    assert 1.0 < shaved <= 1.91
    assert own <= 0.51
    assert 1.0 < cut <= 1.91
    assert 8 < default <= 10.1


async def test_no_time_left_fails_here_and_now() -> None:
    neighbour = Neighbour()
    async with serve([echo.door(neighbour)], echo.OPEN_TO_ALL) as served:
        for _ in range(20):
            late = context.entered(Call("r", None, time.monotonic() - 1.0))
            with late, pytest.raises(grpc.aio.AioRpcError) as caught:
                await echo.stub(served.channel).Say(echo.say())
            assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert neighbour.seen == []


@pytest.mark.parametrize(("safe", "seen"), [((echo.SAY,), 3), ((), 1), ((echo.CHAT,), 1)])
async def test_only_what_is_safe_to_repeat_is_repeated(safe: tuple[str, ...], seen: int) -> None:
    neighbour = Neighbour(absences=2)
    async with serve([echo.door(neighbour)], echo.OPEN_TO_ALL) as served:
        stub = echo.stub(await served.connect("agent", safe_to_repeat=safe))
        if seen == 3:
            assert (await stub.Say(echo.say("at last"))).text == "at last"
        else:
            with pytest.raises(grpc.aio.AioRpcError):
                await stub.Say(echo.say())
        assert len(neighbour.seen) == seen


async def test_a_replica_that_is_not_ready_gets_no_calls() -> None:
    """The health of the server, not the connection, decides."""
    async with serve([echo.door()], echo.OPEN_TO_ALL) as served:
        stub = echo.stub(served.channel)
        assert (await stub.Say(echo.say("in"))).text == "in"
        await served.server._health.drain()

        async def refused() -> bool:
            try:
                await stub.Say(echo.say())
            except grpc.aio.AioRpcError as error:
                return error.code() is grpc.StatusCode.UNAVAILABLE
            return False

        await eventually(refused)


async def test_a_neighbour_that_restarts_is_found_again() -> None:
    async with serve([echo.door()], echo.OPEN_TO_ALL) as first:
        port = first.server.port
        address = first.address
    settings = settings_for(ServiceSettings, grpc_port=port)
    async with connect(address, settings=settings, service="agent", tokens=tokens_for("agent")) as channel:
        stub = echo.stub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Say(echo.say())
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        async with serve([echo.door()], echo.OPEN_TO_ALL, settings=settings):

            async def answers() -> bool:
                try:
                    return bool((await stub.Say(echo.say("back"))).text == "back")
                except grpc.aio.AioRpcError:
                    return False

            await eventually(answers)


@pytest.mark.parametrize(
    ("remaining", "granted"), [(None, 10.0), (5.0, 5.0), (60.0, 60.0), (3600.0, 60.0), (-1.0, -1.0)]
)
def test_a_deadline_has_a_default_and_a_limit(remaining: float | None, granted: float) -> None:
    assert granted_seconds(remaining, default=10.0, maximum=60.0) == granted


@pytest.mark.parametrize(("remaining", "shaved"), [(10.0, 9.5), (0.1, 0.09), (0.005, 0.0), (-3.0, 0.0)])
def test_each_hop_shaves_five_percent_and_ten_milliseconds_at_least(remaining: float, shaved: float) -> None:
    assert shaved_seconds(remaining) == pytest.approx(shaved)
