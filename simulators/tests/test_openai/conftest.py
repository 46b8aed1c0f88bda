"""A simulator for each test file, as it starts for each test, and OpenAI's own client to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import openai
import pytest

from simulators.openai import app
from simulators.serving import running

KEY = "sk-a-key-of-the-tests"


class Control:
    """The control API, answered or failing loudly."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=f"{url}/_control", timeout=10)

    def post(self, path: str, body: Any) -> dict[str, Any]:
        answer = self.http.post(path, json=body)
        assert answer.status_code == 200, answer.text
        answered: dict[str, Any] = answer.json()
        return answered

    def call(self, path: str, body: Any = None, *, content: bytes | None = None) -> httpx.Response:
        """A call of the API itself, by a client that knows nothing of it."""
        url, headers = f"{self.url}/v1/{path}", {"authorization": f"Bearer {KEY}"}
        return self.http.post(url, json=body, content=content, headers=headers)

    def script(self, *answers: Any, **rest: Any) -> dict[str, Any]:
        return self.post("/script", {"answers": answers, **rest})

    def behave(self, name: str) -> None:
        """Every answer from now on."""
        self.post("/script", {"then": {"behaviour": name}})

    def fault(self, **fault: Any) -> None:
        self.post("/faults", fault)

    def requests(self, **query: Any) -> list[dict[str, Any]]:
        shown: list[dict[str, Any]] = self.http.get("/requests", params=query).json()["requests"]
        return shown

    def forget(self) -> None:
        for path in ("/script", "/faults", "/requests"):
            assert self.http.delete(path).status_code == 200
        self.post("/settings", {"latency": 0, "pace": 0, "keys": [], "models": [], **FULL_LIMITS})


FULL_LIMITS = {"requestsPerMinute": 1_000_000, "tokensPerMinute": 1_000_000_000}


@pytest.fixture(scope="module")
def simulator() -> Iterator[str]:
    with running(app()) as url:
        yield url


@pytest.fixture
def control(simulator: str) -> Iterator[Control]:
    control = Control(simulator)
    control.forget()
    yield control
    control.http.close()


@pytest.fixture
async def client(control: Control) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{control.url}/v1", max_retries=0, timeout=10) as client:
        yield client
