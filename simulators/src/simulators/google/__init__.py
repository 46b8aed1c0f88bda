"""Google as FTE talks to it: sign-in for service accounts, one Gmail mailbox, and Pub/Sub pushes of its changes.

`app(Config(…))` is the ASGI application; `/_control/…` is what stands for the world around it.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette

from simulators.google import control, gmail, signin
from simulators.google.account import Account, Config
from simulators.google.oauth import ServiceAccount
from simulators.google.pubsub import Pushing
from simulators.serving import health_route

__all__ = ["Config", "Pushing", "ServiceAccount", "app"]


def app(config: Config | None = None) -> Starlette:
    """The application; without a configuration, a mailbox that pushes to nobody. `app.state.account` is its inside."""
    account = Account(config or Config())

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await account.close()

    application = Starlette(
        routes=[
            *signin.routes(account),
            *gmail.routes(account),
            *control.routes(account),
            *account.faults.routes(),
            health_route(),
        ],
        lifespan=lifespan,
    )
    application.state.account = account
    return application
