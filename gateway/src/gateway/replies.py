"""What the gateway itself answers when it refuses, in the shape of every other error of the mesh."""

import base64
from dataclasses import dataclass
from typing import Any

from google.rpc import error_details_pb2, status_pb2

Config = dict[str, Any]
"""A piece of Envoy's configuration, as YAML has it."""

DOMAIN = "gateway.fte"
HEALTH_PATH = "/api/v1/health"
ORIGINAL_PATH = "x-original-path"
ORIGINAL_TYPE = "x-original-content-type"
"""Both are set at the very beginning: the transcoder rewrites path and content type, and with them what kind of call
this looks like."""

_GRPC = "application/grpc"


@dataclass(frozen=True)
class Refusal:
    """An HTTP status of the gateway's own, and what it says: the canonical code, the reason, and a sentence.

    `grpc_code` is the code that gRPC has for it, where that is another one. `status_shown` takes the status' place.
    """

    status: int
    code: int
    reason: str
    message: str
    grpc_code: int | None = None
    status_shown: int | None = None


# Envoy could say at which character it stopped, but quotes the customer's words there.
_UNREADABLE = (
    "The request cannot be read: send JSON with the types of the contract and enum names in full, no unknown query "
    "parameter, no field of the path once more in the body, and neither // nor an encoded slash in the path."
)
_NO_TOKEN = "Sign in first: the token is missing, expired or not one of ours."
REFUSALS = (
    Refusal(400, 3, "INVALID_REQUEST", _UNREADABLE),
    Refusal(401, 16, "UNAUTHENTICATED", _NO_TOKEN),
    # Envoy's word for a token that is meant for another audience, which is not one of ours.
    Refusal(403, 16, "UNAUTHENTICATED", _NO_TOKEN, status_shown=401),
    Refusal(404, 5, "NOT_FOUND", "There is nothing at this path.", grpc_code=12),
    Refusal(405, 12, "METHOD_NOT_ALLOWED", "This path does not take this method."),
    Refusal(408, 4, "REQUEST_TIMEOUT", "The request took too long to arrive."),
    Refusal(413, 3, "REQUEST_TOO_LARGE", "The body is too large: shorten the message."),
    Refusal(415, 3, "UNSUPPORTED_MEDIA_TYPE", "Send the body as application/json."),
    Refusal(429, 8, "RATE_LIMITED", "Too many requests: wait a second and try again."),
    Refusal(431, 3, "HEADERS_TOO_LARGE", "The headers are too large."),
    Refusal(502, 14, "UNAVAILABLE", "The service is not available; try again."),
    Refusal(503, 14, "UNAVAILABLE", "The service is not available; try again."),
    Refusal(504, 4, "DEADLINE_EXCEEDED", "The service took too long; try again."),
)


def local_replies() -> Config:
    """The mappers of Envoy's local replies: a refusal has the same facts for REST and for gRPC, each in its form."""
    return {
        "mappers": [
            _health_is_down(),
            *(_as_json(refusal) for refusal in REFUSALS),
            *(_as_grpc(refusal) for refusal in REFUSALS),
        ]
    }


def _as_json(refusal: Refusal) -> Config:
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": refusal.reason, "domain": DOMAIN}
    mapper = _json_reply(
        [_status_is(refusal.status), _is_grpc(wanted=False)],
        {"code": refusal.code, "message": refusal.message, "details": [info]},
    )
    if refusal.status_shown is not None:
        mapper["status_code"] = refusal.status_shown
    if refusal.code == 16:
        # RFC 9110 wants to hear how to sign in; Envoy's own would repeat the address that was asked for.
        mapper["headers_to_add"].append(_overwrite("www-authenticate", "Bearer"))
    if refusal.status == 429:
        mapper["headers_to_add"].append(_overwrite("retry-after", "1"))
    return mapper


def _as_grpc(refusal: Refusal) -> Config:
    status = status_pb2.Status(code=refusal.grpc_code or refusal.code, message=refusal.message)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=refusal.reason, domain=DOMAIN))
    # Binary metadata is base64 without padding (gRPC over HTTP/2).
    details = base64.b64encode(status.SerializeToString(deterministic=True)).rstrip(b"=").decode()
    return {
        "filter": {"and_filter": {"filters": [_status_is(refusal.status), _is_grpc(wanted=True)]}},
        "headers_to_add": [
            _overwrite("grpc-status", str(status.code)),
            _overwrite("grpc-status-details-bin", details),
        ],
        "body_format_override": {"text_format_source": {"inline_string": refusal.message}},
    }


def _health_is_down() -> Config:
    """Nobody behind the door takes messages: the answer that the door itself can give, in good time or late."""
    path = {"name": ORIGINAL_PATH, "string_match": {"safe_regex": {"regex": rf"{HEALTH_PATH}(\?.*)?"}}}
    reply = _json_reply(
        [_status_is(502, "GE"), {"header_filter": {"header": path}}],
        {"status": "down", "checks": {"channels": "down"}},
    )
    return {**reply, "status_code": 503}


def _json_reply(filters: list[Config], body: Config) -> Config:
    return {
        "filter": {"and_filter": {"filters": filters}},
        "headers_to_add": [_overwrite("content-type", "application/json")],
        "body_format_override": {"json_format": body},
    }


def _overwrite(name: str, value: str) -> Config:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _status_is(status: int, comparison: str = "EQ") -> Config:
    value = {"default_value": status, "runtime_key": "none"}
    return {"status_code_filter": {"comparison": {"op": comparison, "value": value}}}


def _is_grpc(*, wanted: bool) -> Config:
    return {
        "header_filter": {
            "header": {
                "name": ORIGINAL_TYPE,
                "string_match": {"prefix": _GRPC},
                "invert_match": not wanted,
                "treat_missing_header_as_empty": True,
            }
        }
    }
