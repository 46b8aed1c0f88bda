"""Twilio, as far as FTE talks to it: WhatsApp messages of one account, their receipts, and signed webhooks.

`app(Config(…))` is the ASGI application; `/_control/…` is what stands for the customers' phones.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette

from simulators.serving import health_route
from simulators.twilio import api, control
from simulators.twilio.account import Account, Config
from simulators.twilio.webhooks import signature

__all__ = ["Config", "app", "signature"]


def app(config: Config | None = None) -> Starlette:
    """The application; without a configuration, an account of fixed names. `app.state.account` is its inside."""
    account = Account(config or Config())

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await account.close()

    application = Starlette(
        routes=[*api.routes(account), *control.routes(account), *account.faults.routes(), health_route()],
        lifespan=lifespan,
    )
    application.state.account = account
    return application
