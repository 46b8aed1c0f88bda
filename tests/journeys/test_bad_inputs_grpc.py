"""What nobody should send by gRPC, past the gateway or through it: refused with status and reason, and nothing more."""

import asyncio
import time
import uuid
from collections.abc import Iterator, Mapping

import asyncpg
import grpc
import jwt
import pytest
from tests.customers import ANSWERED, Customer, is_ended
from tests.journeys.strict import another
from tests.refusals import Refusal, grpc_refusal, refusal
from tests.traces import left_by

from fte.access import ACCESS, PUBLIC
from fte.channels.v1.channels_service_pb2 import SubmitFormRequest
from fte.tickets.v1.tickets_service_pb2 import GetTicketRequest
from local.asyncs import run_blocking
from local.mesh import DATABASE, Mesh

SERVICES = ("identity", "tickets", "knowledge", "agent", "channels")
DEADLINE_SECONDS = 1.0
FIVE_MB = 5 * 1000 * 1000
SUBMIT_FORM = "/fte.channels.v1.ChannelsService/SubmitForm"
LIST_CUSTOMERS = "/fte.identity.v1.IdentityService/ListCustomers"


def service_of(method: str) -> str:
    return method.split(".")[1]


def channel_to(port: int) -> grpc.Channel:
    return grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.max_send_message_length", -1)])


@pytest.fixture
def direct(mesh: Mesh) -> Iterator[Mapping[str, grpc.Channel]]:
    """A channel to each service's own port, past the gateway."""
    channels = {service: channel_to(mesh.ports.grpc[service]) for service in SERVICES}
    yield channels
    for channel in channels.values():
        channel.close()


@pytest.fixture
def gateway(mesh: Mesh) -> Iterator[grpc.Channel]:
    with channel_to(mesh.ports.gateway) as channel:
        yield channel


def test_ticket_enumeration_learns_nothing_by_grpc_either(
    customer: Customer, direct: Mapping[str, grpc.Channel]
) -> None:
    promise = customer.submit(ANSWERED)
    customer.status_when(promise, is_ended)
    unknown, known = (
        grpc_refusal(
            direct["tickets"],
            "/fte.tickets.v1.TicketsService/GetTicket",
            GetTicketRequest(ticket=reference).SerializeToString(),
        )
        for reference in ("TKT-000000", promise.reference)
    )
    assert unknown == known
    assert (known.code, known.reason) == (grpc.StatusCode.NOT_FOUND, "TICKET_NOT_FOUND")


@pytest.mark.parametrize("service", SERVICES)
def test_an_unknown_method_of_grpc_is_unimplemented(
    direct: Mapping[str, grpc.Channel], gateway: grpc.Channel, service: str
) -> None:
    name = f"fte.{service}.v1.{service.capitalize()}Service"
    for method in (f"/{name}/Explode", f"/{name}/", "/fte.none.v1.NoService/List", "/"):
        refused = grpc_refusal(direct[service], method)
        assert (refused.code, refused.reason) == (grpc.StatusCode.UNIMPLEMENTED, "UNIMPLEMENTED")
        assert refused.domain == f"{service}.fte"
    through = grpc_refusal(gateway, f"/{name}/Explode")
    assert (through.code, through.domain) == (grpc.StatusCode.UNIMPLEMENTED, f"{service}.fte")
    nowhere = grpc_refusal(gateway, f"/fte.{service}.v9.NoService/List")
    assert (nowhere.code, nowhere.domain) == (grpc.StatusCode.UNIMPLEMENTED, "gateway.fte")
    assert nowhere.reason


# -- who is asking -----------------------------------------------------------------------------------------------------


def unsigned(issuer: str, subject: str) -> str:
    """A token that says alg=none."""
    now = int(time.time())
    claims = {"iss": issuer, "sub": subject, "aud": "fte", "iat": now, "exp": now + 300}
    return jwt.encode(claims, key="", algorithm="none", headers={"kid": subject})


FORGED: Mapping[str, str] = {
    "x-caller": "staff",
    "x-caller-name": "agent",
    "x-staff-sub": "ada",
    "x-jwt-payload": "eyJzdWIiOiJhZGEifQ",
    "x-fte-caller": "agent",
    "x-forwarded-client-cert": "By=spiffe://fte/tickets;Hash=00;URI=spiffe://fte/agent",
    "x-forwarded-user": "ada",
    "x-envoy-internal": "true",
    "x-forwarded-for": "127.0.0.1",
    "x-real-ip": "127.0.0.1",
}
"""What gateways and meshes of others write about a caller; none of ours is believed."""


def test_direct_grpc_with_forged_identity_metadata_is_nobody_at_every_guarded_method(
    direct: Mapping[str, grpc.Channel],
) -> None:
    guarded = [method for method, callers in ACCESS.items() if PUBLIC not in callers]
    assert {service_of(method) for method in guarded} == set(SERVICES)
    for method in guarded:
        refused = grpc_refusal(direct[service_of(method)], method, metadata=tuple(FORGED.items()))
        assert (refused.code, refused.reason) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED"), method
        assert refused.domain == f"{service_of(method)}.fte"


