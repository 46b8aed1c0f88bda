"""A simulated Google on a free port, and our Gmail provider that talks to it by Google's own client library."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from services.channels.tests.conftest import StartChannels
from services.channels.tests.gmail.google import ACCOUNT, TOPIC, Google
from services.channels.tests.gmail.mails import OUR_ADDRESS
from services.channels.tests.gmail.walking import StartWalking, Walking

from channels.operations import Mailbox
from channels.providers.gmail.client import GmailClient
from channels.providers.gmail.mailbox import GmailMailbox
from channels.providers.gmail.mouth import Gmail
from simulators.google import Config, app
from simulators.serving import running

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


@pytest.fixture
def start_walking(start_channels: StartChannels, google: Google) -> StartWalking:
    async def start(**options: Any) -> Walking:
        settings: dict[str, Any] = {
            "enabled_channels": "email",
            "gmail_credentials": google.key_file(),
            "gmail_address": OUR_ADDRESS,
            "gmail_topic": TOPIC,
            "gmail_api_url": google.url,
            "gmail_units_per_second": 100_000.0,
            "gmail_poll_seconds": 3600.0,
            "mails_answered_per_sender_hour": 0,
            "pubsub_audience": "https://fte.example",
            "pubsub_service_account": "pusher@fte.iam.gserviceaccount.com",
            "pubsub_keys_url": f"{google.url}/oauth2/v3/certs",
        }
        channels = await start_channels(**{**settings, **options})
        walker = next(worker for worker in channels.service.workers if isinstance(worker, Mailbox))
        return Walking(channels, google, walker)

    return start


@pytest.fixture
async def walking(start_walking: StartWalking) -> Walking:
    made: Walking = await start_walking()
    return made


@pytest.fixture
async def started(walking: Walking) -> Walking:
    """A mailbox that was found before."""
    await walking.walker.walk()
    return walking
