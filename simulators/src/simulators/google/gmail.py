"""The Gmail API, version 1, as its client libraries call it: `/gmail/v1/users/{userId}/…`."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulators.faults import Fault
from simulators.google import bodies, mime, query
from simulators.google.account import Account
from simulators.google.errors import (
    ApiError,
    delegation_denied,
    fault_error,
    insufficient_scope,
    invalid_argument,
    not_found,
)
from simulators.google.mailbox import SYSTEM_LABELS, Change, Message
from simulators.google.oauth import COMPOSE, LABELS, MAIL, METADATA, MODIFY, READONLY, SEND

_READ = (READONLY, MODIFY)
_CONTENT = frozenset({MAIL, READONLY, MODIFY})
_READ_METADATA = (READONLY, MODIFY, METADATA)
_PAGE_MAX = 500
_TOPIC = re.compile(r"projects/[a-z][a-z0-9-]{4,61}[a-z0-9]/topics/[A-Za-z][\w.~+%-]{2,254}")
_KINDS = {
    "messageAdded": "messagesAdded",
    "messageDeleted": "messagesDeleted",
    "labelAdded": "labelsAdded",
    "labelRemoved": "labelsRemoved",
}

Method = Callable[[Account, Request], Awaitable[dict[str, Any] | None]]


def routes(account: Account) -> list[Route]:
    """The API's methods, each with its scopes and its price in quota units ("Usage limits", Gmail API)."""

    def route(operation: str, verb: str, path: str, method: Method, units: int, *scopes: str) -> Route:
        async def endpoint(request: Request) -> Response:
            try:
                granted = account.tokens.user(request.headers.get("Authorization", ""), *scopes)
                user = request.path_params["user"].lower()
                if user not in ("me", granted.subject.lower()):
                    raise delegation_denied(user)
                account.quota.take(units)
                request.state.metadata_only = granted.scopes.isdisjoint(_CONTENT)
                answer = await method(account, request)
            except ApiError as error:
                return JSONResponse(error.body(), error.code)
            return Response(status_code=204) if answer is None else JSONResponse(answer)

        faulty = account.faults.on(operation, endpoint, _refusal)
        return Route(f"/gmail/v1/users/{{user}}{path}", faulty, methods=[verb])

    return [
        route("getProfile", "GET", "/profile", _profile, 1, *_READ_METADATA, COMPOSE),
        route("watch", "POST", "/watch", _watch, 100, *_READ_METADATA),
        route("stop", "POST", "/stop", _stop, 50, *_READ_METADATA),
        route("history.list", "GET", "/history", _history, 2, *_READ_METADATA),
        route("labels.list", "GET", "/labels", _labels, 1, *_READ_METADATA, LABELS),
        route("labels.create", "POST", "/labels", _create_label, 5, MODIFY, LABELS),
        route("labels.get", "GET", "/labels/{id}", _label, 1, *_READ_METADATA, LABELS),
        route("messages.list", "GET", "/messages", _messages, 5, *_READ_METADATA),
        route("messages.send", "POST", "/messages/send", _send, 100, MODIFY, SEND, COMPOSE),
        route("messages.get", "GET", "/messages/{id}", _message, 5, *_READ_METADATA),
        route("messages.delete", "DELETE", "/messages/{id}", _delete, 10),
        route("messages.modify", "POST", "/messages/{id}/modify", _modify, 5, MODIFY),
        route("attachments.get", "GET", "/messages/{message}/attachments/{id}", _attachment, 5, *_READ),
        route("threads.list", "GET", "/threads", _threads, 10, *_READ_METADATA),
        route("threads.get", "GET", "/threads/{id}", _thread, 10, *_READ_METADATA),
    ]


def _refusal(fault: Fault) -> Response:
    error = fault_error(fault.status, None if fault.code is None else str(fault.code))
    return JSONResponse(error.body(), error.code)


async def _profile(account: Account, request: Request) -> dict[str, Any]:
    mailbox = account.mailbox
    return {
        "emailAddress": mailbox.address,
        "messagesTotal": len(mailbox.messages),
        "threadsTotal": len(mailbox.threads),
        "historyId": str(mailbox.history_id),
    }