@pytest.mark.parametrize(
    "authorization",
    [
        f"Bearer {unsigned('https://fte.local', 'ada')}",
        f"Bearer {unsigned('https://fte.local/services', 'agent')}",
        "Bearer ",
        "Bearer null",
        "Basic YWRtaW46YWRtaW4=",
        "agent",
    ],
    ids=["unsigned staff", "unsigned service", "empty", "null", "basic", "a name"],
)
def test_direct_grpc_with_a_forged_token_is_nobody_even_where_none_is_needed(
    direct: Mapping[str, grpc.Channel], mesh: Mesh, authorization: str
) -> None:
    sender = f"{uuid.uuid4().hex}@customer.example"
    form = SubmitFormRequest(name="Ada", email=sender, subject="s", category="general", message="m")
    metadata = (("authorization", authorization), *FORGED.items())
    for method, request in ((SUBMIT_FORM, form.SerializeToString()), (LIST_CUSTOMERS, b"")):
        refused = grpc_refusal(direct[service_of(method)], method, request, metadata=metadata)
        assert (refused.code, refused.reason) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
    assert left_by(mesh, sender) == 0


def test_forged_identity_headers_do_not_pass_the_gateway_either(customer: Customer, gateway: grpc.Channel) -> None:
    assert refusal(customer.http.get("/api/v1/tickets", headers=FORGED)).told == (401, "UNAUTHENTICATED")
    refused = grpc_refusal(gateway, LIST_CUSTOMERS, metadata=tuple(FORGED.items()))
    assert (refused.code, refused.reason) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")


def test_a_staff_token_does_not_make_somebody_a_service(direct: Mapping[str, grpc.Channel], mesh: Mesh) -> None:
    token = mesh.staff_token_file.read_text().strip()
    metadata = (("authorization", f"Bearer {token}"), *FORGED.items())
    refused = grpc_refusal(direct["identity"], "/fte.identity.v1.IdentityService/ResolveCustomer", metadata=metadata)
    assert (refused.code, refused.reason) == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED")


# -- too long and too large --------------------------------------------------------------------------------------------


_WAITING = "select count(*) from pg_stat_activity where query like '%customers%' and wait_event_type = 'Lock'"


async def _refused_while_locked(mesh: Mesh, port: int) -> tuple[Refusal, float, int]:
    """The refusal of a call without a deadline on a locked table, its seconds, and the queries it left waiting."""
    assert mesh.postgres is not None
    token = mesh.staff_token_file.read_text().strip()
    connection = await asyncpg.connect(mesh.postgres.dsn(DATABASE), timeout=10)
    try:
        async with connection.transaction():
            await connection.execute("lock table identity.customers in access exclusive mode")
            began = time.monotonic()
            with channel_to(port) as channel:
                refused = grpc_refusal(
                    channel, LIST_CUSTOMERS, metadata=(("authorization", f"Bearer {token}"),), timeout=None
                )
            seconds = time.monotonic() - began
            # The server cancels its query on a connection of its own, so that it may take a moment longer to end.
            ends = time.monotonic() + 5
            # It is the database that changes, and it sets no event.
            while (waiting := await connection.fetchval(_WAITING)) and time.monotonic() < ends:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    finally:
        await connection.close()
    return refused, seconds, waiting


def test_a_call_without_a_deadline_gets_the_default_and_a_hung_handler_ends(mesh: Mesh) -> None:
    # The database alone would wait longer than the test does.
    impatient = {"DEFAULT_DEADLINE_SECONDS": str(DEADLINE_SECONDS), "DATABASE_TIMEOUT_SECONDS": "60"}
    with another(mesh, "identity", **impatient) as identity:
        refused, seconds, waiting = run_blocking(_refused_while_locked(mesh, identity.port))
    assert (refused.code, refused.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
    assert refused.domain == "identity.fte", "it was the service that ended it"
    assert DEADLINE_SECONDS <= seconds < 10
    assert waiting == 0


@pytest.mark.parametrize("service", SERVICES)
def test_a_5_mb_message_by_direct_grpc_is_resource_exhausted(direct: Mapping[str, grpc.Channel], service: str) -> None:
    method = next(method for method in ACCESS if service_of(method) == service)
    refused = grpc_refusal(direct[service], method, b"\0" * FIVE_MB)
    # gRPC refuses it before any code of ours runs, and has no ErrorInfo to give.
    assert (refused.code, refused.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "")
    assert "4194304" in refused.message, "the limit is named"
    # The connection goes on.
    assert grpc_refusal(direct[service], "/fte.none.v1.NoService/List").code is grpc.StatusCode.UNIMPLEMENTED


def test_a_5_mb_message_leaves_nothing_behind_by_grpc_or_rest(
    customer: Customer, direct: Mapping[str, grpc.Channel], gateway: grpc.Channel, mesh: Mesh
) -> None:
    sender = f"{uuid.uuid4().hex}@customer.example"
    form = SubmitFormRequest(name="Ada", email=sender, subject="s", category="general", message="m" * FIVE_MB)
    for channel in (direct["channels"], gateway):
        refused = grpc_refusal(channel, SUBMIT_FORM, form.SerializeToString())
        assert refused.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    answer = customer.http.post("/api/v1/support/form", json=customer.form("m" * FIVE_MB, email=sender, subject="s"))
    assert refusal(answer).told == (413, "REQUEST_TOO_LARGE")
    assert left_by(mesh, sender) == 0


def test_a_message_just_below_the_limit_of_grpc_is_held_to_the_contract(
    direct: Mapping[str, grpc.Channel], mesh: Mesh
) -> None:
    sender = f"{uuid.uuid4().hex}@customer.example"
    form = SubmitFormRequest(name="Ada", email=sender, subject="s", category="general", message="m" * 4_000_000)
    refused = grpc_refusal(direct["channels"], SUBMIT_FORM, form.SerializeToString())
    assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT")
    assert refused.fields == ("message",)
    assert left_by(mesh, sender) == 0
