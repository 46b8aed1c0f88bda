"""OpenAI's refusals, with the bodies and headers that its client libraries read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from simulators.faults import Fault

INVALID_REQUEST: Final = "invalid_request_error"

# What each code is said with, so that a fault needs to name no more than the code.
_SPOKEN: Final[Mapping[str, tuple[str, str]]] = {
    "rate_limit_exceeded": ("requests", "Rate limit reached. Please try again later."),
    "insufficient_quota": ("insufficient_quota", "You exceeded your current quota: check your plan and billing."),
    "context_length_exceeded": (INVALID_REQUEST, "Your input exceeds the context window of this model."),
    "invalid_api_key": (INVALID_REQUEST, "Incorrect API key provided."),
    "model_not_found": (INVALID_REQUEST, "The model does not exist or you do not have access to it."),
    "content_policy_violation": (INVALID_REQUEST, "Your request was rejected by the safety system."),
    "server_error": ("server_error", "The server had an error while processing your request."),
    "overloaded": ("server_error", "The engine is currently overloaded, please try again later."),
}
_CODES: Final[Mapping[int, str]] = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
_CODES_OF_SERVERS: Final[Mapping[int, str]] = {503: "overloaded"}


@dataclass(slots=True)
class ApiError(Exception):
    """A refusal: `{"error": {"message", "type", "param", "code"}}` with its HTTP status and headers."""

    status: int
    type: str
    message: str
    code: str | None = None
    param: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """The JSON body of the answer."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


def invalid(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """400: a parameter that is missing, malformed, or at odds with another."""
    return ApiError(400, INVALID_REQUEST, message, code, param)


def missing(param: str) -> ApiError:
    """400: a parameter that has to be there."""
    return invalid(f"Missing required parameter: '{param}'.", param, "missing_required_parameter")


def wrong_type(param: str, expected: str) -> ApiError:
    """400: a parameter of another JSON type."""
    return invalid(f"Invalid type for '{param}': expected {expected}.", param, "invalid_type")


def no_key() -> ApiError:
    """401: no key, or not as a bearer."""
    message = "You didn't provide an API key. Send it in the header Authorization: Bearer YOUR_KEY."
    return ApiError(401, INVALID_REQUEST, message)


def wrong_key() -> ApiError:
    """401: a key that is not one of ours. Unlike OpenAI's, the message shows no part of it."""
    return ApiError(401, INVALID_REQUEST, "Incorrect API key provided.", "invalid_api_key")


def no_model(name: str) -> ApiError:
    """404: a model that there is not, or that answers by another path."""
    message = f"The model `{name[:80]}` does not exist or you do not have access to it."
    return ApiError(404, INVALID_REQUEST, message, "model_not_found", "model")


def too_long(limit: int, tokens: int, param: str) -> ApiError:
    """400: more input than the model's context holds."""
    message = (
        f"This model's maximum context length is {limit} tokens. However, your messages resulted in {tokens} tokens. "
        "Please reduce the length of the messages."
    )
    return invalid(message, param, "context_length_exceeded")


def rate_limited(kind: str, limit: int, seconds: float) -> ApiError:
    """429: this minute's `requests` or `tokens` are used up; there is room again after that many seconds."""
    message = f"Rate limit reached on {kind} per min: limit {limit}. Please try again in {seconds:.3f}s."
    return ApiError(429, kind, message, "rate_limit_exceeded", headers=retry_headers(seconds))


def retry_headers(seconds: float) -> dict[str, str]:
    """When to come back: `retry-after` in whole seconds (RFC 9110), and `retry-after-ms` beside it."""
    return {"retry-after": str(max(0, -int(-seconds // 1))), "retry-after-ms": str(int(seconds * 1000))}


def spoken(status: int, code: str | None, retry_after_seconds: float | None = None) -> ApiError:
    """The error that OpenAI would answer with this status, and this code where several share one."""
    usual = _CODES_OF_SERVERS.get(status, "server_error") if status >= 500 else _CODES.get(status)
    type_, message = _SPOKEN.get(code or usual or "", (INVALID_REQUEST, "The request was refused."))
    if status == 429 and retry_after_seconds is None and (code or usual) == "rate_limit_exceeded":
        retry_after_seconds = 1.0
    headers = {} if retry_after_seconds is None else retry_headers(retry_after_seconds)
    # Its own failures come without a code.
    return ApiError(status, type_, message, code or (None if status >= 500 else usual), headers=headers)


def of_fault(fault: Fault) -> ApiError:
    """The error of a fault of kind status; its `seconds`, where given, is what `retry-after` says."""
    return spoken(fault.status, None if fault.code is None else str(fault.code), fault.seconds or None)
