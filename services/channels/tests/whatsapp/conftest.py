"""Twilio, simulated: a server of its own that the real client library talks to, and a mesh that it calls."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from services.channels.tests.whatsapp.sending import CONTENT_SID, whatsapp
from services.channels.tests.whatsapp.signing import ACCOUNT, CUSTOMER, OWN_NUMBER, PUBLIC_URL, TOKEN
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from channels.providers.whatsapp import WhatsApp
from simulators import twilio
from simulators.serving import running

TEMPLATE = "About {{1}}: {{2}} Answer here if that does not help."
DEADLINE_SECONDS = 10


@dataclass
class Mesh:
    """Where the simulated Twilio's webhooks end: what `TwilioEar` takes of each, in order."""

    address: str = ""
    calls: list[tuple[bytes, str, str, str]] = field(default_factory=list)

    async def wait_for(self, sid: str, count: int) -> list[tuple[bytes, str, str, str]]:
        """The calls about a message, once there are so many."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while len(about := [call for call in self.calls if sid.encode() in call[0]]) < count:
            assert time.monotonic() < deadline, f"{len(about)} webhooks came, not {count}"
            await asyncio.sleep(0.01)
        return about


@dataclass
class Twilio:
    """The simulated Twilio, and its control API."""

    address: str
    mesh: Mesh
    control: httpx.AsyncClient

    async def fault(self, on: str, kind: str, **fields: Any) -> None:
        """Have an operation fail once."""
        (await self.control.post("/_control/faults", json={"on": on, "kind": kind, **fields})).raise_for_status()

    async def hear(self, body: str, **fields: Any) -> Any:
        """A customer's message."""
        answer = await self.control.post("/_control/inbound", json={"from": CUSTOMER, "body": body, **fields})
        return answer.raise_for_status().json()

    async def taken(self) -> list[dict[str, Any]]:
        """What Twilio took for sending, by its own truth."""
        messages: list[dict[str, Any]] = (await self.control.get("/_control/messages")).json()["messages"]
        return messages


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    """A server that answers webhooks as ours does, and keeps them."""
    kept = Mesh()

    async def take(request: Request) -> Response:
        query = f"?{request.url.query}" if request.url.query else ""
        headers = request.headers
        kept.calls.append(
            (
                await request.body(),
                headers["content-type"],
                request.url.path + query,
                headers["x-twilio-signature"],
            )
        )
        return Response("<Response/>", media_type="text/xml")

    with running(Starlette(routes=[Route("/{path:path}", take, methods=["POST"])])) as address:
        kept.address = address
        yield kept


@pytest.fixture(scope="module")
def address(mesh: Mesh) -> Iterator[str]:
    """Where the simulated Twilio is."""
    config = twilio.Config(
        account_sid=ACCOUNT,
        auth_token=TOKEN,
        whatsapp_from=OWN_NUMBER,
        public_url=PUBLIC_URL,
        gateway_url=mesh.address,
        templates={CONTENT_SID: TEMPLATE},
        step_seconds=0.01,
    )
    with running(twilio.app(config)) as address:
        yield address


@pytest.fixture
async def simulated(mesh: Mesh, address: str) -> AsyncIterator[Twilio]:
    """A Twilio that remembers nothing of the test before."""
    async with httpx.AsyncClient(base_url=address, timeout=DEADLINE_SECONDS) as control:
        for forgotten in ("messages", "faults"):
            (await control.delete(f"/_control/{forgotten}")).raise_for_status()
        yield Twilio(address, mesh, control)


@pytest.fixture
async def mouth(simulated: Twilio) -> AsyncIterator[WhatsApp]:
    """WhatsApp, by the simulated Twilio."""
    async with whatsapp(api_url=simulated.address) as opened:
        yield opened
