"""What the gateway itself answers when it refuses, in the shape of every other error of the mesh."""

from dataclasses import dataclass
from typing import Any

Config = dict[str, Any]
"""A piece of Envoy's configuration, as YAML has it."""

DOMAIN = "gateway.fte"
HEALTH_PATH = "/api/v1/health"
ORIGINAL_PATH = "x-original-path"
"""Set at the very beginning: the transcoder rewrites the path, and with it what kind of call this looks like."""

_GRPC_PATH = r"/(fte|grpc)\..*"


@dataclass(frozen=True)
class Refusal:
    """An HTTP status of the gateway's own, and what it says: the canonical code, the reason, and a sentence."""

    status: int
    code: int
    reason: str
    message: str


REFUSALS = (
    Refusal(400, 3, "INVALID_REQUEST", "The request cannot be read: %LOCAL_REPLY_BODY%"),
    Refusal(401, 16, "UNAUTHENTICATED", "Sign in first: the token is missing, expired or not one of ours."),
    Refusal(403, 7, "PERMISSION_DENIED", "This is not allowed with this token."),
    Refusal(404, 5, "NOT_FOUND", "There is nothing at this path."),
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
    """The mappers of Envoy's local replies. gRPC calls keep gRPC's own form of an error."""
    return {"mappers": [_health_is_down(), *(_mapper(refusal) for refusal in REFUSALS)]}


def _mapper(refusal: Refusal) -> Config:
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": refusal.reason, "domain": DOMAIN}
    mapper = _json_reply(
        [_status_is(refusal.status), {"not_health_check_filter": {}}, _is_not_grpc()],
        {"code": refusal.code, "message": refusal.message, "details": [info]},
    )
    if refusal.status == 429:
        mapper["headers_to_add"].append(_overwrite("retry-after", "1"))
    return mapper


def _health_is_down() -> Config:
    """Nobody behind the door takes messages: the answer that the door itself can give."""
    path = {"name": ORIGINAL_PATH, "string_match": {"prefix": HEALTH_PATH}}
    return _json_reply(
        [_status_is(503), {"header_filter": {"header": path}}],
        {"status": "down", "checks": {"channels": "down"}},
    )


def _json_reply(filters: list[Config], body: Config) -> Config:
    return {
        "filter": {"and_filter": {"filters": filters}},
        "headers_to_add": [_overwrite("content-type", "application/json")],
        "body_format_override": {"json_format": body},
    }


def _overwrite(name: str, value: str) -> Config:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _status_is(status: int) -> Config:
    value = {"default_value": status, "runtime_key": "none"}
    return {"status_code_filter": {"comparison": {"op": "EQ", "value": value}}}


def _is_not_grpc() -> Config:
    return {
        "header_filter": {
            "header": {
                "name": ORIGINAL_PATH,
                "string_match": {"safe_regex": {"regex": _GRPC_PATH}},
                "invert_match": True,
                "treat_missing_header_as_empty": True,
            }
        }
    }
