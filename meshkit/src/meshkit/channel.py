"""Channels to neighbours: every call carries who we are, whose request it is, and how long it may take."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, cast

import grpc

from meshkit import context
from meshkit.callers import Tokens
from meshkit.interceptors.correlation import REQUEST_ID_KEY, TRACEPARENT_KEY
from meshkit.interceptors.deadlines import shaved_seconds
from meshkit.settings import ServiceSettings

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")
_Serializer = Callable[[Any], bytes]
_Deserializer = Callable[[bytes], Any]

_OPTIONS = (
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # A neighbour that restarts is back in seconds; the default would let us stay away from it for two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Connections of this channel alone: one channel's backoff must not hold up another's.
    ("grpc.use_local_subchannel_pool", 1),
)
# With a timeout of 0 nearly every call still got through when it was tried, and with one just past, now and then one on
# a busy machine, whose core looks at the clock late; one long past fails here and now.
_NO_TIME_SECONDS = -3600.0


def connect(
    address: str,
    *,
    settings: ServiceSettings,
    service: str,
    tokens: Tokens | None,
    safe_to_repeat: Collection[str] = (),
    deadline_seconds: float | None = None,
) -> grpc.aio.Channel:
    """A channel to the replicas behind `address` (`host:port` or a `dns:///` name), for the caller `service`.

    Each call shows a token of `tokens`; with None it is a call of the public.
    Calls go round the replicas whose health says SERVING. A call to a full method name in `safe_to_repeat` is tried
    up to three times when the neighbour is UNAVAILABLE; no other call is ever repeated. Each call's deadline is the
    smallest of `deadline_seconds` (the settings' default when None), the `timeout` given with it, and what is left of
    the call being served, a little shaved. Must be made while the event loop runs; close it at the end.
    """
    options = (
        *_OPTIONS,
        ("grpc.service_config", json.dumps(_service_config(safe_to_repeat))),
        ("grpc.max_receive_message_length", settings.message_bytes_max),
        ("grpc.max_send_message_length", settings.message_bytes_max),
        ("grpc.primary_user_agent", f"fte-{service}"),
    )
    channel = grpc.aio.insecure_channel(address, options=options)
    return _Channel(channel, tokens, deadline_seconds or settings.default_deadline_seconds)


def _service_config(safe_to_repeat: Collection[str]) -> dict[str, Any]:
    config: dict[str, Any] = {
        "loadBalancingConfig": [{"round_robin": {}}],
        # The empty name is the server as a whole, which drains before it goes.
        "healthCheckConfig": {"serviceName": ""},
        # When most calls fail, repeating them all is what keeps the neighbour down.
        "retryThrottling": {"maxTokens": 20, "tokenRatio": 0.2},
    }
    if safe_to_repeat:
        names = [method.removeprefix("/").split("/") for method in sorted(safe_to_repeat)]
        config["methodConfig"] = [
            {
                "name": [{"service": service, "method": method} for service, method in names],
                "retryPolicy": {
                    "maxAttempts": 3,
                    "initialBackoff": "0.05s",
                    "maxBackoff": "1s",
                    "backoffMultiplier": 3,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ]
    return config


class _Outgoing:
    """One method of a neighbour. Stands where grpc's interceptors would, without their task for each call."""

    __slots__ = ("_channel", "_inner")

    def __init__(self, channel: _Channel, inner: Callable[..., Any]) -> None:
        self._channel = channel
        self._inner = inner

    def __call__(
        self,
        request: Any = None,
        timeout: float | None = None,
        metadata: Sequence[tuple[str, str | bytes]] | None = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> Any:
        call = context.CURRENT.get()
        limit = self._channel.deadline_seconds
        if timeout is not None and timeout < limit:
            limit = timeout
        if call.deadline is not None:
            limit = min(limit, shaved_seconds(call.deadline - time.monotonic()))
        if limit <= 0:
            limit = _NO_TIME_SECONDS
        sent: list[tuple[str, str | bytes]] = []
        if authorization := self._channel.authorization():
            sent.append(("authorization", authorization))
        if call.request_id:
            sent.append((REQUEST_ID_KEY, call.request_id))
        if call.traceparent:
            sent.append((TRACEPARENT_KEY, call.traceparent))
        if metadata:
            sent.extend(metadata)
        return self._inner(
            request,
            timeout=limit,
            metadata=sent,
            credentials=credentials,
            wait_for_ready=wait_for_ready,
            compression=compression,
        )


class _Channel(grpc.aio.Channel):
    """A channel whose methods are `_Outgoing`; everything else is the inner channel's."""

    def __init__(self, inner: grpc.aio.Channel, tokens: Tokens | None, deadline_seconds: float) -> None:
        self._inner = inner
        self._tokens = tokens
        self._token = ""
        self._authorization = ""
        self.deadline_seconds = deadline_seconds

    def authorization(self) -> str:
        """The `authorization` header for a call made now; empty for the public."""
        if self._tokens is None:
            return ""
        token = self._tokens.token()
        if token is not self._token:
            self._token, self._authorization = token, f"Bearer {token}"
        return self._authorization

    def unary_unary(
        self,
        method: str,
        request_serializer: _Serializer | None = None,
        response_deserializer: _Deserializer | None = None,
        _registered_method: bool = False,
    ) -> grpc.aio.UnaryUnaryMultiCallable[_Request, _Response]:
        made = self._outgoing(self._inner.unary_unary(method, request_serializer, response_deserializer))
        return cast("grpc.aio.UnaryUnaryMultiCallable[_Request, _Response]", made)

    def unary_stream(
        self,
        method: str,
        request_serializer: _Serializer | None = None,
        response_deserializer: _Deserializer | None = None,
        _registered_method: bool = False,
    ) -> grpc.aio.UnaryStreamMultiCallable[_Request, _Response]:
        made = self._outgoing(self._inner.unary_stream(method, request_serializer, response_deserializer))
        return cast("grpc.aio.UnaryStreamMultiCallable[_Request, _Response]", made)

    def stream_unary(
        self,
        method: str,
        request_serializer: _Serializer | None = None,
        response_deserializer: _Deserializer | None = None,
        _registered_method: bool = False,
    ) -> grpc.aio.StreamUnaryMultiCallable[_Request, _Response]:
        made = self._outgoing(self._inner.stream_unary(method, request_serializer, response_deserializer))
        return cast("grpc.aio.StreamUnaryMultiCallable[_Request, _Response]", made)

    def stream_stream(
        self,
        method: str,
        request_serializer: _Serializer | None = None,
        response_deserializer: _Deserializer | None = None,
        _registered_method: bool = False,
    ) -> grpc.aio.StreamStreamMultiCallable[_Request, _Response]:
        made = self._outgoing(self._inner.stream_stream(method, request_serializer, response_deserializer))
        return cast("grpc.aio.StreamStreamMultiCallable[_Request, _Response]", made)

    def _outgoing(self, inner: Any) -> _Outgoing:
        return _Outgoing(self, inner)

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> bool | None:
        return await self._inner.__aexit__(exc_type, exc_val, exc_tb)

    async def close(self, grace: float | None = None) -> None:
        await self._inner.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        return self._inner.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        await self._inner.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        await self._inner.channel_ready()
