"""A simulated Google on a free port, and our Gmail provider that talks to it by Google's own client library."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from services.channels.tests.gmail.mails import OUR_ADDRESS

from channels.providers.gmail.client import GmailClient
from channels.providers.gmail.mailbox import GmailMailbox
from channels.providers.gmail.mouth import Gmail
from simulators.google import Config, ServiceAccount, app
from simulators.serving import running

TOPIC = "projects/fte-local/topics/gmail"
# A key takes a while to make: all tests share one.
ACCOUNT = ServiceAccount.new()


@dataclass
class Google:
    """The simulator: its address, and its control API."""

    url: str

    async def control(self, path: str, body: Any = None, *, method: str = "POST") -> dict[str, Any]:
        # Over plain HTTP: without this, each client would read the machine's certificates first.
        async with httpx.AsyncClient(timeout=30, verify=False) as http:
            answer = await http.request(method, f"{self.url}/_control/{path}", json=body)
        assert answer.status_code == 200, answer.text
        content: dict[str, Any] = answer.json()
        return content

    async def fault(self, on: str, kind: str, **fields: Any) -> None:
        await self.control("faults", {"on": on, "kind": kind, **fields})

    async def no_faults(self) -> None:
        await self.control("faults", method="DELETE")

    async def sent(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.control("sent", method="GET"))["sent"]
        return found

    async def arrive(self, text: str = "How do I export a board?", **fields: Any) -> dict[str, Any]:
        """A mail comes in; how Gmail knows it."""
        mail = {"from": "Ada Lovelace <ada@customer.example>", "subject": "Export", "text": text, **fields}
        messages: list[dict[str, Any]] = (await self.control("inbound", mail))["messages"]
        return messages[-1]

    def key_file(self) -> str:
        return json.dumps(ACCOUNT.key_file(f"{self.url}/token"))


StartGoogle = Callable[..., Google]


@pytest.fixture
def start_google() -> Iterator[StartGoogle]:
    """Starts simulators: `start_google(units_per_second=…)`, and what else `Config` takes."""
    with ExitStack() as stack:

        def start(**options: Any) -> Google:
            config = Config(address=OUR_ADDRESS, service_account=ACCOUNT, topic=TOPIC, **options)
            return Google(stack.enter_context(running(app(config))))

        yield start


@pytest.fixture
def google(start_google: StartGoogle) -> Google:
    return start_google()


MakeClient = Callable[..., Awaitable[GmailClient]]


@pytest.fixture
async def make_client(google: Google) -> AsyncIterator[MakeClient]:
    """Makes clients with settings of the test's own."""
    made: list[GmailClient] = []

    async def make(**options: Any) -> GmailClient:
        filled = {
            "credentials": google.key_file(),
            "address": OUR_ADDRESS,
            "api_url": google.url,
            "units_per_second": 100_000.0,
            "deadline_seconds": 5.0,
        }
        made.append(GmailClient(**{**filled, **options}))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
async def client(make_client: MakeClient) -> GmailClient:
    return await make_client()


def gmail_over(client: GmailClient) -> Gmail:
    return Gmail(client, address=OUR_ADDRESS, company="Planwright", words_max=500, units_per_second=250.0)


@pytest.fixture
async def gmail(client: GmailClient) -> Gmail:
    return gmail_over(client)


@pytest.fixture
async def mailbox(client: GmailClient) -> AsyncIterator[GmailMailbox]:
    made = GmailMailbox(client, address=OUR_ADDRESS, label="INBOX", topic=TOPIC)
    yield made
    made.close()
