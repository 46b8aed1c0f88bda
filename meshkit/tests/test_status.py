"""Failures on the wire and back."""

from __future__ import annotations

import asyncpg
import grpc
import pytest
from google.rpc import error_details_pb2

from meshkit.errors import (
    DeadlineExceeded,
    Failure,
    InvalidArgument,
    Kind,
    PermissionDenied,
    ResourceExhausted,
    Unavailable,
    Violation,
)
from meshkit.status import (
    DETAILS_KEY,
    RpcFailure,
    code_in,
    code_of,
    expected,
    from_rpc_error,
    internal_status,
    to_status,
)


class TicketResolved(Failure):
    kind = Kind.PRECONDITION
    reason = "TICKET_RESOLVED"


def rpc_error(failure: Failure, domain: str = "tickets.fte") -> grpc.aio.AioRpcError:
    """What a client of a server that answered with this failure gets."""
    status = to_status(failure, domain, "r-1")
    trailing = grpc.aio.Metadata((DETAILS_KEY, status.SerializeToString()))
    return grpc.aio.AioRpcError(code_of(failure), grpc.aio.Metadata(), trailing, status.message)


def test_every_kind_has_a_code_of_its_own() -> None:
    codes = set()
    for kind in Kind:
        made = type("Made", (Failure,), {"kind": kind, "reason": "MADE"})("made")
        codes.add(code_of(made))
    assert len(codes) == len(Kind)
    assert grpc.StatusCode.UNKNOWN not in codes


def test_reason_domain_facts_and_violations_reach_the_other_side() -> None:
    failure = InvalidArgument("no", facts={"limit": "5"}, violations=[Violation("text", "must not be empty")])
    assert from_rpc_error(rpc_error(failure)) == RpcFailure(
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_ARGUMENT",
        "tickets.fte",
        {"limit": "5", "requestId": "r-1"},
        (Violation("text", "must not be empty"),),
    )


def test_only_what_passes_by_itself_carries_a_time_to_retry() -> None:
    def retries(failure: Failure) -> bool:
        details = to_status(failure, "tickets.fte", "r").details
        return any(detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR) for detail in details)

    assert retries(Unavailable("away"))
    assert retries(ResourceExhausted("full"))
    assert not retries(TicketResolved("resolved"))
    assert not retries(PermissionDenied("no"))


@pytest.mark.parametrize(("seconds", "told_ms"), [(None, 1000), (0.25, 250), (1800.0, 1_800_000)])
def test_the_time_to_retry_is_the_failures_own_where_it_knows_one(seconds: float | None, told_ms: int) -> None:
    failure = ResourceExhausted("full", retry_after_seconds=seconds)
    retry = error_details_pb2.RetryInfo()
    assert any(detail.Unpack(retry) for detail in to_status(failure, "tickets.fte", "r").details)
    assert retry.retry_delay.ToMilliseconds() == told_ms


def test_an_unexpected_error_shows_only_its_request_id() -> None:
    status = internal_status("tickets.fte", "r-2")
    assert (code_in(status), status.message) == (grpc.StatusCode.INTERNAL, "internal error")
    (detail,) = status.details
    info = error_details_pb2.ErrorInfo.FromString(detail.value)
    assert (info.reason, dict(info.metadata)) == ("INTERNAL", {"requestId": "r-2"})


def test_many_violations_still_fit_a_header_and_say_how_many_are_left() -> None:
    violations = [Violation(f"items[{number}].text", "must be at most 1000 characters") for number in range(1000)]
    status = to_status(InvalidArgument("many", violations=violations), "tickets.fte", "r")
    assert status.ByteSize() < 8000
    last = from_rpc_error(rpc_error(InvalidArgument("many", violations=violations))).violations[-1]
    assert "more violations" in last.description


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError("10.0.0.7:5432 refused"),
        OSError("Multiple exceptions: 10.0.0.7"),
        TimeoutError(),
        asyncpg.ConnectionDoesNotExistError("gone"),
        asyncpg.TooManyConnectionsError("full"),
        asyncpg.CannotConnectNowError("starting"),
        asyncpg.QueryCanceledError("statement timeout"),
        asyncpg.DiskFullError("disk"),
        asyncpg.InterfaceError("connection is closed"),
    ],
)
def test_an_absent_dependency_is_unavailable_and_its_text_stays_here(error: Exception) -> None:
    failure = expected(error)
    assert isinstance(failure, Unavailable)
    assert str(error) == "" or str(error) not in failure.message


@pytest.mark.parametrize(
    "error",
    [ValueError("x"), KeyError("x"), FileNotFoundError("/etc"), asyncpg.UniqueViolationError("x"), RuntimeError()],
)
def test_a_fault_of_ours_is_not_taken_for_an_absence(error: Exception) -> None:
    assert expected(error) is None


def test_a_neighbours_trouble_becomes_ours_and_its_answers_do_not() -> None:
    assert isinstance(expected(rpc_error(Unavailable("away"))), Unavailable)
    assert isinstance(expected(rpc_error(ResourceExhausted("full"))), ResourceExhausted)
    assert isinstance(expected(rpc_error(DeadlineExceeded("late"))), DeadlineExceeded)
    assert expected(rpc_error(TicketResolved("resolved"))) is None


def test_an_answer_without_details_is_read_by_its_code() -> None:
    bare = grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), "refused")
    assert from_rpc_error(bare) == RpcFailure(grpc.StatusCode.UNAVAILABLE)
    garbled = grpc.aio.AioRpcError(
        grpc.StatusCode.NOT_FOUND, grpc.aio.Metadata(), grpc.aio.Metadata((DETAILS_KEY, b"\xff\xff")), ""
    )
    assert from_rpc_error(garbled) == RpcFailure(grpc.StatusCode.NOT_FOUND)
