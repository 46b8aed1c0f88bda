"""Twilio's REST API, as far as messages go: `/2010-04-01/Accounts/{AccountSid}/Messages…`."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from itertools import dropwhile, islice
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulators.twilio import errors
from simulators.twilio.account import API_VERSION, Account
from simulators.twilio.errors import Rejected, refusal
from simulators.twilio.inbound import media_path
from simulators.twilio.messages import INBOUND, Filter, Media, Message, whole_day

PAGE_SIZE = 50
PAGE_SIZE_MAX = 1000
BODY_BYTES_MAX = 1024 * 1024
ACCOUNT = f"/{API_VERSION}/Accounts/{{account}}"

Operation = Callable[[Account, Request], Awaitable[Response]]


def routes(account: Account) -> list[Route]:
    """The API's paths, each with its faults."""

    def route(name: str, verb: str, path: str, operation: Operation) -> Route:
        async def endpoint(request: Request) -> Response:
            try:
                _sign_in(account, request)
                return await operation(account, request)
            except Rejected as rejected:
                return rejected.response()

        return Route(ACCOUNT + path, account.faults.on(name, endpoint, refusal), methods=[verb], name=name)

    return [
        route("messages.create", "POST", "/Messages.json", _create),
        route("messages.list", "GET", "/Messages.json", _list),
        route("media.list", "GET", "/Messages/{message}/Media.json", _list_media),
        route("media.fetch", "GET", "/Messages/{message}/Media/{media}", _fetch_media),
        route("messages.fetch", "GET", "/Messages/{message}.json", _fetch),
    ]


def _sign_in(account: Account, request: Request) -> None:
    """HTTP basic: the account's SID and its token. Raises Rejected."""
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    try:
        name, _, token = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        name = token = ""
    expected = account.config
    known = hmac.compare_digest(token.encode(), expected.auth_token.encode()) and name == expected.account_sid
    if scheme.lower() != "basic" or not known:
        raise Rejected(errors.AUTHENTICATE, 401)
    if request.path_params["account"] != expected.account_sid:
        raise Rejected(errors.NOT_FOUND, 404)


async def _create(account: Account, request: Request) -> Response:
    if int(request.headers.get("content-length", "0")) > BODY_BYTES_MAX:
        raise Rejected(errors.BODY_TOO_LONG)
    form = await request.form()
    message = account.send({name: value for name, value in form.items() if isinstance(value, str)})
    return JSONResponse(_resource(account, message), 201)


async def _fetch(account: Account, request: Request) -> Response:
    return JSONResponse(_resource(account, _message(account, request)))


async def _list(account: Account, request: Request) -> Response:
    asked = request.query_params
    since, until = _sent_between(request)
    wanted = Filter(asked.get("To"), asked.get("From"), since, until)
    size = min(max(_number(asked.get("PageSize"), PAGE_SIZE), 1), PAGE_SIZE_MAX)
    page = _number(asked.get("Page"), 0)
    token = asked.get("PageToken", "").removeprefix("PA")
    matching = account.messages.newest_first(wanted)
    if token:
        # A token names the last message of the page before: what came in meanwhile moves nothing.
        matching = islice(dropwhile(lambda message: message.sid != token, matching), 1, None)
    found = list(islice(matching, size + 1))
    shown = found[:size]
    path = request.url.path
    filters = [(name, value) for name, value in asked.multi_items() if name not in ("Page", "PageToken", "PageSize")]

    def address(number: int, after: str = "") -> str:
        more = [("PageToken", f"PA{after}")] if after else []
        return f"{path}?{urlencode([*filters, ('PageSize', size), ('Page', number), *more])}"

    return JSONResponse(
        {
            "messages": [_resource(account, message) for message in shown],
            "first_page_uri": address(0),
            "next_page_uri": address(page + 1, shown[-1].sid) if len(found) > size else None,
            "previous_page_uri": None,
            "page": page,
            "page_size": size,
            "start": page * size,
            "end": max(page * size + len(shown) - 1, 0),
            "uri": f"{path}?{request.url.query}".removesuffix("?"),
        }
    )


async def _list_media(account: Account, request: Request) -> Response:
    message = _message(account, request)
    path = request.url.path
    return JSONResponse(
        {
            "media_list": [_media_resource(account, message, media) for media in message.media],
            "first_page_uri": path,
            "next_page_uri": None,
            "previous_page_uri": None,
            "page": 0,
            "page_size": PAGE_SIZE,
            "start": 0,
            "end": max(len(message.media) - 1, 0),
            "uri": path,
        }
    )


async def _fetch_media(account: Account, request: Request) -> Response:
    message = _message(account, request)
    sid = request.path_params["media"]
    for media in message.media:
        if media.sid == sid.removesuffix(".json"):
            if sid.endswith(".json"):
                return JSONResponse(_media_resource(account, message, media))
            return Response(media.content, media_type=media.content_type)
    raise Rejected(errors.NOT_FOUND, 404)


def _message(account: Account, request: Request) -> Message:
    message = account.messages.get(request.path_params["message"])
    if message is None:
        raise Rejected(errors.NOT_FOUND, 404)
    return message


def _resource(account: Account, message: Message) -> dict[str, Any]:
    uri = f"/{API_VERSION}/Accounts/{account.config.account_sid}/Messages/{message.sid}"
    return {
        "account_sid": account.config.account_sid,
        "api_version": API_VERSION,
        "body": message.body,
        "date_created": format_datetime(message.created),
        "date_sent": format_datetime(message.sent) if message.sent else None,
        "date_updated": format_datetime(message.updated),
        "direction": message.direction,
        "error_code": message.error_code if message.status in ("failed", "undelivered") else None,
        "error_message": None,
        "from": message.sender,
        "messaging_service_sid": None,
        "num_media": str(len(message.media)),
        "num_segments": "1",
        "price": None,
        "price_unit": None if message.direction == INBOUND else "USD",
        "sid": message.sid,
        "status": message.status,
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": message.recipient,
        "uri": f"{uri}.json",
    }


def _media_resource(account: Account, message: Message, media: Media) -> dict[str, Any]:
    return {
        "sid": media.sid,
        "account_sid": account.config.account_sid,
        "parent_sid": message.sid,
        "content_type": media.content_type,
        "date_created": format_datetime(message.created),
        "date_updated": format_datetime(message.updated),
        "uri": media_path(account.config.account_sid, message.sid, media.sid) + ".json",
    }


def _sent_between(request: Request) -> tuple[datetime | None, datetime | None]:
    """The range that the three filters on the date ask for. A date without a time is the whole day, in UTC."""
    asked = request.query_params
    if exactly := asked.get("DateSent"):
        return whole_day(_time(exactly))
    since, until = asked.get("DateSent>"), asked.get("DateSent<")
    return _time(since) if since else None, _time(until) if until else None


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise Rejected(errors.INVALID_DATE) from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _number(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 10 else default
