"""A relay or a consumer as a process of its own, to be killed: `python stream_process.py relay|consumer TOPIC DEAD`."""

import asyncio
import os
import signal
import sys
from collections.abc import Collection
from typing import Any

import uvloop
from pydantic import SecretStr

from meshkit import inbox, logs
from meshkit.consumer import Consumer
from meshkit.database import Database
from meshkit.outbox import Outbox
from meshkit.relay import Relay
from meshkit.settings import ServiceSettings
from meshkit.testing import settings_for
from meshkit.testing.streams import Stream


async def main(role: str, topic: str, dead_letters: str) -> None:
    settings = settings_for(
        ServiceSettings,
        database_url=SecretStr(os.environ["DATABASE_URL"]),
        kafka_bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"],
    )
    database = Database(os.environ["DATABASE_URL"], pool_max=5)
    await database.open()
    outbox = Outbox("/fte/tests")
    stream = Stream(settings, database, outbox, topic, dead_letters)
    runner: Any = Relay(settings, database)
    if role == "consumer":
        runner = Consumer(settings, "tickets", [stream.subscription()], database, outbox)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, runner.stop)
    await runner.run()
    await database.close()


def forget_the_inbox() -> None:
    """What the consumer would be without its check: for showing that the ledger can fail."""

    async def always(_connection: Any, _consumer: str, _event_id: str) -> bool:
        return True

    async def all_of_them(_connection: Any, _consumer: str, event_ids: Collection[str]) -> set[str]:
        return set(event_ids)

    setattr(inbox, "first_time", always)  # noqa: B010 - mypy would take a plain assignment for a mistake
    setattr(inbox, "first_times", all_of_them)  # noqa: B010 - as above


if __name__ == "__main__":
    if os.environ.get("WITHOUT_INBOX"):
        forget_the_inbox()
    logs.configure("tests", "WARNING")
    uvloop.run(main(*sys.argv[1:]))
