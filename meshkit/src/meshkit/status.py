"""Failures as `google.rpc.Status`, and back: the only place where an error meets its status code."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import asyncpg
import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from meshkit.database import is_absence
from meshkit.errors import DeadlineExceeded, Failure, Kind, ResourceExhausted, Unavailable, Violation

DETAILS_KEY = "grpc-status-details-bin"
RETRY_AFTER_KEY = "retry-after"
INTERNAL_REASON = "INTERNAL"

_CODES: Mapping[Kind, grpc.StatusCode] = {
    Kind.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Kind.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Kind.ALREADY_EXISTS: grpc.StatusCode.ALREADY_EXISTS,
    Kind.PRECONDITION: grpc.StatusCode.FAILED_PRECONDITION,
    Kind.CONFLICT: grpc.StatusCode.ABORTED,
    Kind.FORBIDDEN: grpc.StatusCode.PERMISSION_DENIED,
    Kind.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    Kind.EXHAUSTED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Kind.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Kind.DEADLINE: grpc.StatusCode.DEADLINE_EXCEEDED,
    Kind.UNIMPLEMENTED: grpc.StatusCode.UNIMPLEMENTED,
}
_BY_NUMBER = {code.value[0]: code for code in grpc.StatusCode}
_RETRY_AFTER_SECONDS = 1.0
# Status details travel as one HTTP/2 header, and peers refuse headers of more than 8 KiB.
_VIOLATION_BYTES_MAX = 4000


def code_of(failure: Failure) -> grpc.StatusCode:
    """The canonical status code of a failure's kind."""
    return _CODES[failure.kind]


def to_status(failure: Failure, domain: str, request_id: str) -> status_pb2.Status:
    """The failure as a caller sees it: code, message, `ErrorInfo`, and what its kind adds.

    `domain` is `<service>.fte`. `ErrorInfo.metadata` holds the facts and `requestId`; `BadRequest` the violations, as
    many as fit a header; `RetryInfo` is there when trying again later makes sense.
    """
    status = _status(code_of(failure), failure.message, failure.reason, domain, failure.facts, request_id)
    if failure.violations:
        status.details.add().Pack(_bad_request(failure.violations))
    seconds = _retry_after_seconds(failure)
    if seconds is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(round(seconds * 1000))
        status.details.add().Pack(retry)
    return status


def trailers_of(status: status_pb2.Status, failure: Failure | None = None) -> tuple[tuple[str, str | bytes], ...]:
    """The trailing metadata that a status travels in.

    Where `RetryInfo` tells when to come again, `retry-after` does, too, in whole seconds (RFC 9110): the gateway hands
    it on, and over REST that header is the place where clients look.
    """
    seconds = None if failure is None else _retry_after_seconds(failure)
    retry = () if seconds is None else ((RETRY_AFTER_KEY, str(math.ceil(seconds))),)
    return ((DETAILS_KEY, status.SerializeToString()), *retry)


def _retry_after_seconds(failure: Failure) -> float | None:
    if failure.kind not in (Kind.UNAVAILABLE, Kind.EXHAUSTED):
        return None
    return _RETRY_AFTER_SECONDS if failure.retry_after_seconds is None else failure.retry_after_seconds


def internal_status(domain: str, request_id: str) -> status_pb2.Status:
    """What a caller sees of an error nobody expected: nothing but the request id to ask about."""
    return _status(grpc.StatusCode.INTERNAL, "internal error", INTERNAL_REASON, domain, {}, request_id)


def code_in(status: status_pb2.Status) -> grpc.StatusCode:
    """The status code that a status message carries by number."""
    return _BY_NUMBER[status.code]


def expected(error: BaseException) -> Failure | None:
    """The failure that an exception from below stands for, or None when nobody expected it.

    Postgres or a neighbour away, or slow beyond its limit, is a failure of today and not a fault in the code.
    """
    if isinstance(error, Failure):
        return error
    if isinstance(error, grpc.aio.AioRpcError):
        return from_rpc_error(error).as_failure()
    if isinstance(error, TimeoutError | asyncpg.QueryCanceledError):
        # Before OSError: Python counts TimeoutError among them.
        return Unavailable("something this service needs took too long")
    if isinstance(error, ConnectionError) or type(error) is OSError or is_absence(error):
        # A plain OSError is how asyncpg reports that every address of a host refused it.
        return Unavailable("something this service needs is away")
    return None


@dataclass(frozen=True, slots=True)
class RpcFailure:
    """What a neighbour answered instead of a response. `reason` is empty when it sent no `ErrorInfo`."""

    code: grpc.StatusCode
    reason: str = ""
    domain: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    violations: tuple[Violation, ...] = ()

    def as_failure(self) -> Failure | None:
        """The failure to hand on when the neighbour was away, busy or late; None for every answer it really gave.

        Its own message stays behind: it was meant for us, not for our caller.
        """
        if self.code is grpc.StatusCode.UNAVAILABLE:
            return Unavailable("a service this one needs is away")
        if self.code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            return ResourceExhausted("a service this one needs is at its limit")
        if self.code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return DeadlineExceeded("a service this one needs did not answer in time")
        return None


def from_rpc_error(error: grpc.aio.AioRpcError) -> RpcFailure:
    """The reason, facts and violations in a neighbour's answer; what cannot be read is left empty."""
    reason, domain = "", ""
    metadata: dict[str, str] = {}
    violations: list[Violation] = []
    for detail in _details(error):
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            info = error_details_pb2.ErrorInfo.FromString(detail.value)
            reason, domain, metadata = info.reason, info.domain, dict(info.metadata)
        elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            bad_request = error_details_pb2.BadRequest.FromString(detail.value)
            violations += [Violation(each.field, each.description) for each in bad_request.field_violations]
    return RpcFailure(error.code(), reason, domain, metadata, tuple(violations))


def _details(error: grpc.aio.AioRpcError) -> Sequence[Any]:
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            try:
                return list(status_pb2.Status.FromString(value).details)
            except DecodeError:
                return ()
    return ()


def _status(
    code: grpc.StatusCode, message: str, reason: str, domain: str, facts: Mapping[str, str], request_id: str
) -> status_pb2.Status:
    status = status_pb2.Status(code=code.value[0], message=message)
    status.details.add().Pack(
        error_details_pb2.ErrorInfo(reason=reason, domain=domain, metadata={**facts, "requestId": request_id})
    )
    return status


def _bad_request(violations: Sequence[Violation]) -> error_details_pb2.BadRequest:
    bad_request = error_details_pb2.BadRequest()
    room = _VIOLATION_BYTES_MAX
    for told, violation in enumerate(violations):
        room -= len(violation.field.encode()) + len(violation.description.encode())
        if room < 0:
            bad_request.field_violations.add(
                field="", description=f"{len(violations) - told} more violations; mend these first"
            )
            break
        bad_request.field_violations.add(field=violation.field, description=violation.description)
    return bad_request
