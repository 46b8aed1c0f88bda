"""What a service is made of, as its `app.build` puts it together and `run` runs it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from meshkit.callers import Access
from meshkit.database import Database
from meshkit.outbox import Outbox
from meshkit.server import Door
from meshkit.settings import ServiceSettings
from meshkit.subscription import Subscription
from meshkit.timers import Timer


class Worker(Protocol):
    """Work that goes on for as long as the service runs, such as sending what waits in a queue."""

    @property
    def name(self) -> str:
        """What it is called in logs."""
        ...

    async def run(self) -> None:
        """Works until `stop`, through any absence of Postgres; ends with what it has in hand done."""
        ...

    def stop(self) -> None:
        """Lets `run` end."""
        ...


@dataclass(frozen=True)
class Service:
    """One service, constructed and not yet running.

    `name` is its schema, its consumer group and its name in logs and errors. `migrations` is the package that holds
    `migrations/*.sql`. With an `outbox` or `subscriptions` it has a relay. `resources` (channels, HTTP clients) are
    entered before `on_start` and left at the end, in reverse; `on_start` runs before health says SERVING. `workers`
    run from then on, and end before the relay does. `contracts` is a descriptor set with comments, which reflection and
    refusals quote.
    """

    name: str
    settings: ServiceSettings
    database: Database
    doors: Sequence[Door]
    access: Access
    migrations: str
    outbox: Outbox | None = None
    subscriptions: Sequence[Subscription[Any, Any]] = ()
    timers: Sequence[Timer] = ()
    on_start: Sequence[Callable[[], Awaitable[None]]] = ()
    resources: Sequence[AbstractAsyncContextManager[Any]] = ()
    contracts: FileDescriptorSet | None = None
    workers: Sequence[Worker] = ()