async def _watch(account: Account, request: Request) -> dict[str, Any]:
    body = await _body(request)
    topic, labels = body.get("topicName"), body.get("labelIds", [])
    if not isinstance(topic, str) or not _TOPIC.fullmatch(topic):
        raise invalid_argument("Invalid topicName does not match projects/{project}/topics/*")
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise invalid_argument("Invalid labelIds")
    if any(not account.mailbox.knows(label) for label in labels):
        raise invalid_argument("Invalid label")
    if topic != account.config.topic:
        message = f"Error sending test message to Cloud PubSub {topic} : User not authorized to perform this action."
        raise ApiError(403, "forbidden", message, "PERMISSION_DENIED")
    behavior = body.get("labelFilterBehavior", body.get("labelFilterAction", "include"))
    if str(behavior).lower() not in ("include", "exclude"):
        raise invalid_argument("Invalid value at 'label_filter_behavior'")
    watch = account.mailbox.start_watch(topic, labels, exclude=str(behavior).lower() == "exclude")
    # The test message that the error above speaks of: a watch that was set is announced at once.
    account.push()
    return {"historyId": str(account.mailbox.history_id), "expiration": str(watch.expiration_ms)}


async def _stop(account: Account, request: Request) -> None:
    account.mailbox.watch = None


async def _history(account: Account, request: Request) -> dict[str, Any]:
    parameters = request.query_params
    start = parameters.get("startHistoryId", "")
    if not _is_number(start):
        raise invalid_argument("Missing or invalid startHistoryId")
    after = int(start)
    if token := parameters.get("pageToken"):
        if not _is_number(token):
            raise invalid_argument("Invalid pageToken")
        after = int(token)
    kinds = {kind for name in ("historyTypes", "historyTypes[]") for kind in parameters.getlist(name)} or set(_KINDS)
    if unknown := kinds - set(_KINDS):
        raise invalid_argument(f"Invalid value at 'history_types': {min(unknown)[:40]}")
    label = parameters.get("labelId")
    found = [
        change
        for change in account.mailbox.changes_after(after)
        if change.kind in kinds and (label is None or label in change.labels | change.changed_labels)
    ]
    size = _page_size(request)
    answer: dict[str, Any] = {"historyId": str(account.mailbox.history_id)}
    if found:
        answer["history"] = [_change(change) for change in found[:size]]
    if len(found) > size:
        answer["nextPageToken"] = str(found[size - 1].id)
    return answer


def _change(change: Change) -> dict[str, Any]:
    reference = {"id": change.message_id, "threadId": change.thread_id}
    detail: dict[str, Any] = {"message": {**reference, "labelIds": sorted(change.labels)}}
    if change.changed_labels:
        detail["labelIds"] = sorted(change.changed_labels)
    return {"id": str(change.id), "messages": [reference], _KINDS[change.kind]: [detail]}


async def _labels(account: Account, request: Request) -> dict[str, Any]:
    return {"labels": [_label_resource(account, label) for label in (*SYSTEM_LABELS, *account.mailbox.user_labels)]}


async def _label(account: Account, request: Request) -> dict[str, Any]:
    label = request.path_params["id"]
    if not account.mailbox.knows(label):
        raise not_found()
    labelled = [message for message in account.mailbox.messages.values() if label in message.labels]
    return _label_resource(account, label) | {
        "messagesTotal": len(labelled),
        "messagesUnread": sum("UNREAD" in message.labels for message in labelled),
        "threadsTotal": len({message.thread_id for message in labelled}),
        "threadsUnread": len({message.thread_id for message in labelled if "UNREAD" in message.labels}),
    }


async def _create_label(account: Account, request: Request) -> dict[str, Any]:
    name = (await _body(request)).get("name")
    if not isinstance(name, str) or not 0 < len(name) <= 225:
        raise invalid_argument("Invalid label name")
    return _label_resource(account, account.mailbox.create_label(name))


def _label_resource(account: Account, label: str) -> dict[str, Any]:
    name = account.mailbox.user_labels.get(label)
    return {"id": label, "name": name or label, "type": "system" if name is None else "user"}


async def _messages(account: Account, request: Request) -> dict[str, Any]:
    page, token = _page(request, _search(account, request))
    answer: dict[str, Any] = {"resultSizeEstimate": len(page)}
    if page:
        answer["messages"] = [{"id": message.id, "threadId": message.thread_id} for message in page]
    return answer | ({"nextPageToken": token} if token else {})


async def _message(account: Account, request: Request) -> dict[str, Any]:
    return _message_resource(account.mailbox.get(request.path_params["id"]), request)


async def _delete(account: Account, request: Request) -> None:
    account.mailbox.delete(request.path_params["id"])


