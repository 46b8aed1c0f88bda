"""Google's errors, with the bodies that its client libraries read."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """A refusal by a Google API: `{"error": {"code", "message", "errors": [{"domain", "reason", …}], "status"}}`."""

    def __init__(self, code: int, reason: str, message: str, status: str, *, domain: str = "global") -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.message = message
        self.status = status
        self.domain = domain

    def body(self) -> dict[str, Any]:
        """The JSON body of the answer."""
        detail = {"message": self.message, "domain": self.domain, "reason": self.reason}
        if self.code == 401:
            detail |= {"location": "Authorization", "locationType": "header"}
        return {"error": {"code": self.code, "message": self.message, "errors": [detail], "status": self.status}}


class GrantError(Exception):
    """A refusal by the token endpoint: `{"error", "error_description"}`, RFC 6749 section 5.2."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(error)
        self.error = error
        self.description = description

    def body(self) -> dict[str, Any]:
        """The JSON body of the answer."""
        return {"error": self.error, "error_description": self.description}


def invalid_argument(message: str) -> ApiError:
    """400: a parameter that is missing or malformed."""
    return ApiError(400, "invalidArgument", message, "INVALID_ARGUMENT")


def not_found() -> ApiError:
    """404: an unknown message, thread or label, and a history that is too old."""
    return ApiError(404, "notFound", "Requested entity was not found.", "NOT_FOUND")


def invalid_credentials() -> ApiError:
    """401: no access token, one that expired or one that was never given out."""
    return ApiError(401, "authError", "Invalid Credentials", "UNAUTHENTICATED")


def insufficient_scope() -> ApiError:
    """403: the access token's scopes do not cover the method."""
    message = "Request had insufficient authentication scopes."
    return ApiError(403, "insufficientPermissions", message, "PERMISSION_DENIED")


def delegation_denied(user: str) -> ApiError:
    """403: the token is another user's."""
    return ApiError(403, "forbidden", f"Delegation denied for {user}", "PERMISSION_DENIED")


def no_mailbox() -> ApiError:
    """400: a service account that impersonates nobody has no mailbox."""
    return ApiError(400, "failedPrecondition", "Precondition check failed.", "FAILED_PRECONDITION")


def user_rate_limit_exceeded() -> ApiError:
    """429: the mailbox's quota is used up for now."""
    return fault_error(429, None)


# What Google says with each status ("Resolve errors", Gmail API): reason, message, canonical status, domain.
_WORDED = {
    400: ("failedPrecondition", "Precondition check failed.", "FAILED_PRECONDITION", "global"),
    401: ("authError", "Invalid Credentials", "UNAUTHENTICATED", "global"),
    403: ("rateLimitExceeded", "Rate Limit Exceeded", "PERMISSION_DENIED", "usageLimits"),
    404: ("notFound", "Requested entity was not found.", "NOT_FOUND", "global"),
    429: ("rateLimitExceeded", "User-rate limit exceeded.", "RESOURCE_EXHAUSTED", "usageLimits"),
    500: ("backendError", "Backend Error", "INTERNAL", "global"),
    502: ("backendError", "Bad Gateway", "UNAVAILABLE", "global"),
    503: ("backendError", "The service is currently unavailable.", "UNAVAILABLE", "global"),
    504: ("backendError", "Deadline exceeded", "DEADLINE_EXCEEDED", "global"),
}
_USAGE_LIMITS = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "dailyLimitExceeded", "quotaExceeded"})


def fault_error(code: int, reason: str | None) -> ApiError:
    """The error with that HTTP status as Google words it; `reason` names another than the status's usual one."""
    usual, message, status, domain = _WORDED.get(code, ("backendError", "Backend Error", "INTERNAL", "global"))
    if reason is not None and reason != usual:
        message, domain = reason, "usageLimits" if reason in _USAGE_LIMITS else "global"
    return ApiError(code, reason or usual, message, status, domain=domain)
