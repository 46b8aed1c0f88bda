"""OpenAI as a process of its own, told by the environment whose it is."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import openai
import pytest

KEY = "sk-of-the-environment"
START_SECONDS = 20.0


@pytest.fixture
def url() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    environment = os.environ | {"OPENAI_API_KEY": KEY, "OPENAI_MODEL": "gpt-of-ours"}
    process = subprocess.Popen([sys.executable, "-m", "simulators", "--openai-port", str(port)], env=environment)
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_until_it_answers(address, process)
        yield address
    finally:
        process.terminate()
        process.wait(10)


async def test_the_environment_names_the_key_and_a_model(url: str) -> None:
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1", max_retries=0) as client:
        answer = await client.responses.create(model="gpt-of-ours", input="Hello")
    assert (answer.model, answer.status) == ("gpt-of-ours", "completed")
    async with openai.AsyncOpenAI(api_key="sk-another", base_url=f"{url}/v1", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError):
            await client.responses.create(model="gpt-of-ours", input="Hello")


def _wait_until_it_answers(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            httpx.get(f"{address}/_control/health", timeout=1).raise_for_status()
        except httpx.HTTPError:
            assert process.poll() is None, "it ended"
            assert time.monotonic() < deadline, "it did not answer in time"
            time.sleep(0.05)
        else:
            return
