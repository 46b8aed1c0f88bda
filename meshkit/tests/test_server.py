"""What every call gets from the server, whoever serves it: shown on a real server by real calls."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from meshkit import context, logs
from meshkit.callers import Caller
from meshkit.context import Call
from meshkit.errors import Failure, Kind, Violation
from meshkit.server import Server, ServerError
from meshkit.settings import ServiceSettings
from meshkit.status import from_rpc_error
from meshkit.testing import InProcess, echo, eventually, failing, serve, settings_for, signed

SECRET = "ada@example.com +49 170 1234567"


class NoSuchWord(Failure):
    kind = Kind.NOT_FOUND
    reason = "NO_SUCH_WORD"


class Behaving(echo.Echo):
    """An echo whose behaviour a test chooses."""

    def __init__(self, behave: Any) -> None:
        self.behave = behave

    async def Say(self, request: Any, grpc_context: Any) -> Any:
        await self.behave(request, grpc_context)
        return echo.echo_pb2.SayResponse(text=request.text)

    async def Repeat(self, request: Any, grpc_context: Any) -> AsyncIterator[Any]:
        yield echo.echo_pb2.SayResponse(text="first")
        await self.behave(request, grpc_context)


def doing(behave: Any) -> Any:
    return echo.door(Behaving(behave))


@pytest.fixture
async def served() -> AsyncIterator[InProcess]:
    async with serve([echo.door()], echo.OPEN_TO_ALL) as running:
        yield running


async def three() -> AsyncIterator[Any]:
    for text in ("a", "b", "c"):
        yield echo.say(text)


async def test_calls_of_all_four_shapes_are_served(served: InProcess) -> None:
    stub = echo.stub(served.channel)
    assert (await stub.Say(echo.say("hello"))).text == "hello"
    assert [each.text async for each in stub.Repeat(echo.say("x", times=2))] == ["x", "x"]
    assert (await stub.Join(three())).text == "a b c"
    assert [each.text async for each in stub.Chat(three())] == ["a", "b", "c"]
    assert [line["code"] for line in await served.log(4)] == ["OK"] * 4


async def test_a_failure_reaches_the_caller_with_reason_facts_and_request_id() -> None:
    async def behave(*_: Any) -> None:
        raise NoSuchWord("no such word", facts={"language": "de"})

    async with serve([doing(behave)], echo.OPEN_TO_ALL) as served:
        error = await failing(echo.stub(served.channel).Say(echo.say(), metadata=(("x-request-id", "r-17"),)))
        assert (error.code(), error.details()) == (grpc.StatusCode.NOT_FOUND, "no such word")
        failure = from_rpc_error(error)
        assert (failure.reason, failure.domain) == ("NO_SUCH_WORD", "testing.fte")
        assert failure.metadata == {"language": "de", "requestId": "r-17"}
        (line,) = await served.log(1)
        assert (line["code"], line["reason"], line["request_id"]) == ("NOT_FOUND", "NO_SUCH_WORD", "r-17")


async def test_an_unexpected_error_shows_nothing_of_itself(capsys: pytest.CaptureFixture[str]) -> None:
    async def behave(*_: Any) -> None:
        raise RuntimeError(f"SELECT failed for {SECRET}")

    logs.configure("testing")
    async with serve([doing(behave)], echo.OPEN_TO_ALL) as served:
        error = await failing(echo.stub(served.channel).Say(echo.say(SECRET)))
        assert (error.code(), error.details()) == (grpc.StatusCode.INTERNAL, "internal error")
        assert "SELECT" not in str(error.trailing_metadata())
        written = capsys.readouterr().out
        (found,) = [json.loads(line) for line in written.splitlines()]
        assert (found["event"], found["error_type"], found["method"]) == ("rpc.failed", "RuntimeError", echo.SAY)
        assert "test_server.py" in found["stack"]
        assert found["request_id"] == from_rpc_error(error).metadata["requestId"]
        assert "SELECT" not in written
        assert "ada@example" not in written + json.dumps(await served.log(1))


async def test_an_error_in_mid_stream_ends_it_with_its_status() -> None:
    async def behave(*_: Any) -> None:
        raise NoSuchWord("no such word")

    async with serve([doing(behave)], echo.OPEN_TO_ALL) as served:
        stream = echo.stub(served.channel).Repeat(echo.say())
        assert (await stream.read()).text == "first"
        assert from_rpc_error(await failing(stream.read())).reason == "NO_SUCH_WORD"


async def test_a_handlers_own_abort_is_left_as_it_is() -> None:
    async def behave(_: Any, grpc_context: Any) -> None:
        await grpc_context.abort(grpc.StatusCode.DATA_LOSS, "as the handler says")

    async with serve([doing(behave)], echo.OPEN_TO_ALL) as served:
        error = await failing(echo.stub(served.channel).Say(echo.say()))
        assert (error.code(), error.details()) == (grpc.StatusCode.DATA_LOSS, "as the handler says")
        assert [line["code"] for line in await served.log(1)] == ["DATA_LOSS"]


@pytest.mark.parametrize("raw", [b"\xff\xff\xff", b"\x0a\x05ab", b"\x0a\x02\xff\xfe"])
@pytest.mark.parametrize("method", [echo.SAY, echo.REPEAT])
async def test_bytes_that_are_no_message_are_an_invalid_argument(served: InProcess, raw: bytes, method: str) -> None:
    channel: Any = served.channel
    unary = method == echo.SAY
    error = await failing(channel.unary_unary(method)(raw) if unary else channel.unary_stream(method)(raw).read())
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "not a readable message" in str(error.details())


async def test_every_violation_is_named_by_its_path_with_its_rule(served: InProcess) -> None:
    request = echo.say(
        "", times=99, names=[echo.echo_pb2.Name(value="ok"), echo.echo_pb2.Name(value="N0")], labels={"a": "too long"}
    )
    error = await failing(echo.stub(served.channel).Say(request))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    found = {violation.field: violation.description for violation in from_rpc_error(error).violations}
    assert set(found) == {"text", "times", "names[1].value", 'labels["a"]'}
    assert found["text"] == "must not be empty"
    assert "10" in found["times"]
    assert "too long" not in str(found), "a violation never shows the value"


async def test_each_message_of_a_stream_is_held_to_the_contract(served: InProcess) -> None:
    async def requests() -> AsyncIterator[Any]:
        yield echo.say("fine")
        yield echo.say("")

    error = await failing(echo.stub(served.channel).Join(requests()))
    assert from_rpc_error(error).violations == (Violation("text", "must not be empty"),)


@pytest.mark.parametrize(
    ("caller", "code"),
    [
        ("public", grpc.StatusCode.UNAUTHENTICATED),
        ("channels", grpc.StatusCode.PERMISSION_DENIED),
        ("staff", grpc.StatusCode.PERMISSION_DENIED),
    ],
)
async def test_only_those_in_the_access_table_are_let_in(caller: str, code: grpc.StatusCode) -> None:
    access = {**echo.OPEN_TO_ALL, echo.SAY: frozenset({"agent"})}
    async with serve([echo.door()], access, caller=caller) as served:
        error = await failing(echo.stub(served.channel).Say(echo.say()))
        assert error.code() is code
        assert from_rpc_error(error).reason == code.name
        if code is grpc.StatusCode.PERMISSION_DENIED:
            assert error.details() == f"{caller} may not call this method; open to: agent"
        allowed = await served.connect("agent")
        assert (await echo.stub(allowed).Say(echo.say("in"))).text == "in"
        assert [line["caller"] for line in await served.log(2)] == [caller, "agent"]


async def test_an_invalid_token_is_refused_even_where_none_is_needed(served: InProcess) -> None:
    stub = echo.stub(served.channel)
    for headers in (
        (("authorization", "Bearer forged"),),
        (("authorization", "Basic YTpi"),),
        (("authorization", f"Bearer {signed({'iss': 'https://staff.test', 'sub': 'a'})}"),) * 2,
    ):
        error = await failing(stub.Say(echo.say(), metadata=headers))
        assert error.code() is grpc.StatusCode.UNAUTHENTICATED
        assert "forged" not in str(error.details())


async def test_plain_headers_prove_nobody() -> None:
    access = {**echo.OPEN_TO_ALL, echo.SAY: frozenset({"agent"})}
    async with serve([echo.door()], access) as served:
        forged = (("x-caller", "agent"), ("x-user", "admin"), ("x-forwarded-client-cert", "agent"))
        error = await failing(echo.stub(served.channel).Say(echo.say(), metadata=forged))
        assert error.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_access_is_decided_before_the_message_is_read() -> None:
    access = {**echo.OPEN_TO_ALL, echo.SAY: frozenset({"agent"})}
    async with serve([echo.door()], access) as served:
        channel: Any = served.channel
        error = await failing(channel.unary_unary(echo.SAY)(b"\xff"))
        assert error.code() is grpc.StatusCode.UNAUTHENTICATED


async def _seen_by_handler(metadata: tuple[tuple[str, str], ...], caller: str = "public") -> Call:
    seen: list[Call] = []

    async def behave(*_: Any) -> None:
        seen.append(context.current())

    async with serve([doing(behave)], echo.OPEN_TO_ALL, caller=caller) as served:
        await echo.stub(served.channel).Say(echo.say(), metadata=metadata)
    return seen[0]


async def test_a_handler_knows_its_request_trace_and_caller() -> None:
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    call = await _seen_by_handler((("x-request-id", "r-1"), ("traceparent", trace)), caller="agent")
    assert (call.request_id, call.traceparent, call.caller) == ("r-1", trace, Caller("service", "agent"))


@pytest.mark.parametrize("bad", ["", "a b", "x" * 65, '"},{"'])
async def test_a_bad_request_id_is_replaced(bad: str) -> None:
    call = await _seen_by_handler((("x-request-id", bad), ("traceparent", "00-" + "0" * 32 + "-" + "b" * 16 + "-01")))
    assert len(call.request_id) == 32
    assert call.traceparent == f"00-{call.request_id}-{call.request_id[:16]}-00"


async def test_a_call_without_a_deadline_gets_the_default() -> None:
    async def behave(*_: Any) -> None:
        await asyncio.Event().wait()

    settings = settings_for(ServiceSettings, default_deadline_seconds=0.1)
    async with serve([doing(behave)], echo.OPEN_TO_ALL, settings=settings) as served:
        # Past our channel, which would send a deadline of its own.
        async with grpc.aio.insecure_channel(served.address) as bare:
            stream = echo.stub(bare).Repeat(echo.say())
            assert (await stream.read()).text == "first"
            errors = [await failing(echo.stub(bare).Say(echo.say())), await failing(stream.read())]
        for error in errors:
            assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            assert from_rpc_error(error).reason == "DEADLINE_EXCEEDED"


async def test_a_deadline_above_the_limit_is_cut() -> None:
    async def behave(*_: Any) -> None:
        await asyncio.Event().wait()

    settings = settings_for(ServiceSettings, default_deadline_seconds=0.1, deadline_max_seconds=0.2)
    async with serve([doing(behave)], echo.OPEN_TO_ALL, settings=settings) as served:
        async with grpc.aio.insecure_channel(served.address) as bare:
            error = await failing(echo.stub(bare).Say(echo.say(), timeout=30))
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert from_rpc_error(error).domain == "testing.fte", "it was the server that ended it"


async def test_a_timeout_before_the_deadline_is_a_slow_dependency() -> None:
    async def behave(*_: Any) -> None:
        raise TimeoutError("pool")

    async with serve([doing(behave)], echo.OPEN_TO_ALL) as served:
        error = await failing(echo.stub(served.channel).Say(echo.say()))
        assert error.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_caller_that_goes_away_ends_the_work() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def behave(*_: Any) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with serve([doing(behave)], echo.OPEN_TO_ALL) as served:
        call = echo.stub(served.channel).Say(echo.say())
        await asyncio.wait_for(begun.wait(), 5)
        call.cancel()
        await asyncio.wait_for(ended.wait(), 5)
        assert [line["code"] for line in await served.log(1)] == ["CANCELLED"]


async def test_a_message_above_the_limit_is_refused() -> None:
    settings = settings_for(ServiceSettings, message_bytes_max=2048)
    async with serve([echo.door()], echo.OPEN_TO_ALL, settings=settings) as served:
        async with grpc.aio.insecure_channel(served.address) as bare:
            error = await failing(echo.stub(bare).Say(echo.say("x" * 5000)))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_line_of_the_log_has_only_known_fields_and_no_words_of_the_caller(served: InProcess) -> None:
    await echo.stub(served.channel).Say(echo.say(SECRET))
    (line,) = await served.log(1)
    assert set(line) <= logs.FIELDS
    assert SECRET not in json.dumps(line)
    assert {"ts", "level", "service", "method", "request_id", "trace_id", "caller", "code", "duration_ms"} <= set(line)


async def test_a_method_without_a_row_in_the_table_keeps_the_server_from_starting() -> None:
    with pytest.raises(ServerError, match=echo.CHAT):
        Server(settings_for(ServiceSettings), "x", [echo.door()], dict.fromkeys(echo.METHODS[:3], frozenset({"staff"})))


async def test_a_door_given_twice_keeps_the_server_from_starting() -> None:
    with pytest.raises(ServerError, match="twice"):
        Server(settings_for(ServiceSettings), "x", [echo.door(), echo.door()], echo.OPEN_TO_ALL)


async def test_a_taken_port_is_named_with_its_setting(served: InProcess) -> None:
    settings = settings_for(ServiceSettings, grpc_port=served.server.port)
    second = Server(settings, "x", [echo.door()], echo.OPEN_TO_ALL)
    with pytest.raises(ServerError, match="GRPC_PORT"):
        await second.start()


async def test_health_follows_the_servers_life() -> None:
    settings = settings_for(ServiceSettings, drain_notice_seconds=0.3)
    server = Server(settings, "x", [echo.door()], echo.OPEN_TO_ALL)
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        health = health_pb2_grpc.HealthStub(channel)

        async def status(name: str) -> Any:
            return (await health.Check(health_pb2.HealthCheckRequest(service=name))).status

        kinds = health_pb2.HealthCheckResponse
        for name in ("", echo.SERVICE):
            assert await status(name) == kinds.NOT_SERVING
        await server.ready()
        for name in ("", echo.SERVICE):
            assert await status(name) == kinds.SERVING
        draining = asyncio.create_task(server.drain())

        async def noticed() -> bool:
            return bool(await status("") == kinds.NOT_SERVING)

        await eventually(noticed)
        assert (await echo.stub(channel).Say(echo.say("still"))).text == "still"
        await draining


async def test_a_call_in_flight_finishes_while_the_server_drains() -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def behave(*_: Any) -> None:
        begun.set()
        await may_end.wait()

    async with serve([doing(behave)], echo.OPEN_TO_ALL) as served:
        call = asyncio.ensure_future(echo.stub(served.channel).Say(echo.say("kept")))
        await asyncio.wait_for(begun.wait(), 5)
        draining = asyncio.create_task(served.server.drain())
        await asyncio.sleep(0)
        may_end.set()
        assert (await call).text == "kept"
        await draining


@pytest.mark.parametrize("service", ["grpc.reflection.v1alpha.ServerReflection", "grpc.reflection.v1.ServerReflection"])
async def test_reflection_lists_and_describes_without_a_token(served: InProcess, service: str) -> None:
    ask = served.channel.stream_stream(
        f"/{service}/ServerReflectionInfo",
        reflection_pb2.ServerReflectionRequest.SerializeToString,
        reflection_pb2.ServerReflectionResponse.FromString,
    )

    async def questions() -> AsyncIterator[Any]:
        yield reflection_pb2.ServerReflectionRequest(list_services="")
        for symbol in (echo.SERVICE, f"{echo.SERVICE}.Say", f"{echo.SERVICE}.Shout"):
            yield reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol)

    listed, described, method, unknown = [answer async for answer in ask(questions())]
    names = {each.name for each in listed.list_services_response.service}
    assert {echo.SERVICE, "grpc.health.v1.Health"} <= names
    assert described.file_descriptor_response.file_descriptor_proto
    assert method.file_descriptor_response == described.file_descriptor_response
    assert unknown.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
