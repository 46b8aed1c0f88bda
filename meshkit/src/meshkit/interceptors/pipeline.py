"""What every call passes on its way to a handler, and on its way back.

In: request id and trace → caller and access → deadline → decode → validate → the handler. Out: failure → status,
encode, metrics, one line in the log. All of it wraps a handler once, when it is registered: grpc's own interceptors
would cost each call a chain of coroutines (`bench/unary.py` has the figures).
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import grpc
from google.protobuf.message import DecodeError, Message
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer

from meshkit import context, logs, metrics, telemetry
from meshkit.callers import PUBLIC, Access, Caller, Verifier, authorised
from meshkit.comments import FieldComments
from meshkit.context import Call
from meshkit.errors import DeadlineExceeded, Failure, InvalidArgument, Unauthenticated, Unimplemented
from meshkit.interceptors import correlation, validation
from meshkit.interceptors.deadlines import granted_seconds
from meshkit.interceptors.recording import Recorder, code_name
from meshkit.settings import ServiceSettings
from meshkit.status import INTERNAL_REASON, code_in, expected, internal_status, to_status, trailers_of

if TYPE_CHECKING:
    # Generic to the type checker alone.
    AnyContext: TypeAlias = grpc.aio.ServicerContext[Any, Any]
    AnyHandler: TypeAlias = grpc.RpcMethodHandler[Any, Any]

_AUTHORIZATION_KEY = "authorization"
_UNKNOWN_METHOD = "unknown"


class Pipeline:
    """Wraps the handlers of one server. `wrap` is called once for each method, before the server starts."""

    def __init__(
        self,
        settings: ServiceSettings,
        service: str,
        access: Access,
        verifier: Verifier,
        *,
        tracer: Tracer | None = None,
        write_log: Callable[[str], None] | None = None,
        comments: FieldComments | None = None,
    ) -> None:
        self._settings = settings
        self._service = service
        self._access = access
        self._verifier = verifier
        self._tracer = tracer
        self._comments = comments or FieldComments()
        self.in_flight = 0
        self.recorder = Recorder(service, level=settings.log_level, write=write_log)
        metrics.RPC_IN_FLIGHT.set_function(lambda: self.in_flight)

    def wrap(self, method: str, handler: AnyHandler, request_type: type[Message]) -> AnyHandler:
        """The handler of a full method name (`/fte.tickets.v1.TicketsService/GetTicket`) with everything around it."""
        wrapped = _Method(self, method, handler, request_type)
        if handler.response_streaming:
            behaviour = handler.stream_stream if handler.request_streaming else handler.unary_stream
            serve = wrapped.generate if inspect.isasyncgenfunction(behaviour) else wrapped.write
            make = (
                grpc.stream_stream_rpc_method_handler
                if handler.request_streaming
                else grpc.unary_stream_rpc_method_handler
            )
            # A handler that writes to its context hands over messages, so grpc goes on encoding them.
            return make(serve, None, handler.response_serializer)
        if handler.request_streaming:
            return grpc.stream_unary_rpc_method_handler(wrapped.answer_stream, None, None)
        return grpc.unary_unary_rpc_method_handler(wrapped.answer, None, None)

    def unknown(self) -> AnyHandler:
        """The handler of every method that the server does not have: refuses in the shape of any other failure."""
        # A stream both ways takes a call of any shape.
        return grpc.stream_stream_rpc_method_handler(self._refuse_unknown, None, None)

    async def _refuse_unknown(self, _requests: Any, grpc_context: AnyContext) -> None:
        began = time.monotonic()
        metadata = grpc_context.invocation_metadata() or ()
        brought = next((value for key, value in metadata if key == correlation.REQUEST_ID_KEY), None)
        request_id = str(brought) if correlation.is_request_id(brought) else correlation.new_request_id()
        failure = Unimplemented("there is no such method here; reflection lists those that there are")
        status = to_status(failure, f"{self._service}.fte", request_id)
        code = code_in(status)
        # Under one name: what a caller made up is neither a label of a metric nor safe in a line.
        call = Call(request_id, correlation.traceparent_for(request_id), None, None)
        self.recorder.record(_UNKNOWN_METHOD, call, code.name, time.monotonic() - began, failure.reason)
        await grpc_context.abort(code, status.message, trailers_of(status, failure))


class _Served:
    """One call while it is served: what is known of it so far, for whoever records its end."""

    __slots__ = ("began", "call", "code", "limit", "reason", "span")

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.call = context.NO_CALL
        self.code = "OK"
        self.reason = ""
        self.span: Span | None = None
        # Seconds after which we end the call ourselves; None while grpc ends it at the caller's own deadline.
        self.limit: float | None = None


class _Method:
    def __init__(self, pipeline: Pipeline, method: str, handler: AnyHandler, request_type: type[Message]) -> None:
        settings = pipeline._settings
        self._pipeline = pipeline
        self._name = method
        self._domain = f"{pipeline._service}.fte"
        self._allowed = pipeline._access[method]
        self._verifier = pipeline._verifier
        self._tracer = pipeline._tracer
        self._comments = pipeline._comments
        self._default_seconds = settings.default_deadline_seconds
        self._maximum_seconds = settings.deadline_max_seconds
        self._decode = request_type.FromString
        self._request_streaming = handler.request_streaming
        self._record = pipeline.recorder.record
        behaviour = handler.unary_unary or handler.stream_unary or handler.unary_stream or handler.stream_stream
        assert behaviour is not None
        self._behaviour: Callable[..., Any] = behaviour
        validation.warm([request_type])

    async def answer(self, raw: bytes, grpc_context: AnyContext) -> bytes:
        """Serves unary → unary."""
        served = _Served()
        self._pipeline.in_flight += 1
        try:
            self._enter(served, grpc_context)
            request = self._checked(raw)
            if served.limit is None:
                response = await self._behaviour(request, grpc_context)
            else:
                async with asyncio.timeout(served.limit):
                    response = await self._behaviour(request, grpc_context)
            encoded: bytes = response.SerializeToString()
            return encoded
        except BaseException as error:
            await self._failed(served, grpc_context, error)
        finally:
            self._end(served)

    async def answer_stream(self, raws: AsyncIterable[bytes], grpc_context: AnyContext) -> bytes:
        """Serves stream → unary."""
        served = _Served()
        self._pipeline.in_flight += 1
        try:
            self._enter(served, grpc_context)
            async with asyncio.timeout(served.limit):
                response = await self._behaviour(self._checked_each(raws), grpc_context)
            encoded: bytes = response.SerializeToString()
            return encoded
        except BaseException as error:
            await self._failed(served, grpc_context, error)
        finally:
            self._end(served)

    async def generate(self, raw: Any, grpc_context: AnyContext) -> AsyncIterator[Message]:
        """Serves unary or stream → stream, for a handler that yields its messages."""
        served = _Served()
        self._pipeline.in_flight += 1
        try:
            self._enter(served, grpc_context)
            request = self._checked_each(raw) if self._request_streaming else self._checked(raw)
            async with asyncio.timeout(served.limit):
                async for response in self._behaviour(request, grpc_context):
                    yield response
        except GeneratorExit:
            served.code = grpc.StatusCode.CANCELLED.name
            raise
        except BaseException as error:
            await self._failed(served, grpc_context, error)
        finally:
            self._end(served)

    async def write(self, raw: Any, grpc_context: AnyContext) -> None:
        """Serves unary or stream → stream, for a handler that writes its messages to the context."""
        served = _Served()
        self._pipeline.in_flight += 1
        try:
            self._enter(served, grpc_context)
            request = self._checked_each(raw) if self._request_streaming else self._checked(raw)
            async with asyncio.timeout(served.limit):
                await self._behaviour(request, grpc_context)
        except BaseException as error:
            await self._failed(served, grpc_context, error)
        finally:
            self._end(served)

    def _enter(self, served: _Served, grpc_context: AnyContext) -> None:
        request_id = traceparent = ""
        authorization: str | bytes | None = None
        doubled = False
        for key, value in grpc_context.invocation_metadata() or ():
            if key == correlation.REQUEST_ID_KEY:
                if correlation.is_request_id(value):
                    request_id = str(value)
            elif key == correlation.TRACEPARENT_KEY:
                if correlation.is_traceparent(value):
                    traceparent = str(value)
            elif key == _AUTHORIZATION_KEY:
                doubled = authorization is not None
                authorization = value
        request_id = request_id or correlation.new_request_id()
        traceparent = traceparent or correlation.traceparent_for(request_id)
        if self._tracer is not None:
            served.span = telemetry.start_span(self._tracer, self._name[1:], traceparent, kind=SpanKind.SERVER)
            traceparent = telemetry.traceparent_of(served.span)
        remaining = grpc_context.time_remaining()
        seconds = granted_seconds(remaining, default=self._default_seconds, maximum=self._maximum_seconds)
        if remaining is None or seconds < remaining:
            served.limit = seconds
        caller: Caller | None = None
        refused: Failure | None = None
        try:
            if doubled:
                # Which of two tokens counts would depend on who reads them.
                raise Unauthenticated("there must be one authorization header, not several")
            caller = PUBLIC if authorization is None else self._verifier.bearer(str(authorization))
            if caller.label not in self._allowed:
                authorised(self._allowed, caller)
        except Failure as failure:
            refused = failure
        # A refusal, too, is recorded and answered under its request id.
        served.call = Call(request_id, traceparent, served.began + seconds, caller)
        context.CURRENT.set(served.call)
        if refused is not None:
            raise refused

    def _checked(self, raw: bytes) -> Message:
        try:
            request = self._decode(raw)
        except (DecodeError, ValueError) as error:
            raise InvalidArgument("the request is not a readable message of this method's request type") from error
        validation.check(request, self._comments)
        return request

    async def _checked_each(self, raws: AsyncIterable[bytes]) -> AsyncIterator[Message]:
        async for raw in raws:
            yield self._checked(raw)

    async def _failed(self, served: _Served, grpc_context: AnyContext, error: BaseException) -> NoReturn:
        """Ends the call with the status that the error stands for, never with its text."""
        if isinstance(error, grpc.aio.AbortError):
            # A handler that ended the call itself has said what there is to say.
            served.code = code_name(grpc_context.code())
            raise error
        deadline = served.call.deadline
        late = deadline is not None and time.monotonic() >= deadline
        if isinstance(error, asyncio.CancelledError):
            # Only grpc cancels: the caller went away, or its deadline passed.
            served.code = (grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.CANCELLED).name
            raise error
        if not isinstance(error, Exception):
            served.code = grpc.StatusCode.INTERNAL.name
            raise error
        failure: Failure | None
        if isinstance(error, TimeoutError) and late:
            failure = DeadlineExceeded("the call took longer than its deadline allows")
        else:
            failure = expected(error)
        if failure is None:
            logs.get().error("rpc.failed", method=self._name, error=error)
            status = internal_status(self._domain, served.call.request_id)
            served.reason = INTERNAL_REASON
        else:
            status = to_status(failure, self._domain, served.call.request_id)
            served.reason = failure.reason
        code = code_in(status)
        served.code = code.name
        await grpc_context.abort(code, status.message, trailers_of(status, failure))

    def _end(self, served: _Served) -> None:
        self._pipeline.in_flight -= 1
        self._record(self._name, served.call, served.code, time.monotonic() - served.began, served.reason)
        if served.span is not None:
            served.span.set_attribute("rpc.method", self._name[1:])
            served.span.set_attribute("rpc.response.status_code", served.code)
            if served.code != "OK":
                served.span.set_status(StatusCode.ERROR)
            served.span.end()
