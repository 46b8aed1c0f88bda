"""What tests, the demo and the curious do to the simulated Google: `/_control/…`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulators.faults import broken_rules
from simulators.google import bodies
from simulators.google.account import Account
from simulators.google.bounces import Bounce
from simulators.google.inbound import InboundMail
from simulators.google.pubsub import Pushed

Body = TypeVar("Body", bound=BaseModel)
Control = Callable[[Account, Request], Awaitable[dict[str, Any]]]


class Push(BaseModel):
    """A push without a new mail. Each field left out is as in a real push; null claims are left out of the token."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    history_id: int | None = Field(default=None, alias="historyId", ge=0)
    message_id: str | None = Field(default=None, alias="messageId", max_length=100)
    times: Annotated[int, Field(ge=1, le=10_000)] = 1
    claims: dict[str, Any] = {}
    token: str | None = None


class Rotation(BaseModel):
    """How the signing key changes: whether the one before stays published for a while."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    keep_previous: bool = Field(default=True, alias="keepPrevious")


class Nothing(BaseModel):
    """A request that needs no fields."""

    model_config = ConfigDict(extra="forbid")


class Malformed(Exception):
    """A request whose body is not what the path takes; `problems` say which field and why."""

    def __init__(self, *problems: str) -> None:
        super().__init__(*problems)
        self.problems = problems


def routes(account: Account) -> list[Route]:
    """The control API's paths."""

    def route(verb: str, path: str, control: Control) -> Route:
        async def endpoint(request: Request) -> Response:
            try:
                return JSONResponse(await control(account, request))
            except Malformed as malformed:
                return JSONResponse({"errors": malformed.problems}, 400)

        return Route(f"/_control{path}", endpoint, methods=[verb])

    return [
        route("POST", "/inbound", _inbound),
        route("GET", "/sent", _sent),
        route("POST", "/bounces", _arrange_bounce),
        route("DELETE", "/bounces", _clear_bounces),
        route("POST", "/push", _push),
        route("GET", "/state", _state),
        route("GET", "/credentials", _credentials),
        route("POST", "/keys:rotate", _rotate_keys),
        route("POST", "/tokens:expire", _expire_tokens),
        route("POST", "/history:expire", _expire_history),
        route("POST", "/watch:expire", _expire_watch),
    ]


async def _inbound(account: Account, request: Request) -> dict[str, Any]:
    mail = await _read(request, InboundMail)
    try:
        messages, pushed = account.arrive(mail)
    except ValueError as error:
        raise Malformed(f"no mail can be made of this: {error}") from error
    return {
        "messages": [
            {
                "id": message.id,
                "threadId": message.thread_id,
                "messageId": message.header("Message-ID"),
                "historyId": str(message.history_id),
            }
            for message in messages
        ],
        "push": await _first_answer(account, pushed),
    }


async def _sent(account: Account, request: Request) -> dict[str, Any]:
    return {"sent": account.truth.all(), "forgotten": account.truth.forgotten}


async def _arrange_bounce(account: Account, request: Request) -> dict[str, Any]:
    bounce = await _read(request, Bounce)
    account.arrange_bounce(bounce)
    return {"address": bounce.address.lower()}


async def _clear_bounces(account: Account, request: Request) -> dict[str, Any]:
    account.clear_bounces()
    return {}


async def _push(account: Account, request: Request) -> dict[str, Any]:
    push = await _read(request, Push)
    pushes = [
        account.push(history_id=push.history_id, message_id=push.message_id, claims=push.claims, token=push.token)
        for _ in range(push.times)
    ]
    return {"pushes": [await _first_answer(account, pushed) for pushed in pushes]}


async def _state(account: Account, request: Request) -> dict[str, Any]:
    watch = account.mailbox.watch
    return {
        "address": account.mailbox.address,
        "messages": len(account.mailbox.messages),
        "historyId": str(account.mailbox.history_id),
        "watch": watch and {"expiration": str(watch.expiration_ms), "labelIds": sorted(watch.labels)},
        "pushes": {
            "acknowledged": account.subscription.acknowledged,
            "outstanding": account.subscription.outstanding,
            "dropped": account.subscription.dropped,
        },
    }


async def _credentials(account: Account, request: Request) -> dict[str, Any]:
    try:
        return dict(account.service_account.key_file(str(request.base_url) + "token"))
    except ValueError as error:
        raise Malformed(f"no key file: {error}") from error


async def _rotate_keys(account: Account, request: Request) -> dict[str, Any]:
    rotation = await _read(request, Rotation)
    return {"kid": account.keys.rotate(keep_previous=rotation.keep_previous)}


async def _expire_tokens(account: Account, request: Request) -> dict[str, Any]:
    await _read(request, Nothing)
    return {"expired": account.tokens.expire()}


async def _expire_history(account: Account, request: Request) -> dict[str, Any]:
    await _read(request, Nothing)
    return {"historyId": str(account.mailbox.expire_history())}


async def _expire_watch(account: Account, request: Request) -> dict[str, Any]:
    await _read(request, Nothing)
    watched = account.mailbox.watch is not None
    account.mailbox.watch = None
    return {"expired": watched}


async def _first_answer(account: Account, pushed: Pushed | None) -> dict[str, Any] | None:
    if pushed is None:
        return None
    # The answer to the first attempt; what follows goes on without whoever asked.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(account.config.pushing.deadline_seconds):
            await pushed.first_answer.wait()
    return {"messageId": pushed.message_id, "status": pushed.statuses[0] if pushed.statuses else 0}


async def _read(request: Request, model: type[Body]) -> Body:
    try:
        return model.model_validate_json(await bodies.read(request) or b"{}")
    except bodies.TooLarge as error:
        raise Malformed(f"body: at most {bodies.BYTES_MAX} bytes") from error
    except ValidationError as error:
        raise Malformed(*broken_rules(error)) from error
