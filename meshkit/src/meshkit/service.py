"""What a service is made of, as its `app.build` puts it together and `run` runs it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from meshkit.callers import Access
from meshkit.database import Database
from meshkit.outbox import Outbox
from meshkit.server import Door
from meshkit.settings import ServiceSettings
from meshkit.subscription import Subscription
from meshkit.timers import Timer


@dataclass(frozen=True)
class Service:
    """One service, constructed and not yet running.

    `name` is its schema, its consumer group and its name in logs and errors. `migrations` is the package that holds
    `migrations/*.sql`. With an `outbox` or `subscriptions` it has a relay. `resources` (channels, HTTP clients) are
    entered before `on_start` and left at the end, in reverse; `on_start` runs before health says SERVING.
    `contracts` is a descriptor set with comments, which reflection and refusals quote.
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