async def _modify(account: Account, request: Request) -> dict[str, Any]:
    body = await _body(request)
    add, remove = body.get("addLabelIds", []), body.get("removeLabelIds", [])
    message = account.mailbox.relabel(request.path_params["id"], add, remove)
    account.announce(message.labels | set(remove))
    return {"id": message.id, "threadId": message.thread_id, "labelIds": sorted(message.labels)}


async def _attachment(account: Account, request: Request) -> dict[str, Any]:
    message = account.mailbox.get(request.path_params["message"])
    octets = mime.attachment(message.raw, request.path_params["id"])
    if octets is None:
        raise not_found()
    return {"size": len(octets), "data": mime.base64url(octets)}


async def _send(account: Account, request: Request) -> dict[str, Any]:
    message = account.send(await _body(request))
    return {"id": message.id, "threadId": message.thread_id, "labelIds": sorted(message.labels)}


async def _threads(account: Account, request: Request) -> dict[str, Any]:
    newest: dict[str, Message] = {}
    for message in _search(account, request):
        newest.setdefault(message.thread_id, message)
    page, token = _page(request, iter(newest.values()))
    answer: dict[str, Any] = {"resultSizeEstimate": len(page)}
    if page:
        answer["threads"] = [
            {"id": each.thread_id, "snippet": each.snippet, "historyId": str(each.history_id)} for each in page
        ]
    return answer | ({"nextPageToken": token} if token else {})


async def _thread(account: Account, request: Request) -> dict[str, Any]:
    if request.query_params.get("format") == "raw":
        raise invalid_argument("Invalid value at 'format'")
    messages = account.mailbox.thread(request.path_params["id"])
    return {
        "id": request.path_params["id"],
        "historyId": str(max(message.history_id for message in messages)),
        "messages": [_message_resource(message, request) for message in messages],
    }


def _message_resource(message: Message, request: Request) -> dict[str, Any]:
    wanted = request.query_params.get("format", "full").lower()
    if wanted not in ("minimal", "full", "raw", "metadata"):
        raise invalid_argument("Invalid value at 'format'")
    if wanted in ("full", "raw") and request.state.metadata_only:
        raise insufficient_scope()
    resource: dict[str, Any] = {
        "id": message.id,
        "threadId": message.thread_id,
        "labelIds": sorted(message.labels),
        "snippet": message.snippet,
        "sizeEstimate": len(message.raw),
        "historyId": str(message.history_id),
        "internalDate": str(message.time_ms),
    }
    if wanted == "raw":
        resource["raw"] = mime.base64url(message.raw)
    elif wanted == "full":
        resource["payload"] = mime.payload(message.raw)
    elif wanted == "metadata":
        names = {name.lower() for name in request.query_params.getlist("metadataHeaders")}
        headers = [
            {"name": name, "value": value} for name, value in message.headers if not names or name.lower() in names
        ]
        kind = message.header("Content-Type").partition(";")[0].strip().lower() or "text/plain"
        resource["payload"] = {"mimeType": kind, "headers": headers}
    return resource


def _search(account: Account, request: Request) -> Iterator[Message]:
    parameters = request.query_params
    if parameters.get("q") and request.state.metadata_only:
        raise ApiError(403, "forbidden", "Metadata scope does not support 'q' parameter", "PERMISSION_DENIED")
    sought = query.parse(parameters.get("q", ""), now=account.mailbox.clock(), label_names=account.mailbox.user_labels)
    labels = set(parameters.getlist("labelIds"))
    hidden = set() if parameters.get("includeSpamTrash") == "true" else {"SPAM", "TRASH"} - labels
    return (
        message
        for message in account.mailbox.newest_first()
        if labels <= message.labels and not hidden & message.labels and sought.finds(message)
    )


def _page(request: Request, found: Iterator[Message]) -> tuple[list[Message], str | None]:
    if token := request.query_params.get("pageToken"):
        if not _is_number(token):
            raise invalid_argument("Invalid pageToken")
        before = int(token)
        found = (message for message in found if message.sequence < before)
    size = _page_size(request)
    page = list(islice(found, size + 1))
    return page[:size], str(page[size - 1].sequence) if len(page) > size else None


def _page_size(request: Request) -> int:
    text = request.query_params.get("maxResults", "100")
    if not _is_number(text):
        raise invalid_argument("Invalid maxResults")
    return min(int(text), _PAGE_MAX) or 100


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 20


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await bodies.read(request) or b"{}")
    except bodies.TooLarge:
        raise ApiError(413, "uploadTooLarge", "Request Too Large", "INVALID_ARGUMENT") from None
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise ApiError(400, "parseError", "Parse Error", "INVALID_ARGUMENT")
    return body
