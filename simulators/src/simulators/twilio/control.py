"""What tests, the demo and the curious do to the simulated Twilio: `/_control/…`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulators.faults import broken_rules
from simulators.twilio.account import Account, now
from simulators.twilio.inbound import InboundMessage
from simulators.twilio.messages import INBOUND, OUTBOUND, PREFIX, Message

STATUS_PATH = "/api/v1/webhooks/whatsapp/status"


class StatusCallback(BaseModel):
    """A word on a message's status out of turn; the message need not exist."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    sid: str = Field(max_length=100)
    status: str = Field(max_length=100)
    error_code: int | None = Field(default=None, alias="errorCode")


class Window(BaseModel):
    """When a customer last wrote, as far as the 24-hour window is concerned; null: never."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    number: str = Field(pattern=r"^\+[1-9][0-9]{6,14}$")
    seconds_ago: float | None = Field(alias="secondsAgo", ge=0, le=10_000_000)


def routes(account: Account) -> list[Route]:
    """The control API's paths."""

    async def receive(request: Request) -> Response:
        inbound = InboundMessage.model_validate_json(await request.body())
        received = await account.receive(inbound, str(request.base_url).rstrip("/"))
        counts: dict[str, int] = {}
        for status in received.statuses:
            name = "none" if status is None else str(status)
            counts[name] = counts.get(name, 0) + 1
        return JSONResponse({"sid": received.message.sid, "status": received.statuses[-1], "statuses": counts})

    async def messages(request: Request) -> Response:
        taken = [_shown(message) for message in account.messages.oldest_first(OUTBOUND)]
        refused = [
            {"to": refusal.recipient.removeprefix(PREFIX), "code": refusal.code, "status": refusal.status}
            for refusal in account.refused
        ]
        return JSONResponse({"messages": taken, "refused": refused})

    async def received(request: Request) -> Response:
        return JSONResponse({"inbound": [_shown(message) for message in account.messages.oldest_first(INBOUND)]})

    async def webhooks(request: Request) -> Response:
        return JSONResponse({"webhooks": [attempt.shown() for attempt in account.webhooks.attempts]})

    async def tell_status(request: Request) -> Response:
        asked = StatusCallback.model_validate_json(await request.body())
        message = account.messages.get(asked.sid)
        if message is None or message.status_callback is None:
            at = now()
            message = Message(
                asked.sid, OUTBOUND, account.address, PREFIX + "+14155550199", "", asked.status, at, at,
                error_code=asked.error_code, status_callback=account.webhooks.public_url + STATUS_PATH,
            )  # fmt: skip
        elif asked.error_code is not None:
            message.error_code = asked.error_code
        return JSONResponse({"status": await account.tell_status(message, asked.status)})

    async def set_window(request: Request) -> Response:
        window = Window.model_validate_json(await request.body())
        account.set_heard(window.number, window.seconds_ago)
        return JSONResponse({})

    async def forget(request: Request) -> Response:
        account.clear()
        return JSONResponse({})

    return [
        Route("/_control/inbound", _checked(receive), methods=["POST"]),
        Route("/_control/inbound", received, methods=["GET"]),
        Route("/_control/messages", messages, methods=["GET"]),
        Route("/_control/messages", forget, methods=["DELETE"]),
        Route("/_control/webhooks", webhooks, methods=["GET"]),
        Route("/_control/status", _checked(tell_status), methods=["POST"]),
        Route("/_control/window", _checked(set_window), methods=["POST"]),
    ]


def _checked(endpoint: Any) -> Any:
    async def answer(request: Request) -> Response:
        try:
            response: Response = await endpoint(request)
        except ValidationError as error:
            return JSONResponse({"errors": broken_rules(error)}, 400)
        return response

    return answer


def _shown(message: Message) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "sid": message.sid,
        "from": message.sender.removeprefix(PREFIX),
        "to": message.recipient.removeprefix(PREFIX),
        "body": message.body,
        "status": message.status,
        "createTime": message.created.isoformat(),
    }
    if message.content_sid:
        shown |= {"contentSid": message.content_sid, "contentVariables": message.content_variables}
    if message.error_code and message.status in ("failed", "undelivered"):
        shown["errorCode"] = message.error_code
    return shown
