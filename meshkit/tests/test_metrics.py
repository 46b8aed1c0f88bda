from __future__ import annotations

import httpx
import pytest

from meshkit import metrics
from meshkit.testing import echo, serve


async def test_calls_are_counted_by_method_and_code_and_can_be_scraped() -> None:
    async with serve([echo.door()], echo.OPEN_TO_ALL) as served:
        await echo.stub(served.channel).Say(echo.say())
        served.server.recorder.flush()
    with metrics.served("127.0.0.1", 0) as port:
        async with httpx.AsyncClient() as client:
            page = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    assert f'rpc_server_seconds_count{{code="OK",method="{echo.SAY}"}}' in page
    assert "rpc_server_in_flight 0.0" in page


def test_a_taken_port_fails() -> None:
    with (
        metrics.served("127.0.0.1", 0) as port,
        pytest.raises(OSError, match="in use"),
        metrics.served("127.0.0.1", port),
    ):
        pass
