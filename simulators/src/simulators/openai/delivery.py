"""Answers on their way: whole, as a stream, or failing as a server or a network fails."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from simulators.openai.turn import Delivery
from simulators.serving import ConnectionReset

_PAGE: Final = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
_SILENT: Final = frozenset({Delivery.STALLED, Delivery.TRUNCATED})
WITHOUT_END: Final = frozenset({Delivery.STALLED, Delivery.TRUNCATED, Delivery.MALFORMED, Delivery.STREAM_ERROR})
"""Deliveries that break off in the middle."""


async def gone(receive: Receive, seconds: float | None) -> bool:
    """Waits so long, or for ever; True as soon as the caller has gone, False when the time is over."""
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return False
    return True


class Silence(Response):
    """No answer until the caller gives up."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await gone(receive, None)


class _BrokenOff(Response):
    """The beginning of an answer, and then silence or a cut."""

    def __init__(self, parts: Iterable[bytes], headers: Mapping[str, str], *, is_cut: bool) -> None:
        super().__init__(headers=headers)
        self._parts = parts
        self._is_cut = is_cut

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [each for each in self.raw_headers if each[0] != b"content-length" or each[1] != b"0"]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for part in self._parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        if self._is_cut:
            await ConnectionReset()(scope, receive, send)
        else:
            await gone(receive, None)


class _EventStream(Response):
    """Server-sent events, `pace` seconds apart, until they end or the caller has gone."""

    media_type = "text/event-stream"

    def __init__(self, events: Iterable[bytes], headers: Mapping[str, str], pace: float) -> None:
        super().__init__(headers=headers)
        del self.headers["content-length"]
        self._events = events
        self._pace = pace

    def break_off(self) -> None:
        """Ends with half an event, in the middle."""
        events = list(self._events)
        middle = len(events) // 2
        self._events = [*events[:middle], events[middle].rstrip()[: -len(events[middle]) // 3] + b"\n\n"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        for event in self._events:
            # Without a wait in between, a long stream would keep every other request waiting.
            if await gone(receive, self._pace):
                return
            await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def whole(body: Mapping[str, Any], delivery: Delivery, headers: Mapping[str, str]) -> Response:
    """A JSON answer with a status of 200, delivered like that."""
    if delivery is Delivery.HANG:
        return Silence()
    if delivery is Delivery.EMPTY_BODY:
        return Response(b"", headers=headers, media_type="application/json")
    if delivery is Delivery.HTML:
        return Response(_PAGE, headers=headers, media_type="text/html")
    content = json.dumps(body, ensure_ascii=False).encode()
    half = content[: len(content) // 2]
    if delivery in _SILENT:
        told = {"content-type": "application/json", "content-length": str(len(content))}
        return _BrokenOff([half], {**headers, **told}, is_cut=delivery is Delivery.TRUNCATED)
    answered = Response(content, headers=headers, media_type="application/json")
    return malformed(answered) if delivery is Delivery.MALFORMED else answered


def stream(
    events: Iterable[dict[str, Any] | str], delivery: Delivery, headers: Mapping[str, str], pace: float
) -> Response:
    """A stream with a status of 200, delivered like that. An event with a `type` bears it as its name."""
    if delivery in (Delivery.HANG, Delivery.EMPTY_BODY, Delivery.HTML):
        return whole({}, delivery, headers)
    if delivery not in WITHOUT_END:
        return _EventStream(map(_written, events), headers, pace)
    all_events = list(events)
    half = all_events[: max(1, len(all_events) // 2)]
    begun = [_written(event) for event in half]
    if delivery in _SILENT:
        told = {"content-type": "text/event-stream"}
        return _BrokenOff(begun, {**headers, **told}, is_cut=delivery is Delivery.TRUNCATED)
    if delivery is Delivery.MALFORMED:
        return malformed(_EventStream(map(_written, all_events), headers, pace))
    return _EventStream([*begun, _error(half[-1])], headers, pace)


def malformed(response: Response) -> Response:
    """The answer with its JSON broken off; of a stream, the event in the middle is, and none comes after it."""
    if isinstance(response, _EventStream):
        response.break_off()
    elif response.body:
        response.body = bytes(response.body)[: len(response.body) // 2]
        response.headers["content-length"] = str(len(response.body))
    return response


def _error(before: dict[str, Any] | str) -> bytes:
    said = {"code": "server_error", "message": "The server had an error while processing your request.", "param": None}
    number = before.get("sequence_number") if isinstance(before, dict) else None
    if number is None:
        return _written({"error": {**said, "type": "server_error"}})
    return _written({"type": "error", **said, "sequence_number": number + 1})


def _written(event: dict[str, Any] | str) -> bytes:
    if isinstance(event, str):
        return f"data: {event}\n\n".encode()
    line = f"data: {json.dumps(event, ensure_ascii=False)}\n\n"
    return (f"event: {event['type']}\n{line}" if "type" in event else line).encode()
