"""How the mesh says no, over REST and over gRPC: read, held to the shape of every refusal, and searched for leaks."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import httpx
from google.rpc import error_details_pb2, status_pb2

from meshkit.status import DETAILS_KEY

_TYPES = "type.googleapis.com/google.rpc."
# What only somebody inside should see: code, queries, and where things are.
_INSIDE = re.compile(
    r"""traceback|\.py\b|site-packages|/home/|/root/|/tmp/"""
    r"""|asyncpg|aiokafka|pydantic|postgres|kafka|envoy|upstream"""
    r"""|\bselect\b.+\bfrom\b|\binsert\s+into\b|\brelation\b|\bsyntax\s+error\b"""
    r"""|127\.0\.0\.1|localhost|:\d{4,5}\b""",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True)
class Refusal:
    """A refusal as a caller reads it.

    `status` is the HTTP status, None over gRPC. `reason` and `domain` are empty where gRPC itself refused.
    `retry_after` is the header of that name in seconds, None where it was not sent.
    """

    status: int | None
    code: grpc.StatusCode
    reason: str
    domain: str
    fields: tuple[str, ...] = ()
    message: str = ""
    retry_after: int | None = None

    @property
    def told(self) -> tuple[int | None, str]:
        """Status and reason."""
        return self.status, self.reason


def leaks(text: str, *words: str) -> list[str]:
    """What stands in a text that has no place in an answer: marks of our inside, and any of these words."""
    inside = _INSIDE.search(text)
    return ([inside.group()] if inside else []) + [word for word in words if word in text]


def refusal(answer: httpx.Response, *words: str) -> Refusal:
    """The refusal in a REST answer. It must have the shape of all, and show neither our inside nor these words."""
    assert answer.status_code >= 400, answer.text
    assert answer.headers["content-type"] == "application/json", answer.text
    assert not leaks(answer.text + repr(_told_headers(answer)), *words)
    body = answer.json()
    assert body.keys() == {"code", "message", "details"}, body
    info, *rest = body["details"]
    assert info["@type"] == f"{_TYPES}ErrorInfo"
    assert info["domain"].endswith(".fte")
    violations = [each for detail in rest for each in detail.get("fieldViolations", ())]
    assert all(violation["description"] for violation in violations)
    retry_after = answer.headers.get("retry-after")
    return Refusal(
        answer.status_code,
        _code(body["code"]),
        info["reason"],
        info["domain"],
        tuple(violation["field"] for violation in violations),
        body["message"],
        None if retry_after is None else int(retry_after),
    )


def grpc_refusal(
    channel: grpc.Channel,
    method: str,
    request: bytes = b"",
    *,
    metadata: Sequence[tuple[str, str]] = (),
    timeout: float | None = 10,
) -> Refusal:
    """The refusal of a call by gRPC, which must be refused. `method` is `/package.Service/Method`."""
    # Without serializers bytes go and come as they are, which the type stubs do not know.
    call: Any = channel.unary_unary(method)
    # The call's own timeout would send a deadline; this one only keeps the test from waiting for ever.
    pending = call.future(request, metadata=tuple(metadata), timeout=timeout)
    error = pending.exception(timeout=30)
    assert error is not None, f"{method} was not refused"
    message = str(error.details())
    details = {key: value for key, value in error.trailing_metadata() or () if key == DETAILS_KEY}.get(DETAILS_KEY)
    reason = domain = ""
    fields: list[str] = []
    if details is not None:
        status = status_pb2.Status.FromString(details)
        assert (status.code, status.message) == (error.code().value[0], message)
        for detail in status.details:
            info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
            if detail.Unpack(info):
                reason, domain = info.reason, info.domain
            elif detail.Unpack(bad_request):
                fields += [each.field for each in bad_request.field_violations]
    assert not leaks(message + repr(details)), message
    return Refusal(None, error.code(), reason, domain, tuple(fields), message)


def _told_headers(answer: httpx.Response) -> dict[str, str]:
    # Both are made of digits and colons, and neither is about us.
    return {name: value for name, value in answer.headers.items() if name not in {"date", "x-request-id"}}


def _code(number: int) -> grpc.StatusCode:
    return next(code for code in grpc.StatusCode if code.value[0] == number)
