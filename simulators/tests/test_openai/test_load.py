"""Slow answers are cheap: hundreds wait at once, and their time passes together."""

from __future__ import annotations

import asyncio
import time

import httpx

from simulators.openai import app
from simulators.openai.received import Requests
from simulators.openai.service import Config
from simulators.serving import running

LATENCY_SECONDS = 1.0
AT_ONCE = 300


async def test_hundreds_of_slow_answers_wait_at_once() -> None:
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}
    with running(app(Config(latency=LATENCY_SECONDS))) as url:
        limits = httpx.Limits(max_connections=AT_ONCE)
        async with httpx.AsyncClient(
            base_url=url, limits=limits, timeout=60, headers={"authorization": "Bearer k"}
        ) as client:
            began = time.monotonic()
            answers = await asyncio.gather(*(client.post("/v1/chat/completions", json=body) for _ in range(AT_ONCE)))
            seconds = time.monotonic() - began
        # By a connection of its own: on a busy machine the others have idled until the server closed them.
        async with httpx.AsyncClient(base_url=url, timeout=60) as control:
            shown = (await control.get("/_control/requests")).json()
    assert {answer.status_code for answer in answers} == {200}
    # One after the other they would take minutes; most of this is the test's own client.
    assert seconds < LATENCY_SECONDS * 15
    assert (shown["waiting"], shown["count"]) == (0, AT_ONCE)
    assert shown["waitingMost"] > AT_ONCE / 10


def test_the_requests_kept_are_bounded_in_number_and_in_bytes() -> None:
    requests = Requests(requests_max=3, bytes_max=100)
    for number in range(5):
        requests.keep("responses.create", {}, f'"{number}"'.encode())
    assert [one["body"] for one in requests.shown(containing="", limit=10)] == ["2", "3", "4"]
    requests.keep("responses.create", {}, b'"' + b"x" * 95 + b'"')
    assert [len(one["body"]) for one in requests.shown(containing="", limit=10)] == [1, 95]
    requests.keep("responses.create", {}, b"x" * 101)
    assert requests.shown(containing="", limit=10) == []
    assert requests.count == 7
