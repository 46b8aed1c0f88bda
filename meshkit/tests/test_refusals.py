"""What a server refuses by itself, and what a refusal tells beside its status: shown by real calls."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from meshkit.errors import InvalidArgument, ResourceExhausted
from meshkit.status import from_rpc_error
from meshkit.testing import InProcess, echo, failing, serve


class Refusing(echo.Echo):
    """An echo that says no."""

    def __init__(self, failure: Exception) -> None:
        self.failure = failure

    async def Say(self, request: Any, context: Any) -> Any:
        raise self.failure


@pytest.fixture
async def served() -> AsyncIterator[InProcess]:
    async with serve([echo.door()], echo.OPEN_TO_ALL) as running:
        yield running


@pytest.mark.parametrize(("seconds", "told"), [(None, "1"), (0.2, "1"), (1800.0, "1800"), (59.01, "60")])
async def test_who_should_come_again_is_told_when_where_http_has_the_place_for_it(
    seconds: float | None, told: str
) -> None:
    door = echo.door(Refusing(ResourceExhausted("too many", retry_after_seconds=seconds)))
    async with serve([door], echo.OPEN_TO_ALL) as served:
        error = await failing(echo.stub(served.channel).Say(echo.say()))
        assert dict(error.trailing_metadata() or ())["retry-after"] == told


async def test_a_failure_that_does_not_pass_by_itself_names_no_time_to_come_again() -> None:
    door = echo.door(Refusing(InvalidArgument("never", retry_after_seconds=5)))
    async with serve([door], echo.OPEN_TO_ALL) as served:
        error = await failing(echo.stub(served.channel).Say(echo.say()))
        assert "retry-after" not in dict(error.trailing_metadata() or ())


async def test_an_unknown_method_is_unimplemented(served: InProcess) -> None:
    channel: Any = served.channel
    for method in (f"/{echo.SERVICE}/Nothing", '/"made up"/By_a_caller', "/"):
        error = await failing(channel.unary_unary(method)(b"\xff", metadata=(("x-request-id", "r-18"),)))
        assert error.code() is grpc.StatusCode.UNIMPLEMENTED
        failure = from_rpc_error(error)
        assert (failure.reason, failure.domain) == ("UNIMPLEMENTED", "testing.fte")
        assert failure.metadata == {"requestId": "r-18"}
    lines = [(line["method"], line["code"], line["reason"], line["request_id"]) for line in await served.log(3)]
    assert lines == [("unknown", "UNIMPLEMENTED", "UNIMPLEMENTED", "r-18")] * 3


async def test_an_unknown_method_is_unimplemented_whatever_shape_the_call_has(served: InProcess) -> None:
    channel: Any = served.channel
    method = f"/{echo.SERVICE}/Nothing"
    raw = [b"\xff", b""]
    for call in (channel.stream_unary(method)(raw), channel.unary_stream(method)(b"").read()):
        assert (await failing(call)).code() is grpc.StatusCode.UNIMPLEMENTED
    # Nothing is written here: the refusal may come before the first word, and writing would fail instead.
    assert (await failing(channel.stream_stream(method)().read())).code() is grpc.StatusCode.UNIMPLEMENTED
