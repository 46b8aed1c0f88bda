"""What nobody should ask of REST and gRPC, through the whole mesh: refused by name, and nothing is given away.

That another customer's token and an unknown reference get one 404 stands in `test_doors.py`, too.
"""

import time
import uuid
from collections.abc import Iterator, Mapping

import asyncpg
import grpc
import httpx
import jwt
import pytest
from tests.customers import ANSWERED, Customer, Json, Promise, Staff, is_ended
from tests.journeys.strict import DEADLINE_SECONDS, another, strict_door
from tests.refusals import Refusal, grpc_refusal, refusal
from tests.traces import left_by, value_of

from fte.access import ACCESS, PUBLIC
from fte.channels.v1.channels_service_pb2 import SubmitFormRequest
from local.asyncs import run_blocking
from local.mesh import DATABASE, Mesh

SERVICES = ("identity", "tickets", "knowledge", "agent", "channels")
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


@pytest.fixture
def theirs(customer: Customer) -> Promise:
    """Somebody's ticket that has been answered."""
    promise = customer.submit(ANSWERED)
    customer.status_when(promise, is_ended)
    return promise


def shown(answer: httpx.Response) -> tuple[int, Json, set[str]]:
    """All that an answer tells, but for what is new in each: status, body, names of headers."""
    body: Json = answer.json()
    for detail in body.get("details", ()):
        detail.get("metadata", {}).pop("requestId", None)
    return answer.status_code, body, set(answer.headers)


# -- whose ticket is it ------------------------------------------------------------------------------------------------


def test_ticket_enumeration_learns_nothing_because_all_404s_are_alike(
    customer: Customer, staff: Staff, theirs: Promise
) -> None:
    name = staff.get(f"tickets/{theirs.reference}")["name"]
    exist = [theirs.reference, theirs.reference.lower(), name.removeprefix("tickets/")]
    exist_not = ["TKT-000000", "tkt-zzzzzz", str(uuid.uuid4())]
    for headers in ({}, {"X-Status-Token": ""}, {"X-Status-Token": "guessed"}, {"X-Status-Token": theirs.token[:-1]}):
        answers = [customer.http.get(f"/api/v1/tickets/{each}", headers=headers) for each in exist + exist_not]
        assert {refusal(answer).told for answer in answers} == {(404, "TICKET_NOT_FOUND")}
        assert all(shown(answer) == shown(answers[0]) for answer in answers)
        written = [
            customer.http.post(f"/api/v1/tickets/{each}/messages", json={"text": "hello"}, headers=headers)
            for each in (theirs.reference, "TKT-000000")
        ]
        assert {refusal(answer).told for answer in written} == {(404, "TICKET_NOT_FOUND")}
        assert shown(written[0]) == shown(written[1])


def test_ticket_enumeration_learns_nothing_by_grpc_either(direct: Mapping[str, grpc.Channel], theirs: Promise) -> None:
    refusals = []
    for reference in (theirs.reference, "TKT-000000"):
        request = b"\x0a" + bytes([len(reference)]) + reference.encode()
        refusals.append(grpc_refusal(direct["tickets"], "/fte.tickets.v1.TicketsService/GetTicket", request))
    assert refusals[0] == refusals[1]
    assert (refusals[0].code, refusals[0].reason) == (grpc.StatusCode.NOT_FOUND, "TICKET_NOT_FOUND")


def test_ticket_enumeration_is_slowed_down_with_a_time_to_come_again(mesh: Mesh) -> None:
    seen: dict[str, Refusal] = {}
    with strict_door(mesh) as url, httpx.Client(base_url=url, timeout=10) as http:
        ends = time.monotonic() + 20
        number = 0
        while seen.keys() != {"TICKET_NOT_FOUND", "RATE_LIMITED"}:
            assert time.monotonic() < ends, seen
            number += 1
            guess = refusal(http.get(f"/api/v1/tickets/TKT-{number:06}", headers={"X-Status-Token": "guessed"}))
            seen[guess.reason] = guess
    assert seen["RATE_LIMITED"].told == (429, "RATE_LIMITED")
    assert seen["RATE_LIMITED"].retry_after == 1


def test_another_customers_token_opens_nothing_and_writes_nothing(
    customer: Customer, mesh: Mesh, theirs: Promise
) -> None:
    mine = customer.submit(ANSWERED)
    before = customer.status(theirs)
    address = f"/api/v1/tickets/{theirs.reference}"
    assert refusal(customer.http.get(address, headers=mine.headers)).told == (404, "TICKET_NOT_FOUND")
    written = customer.http.post(f"{address}/messages", json={"text": "let me in"}, headers=mine.headers)
    assert refusal(written, theirs.token, mine.token).told == (404, "TICKET_NOT_FOUND")
    # One that stands in the path and in the body is none of both.
    moved = customer.http.post(
        f"/api/v1/tickets/{mine.reference}/messages",
        json={"text": "let me in", "reference": theirs.reference},
        headers=mine.headers,
    )
    assert refusal(moved).told == (400, "INVALID_REQUEST")
    twice = customer.http.get(address, headers=[("X-Status-Token", mine.token), ("X-Status-Token", theirs.token)])
    assert twice.status_code in {400, 404}
    assert customer.status(theirs) == before
    count = "select count(*) from channels.inbound where reference = $1"
    assert value_of(mesh, count, theirs.reference) == 1


def test_a_token_is_in_no_referer_because_no_page_sends_one(customer: Customer, theirs: Promise) -> None:
    page = customer.http.get(f"/status/{theirs.reference}")
    assert page.headers["referrer-policy"] == "no-referrer"
    # A browser keeps the fragment to itself; this is where the token stands, and nowhere else in the address.
    assert theirs.url.split("#") == [str(page.url), theirs.token]


def test_a_token_in_a_referer_a_cookie_a_query_or_a_body_is_never_taken(
    customer: Customer, mesh: Mesh, theirs: Promise
) -> None:
    address = f"/api/v1/tickets/{theirs.reference}"
    elsewhere = (
        {"Referer": theirs.url},
        {"Referer": f"{mesh.url}/status/{theirs.reference}?token={theirs.token}"},
        {"Cookie": f"x-status-token={theirs.token}"},
    )
    for headers in elsewhere:
        answer = customer.http.get(address, headers=headers)
        assert refusal(answer, theirs.token).told == (404, "TICKET_NOT_FOUND")
    for name in ("statusToken", "status_token", "x-status-token", "X-Status-Token", "token"):
        answer = customer.http.get(address, params={name: theirs.token})
        assert refusal(answer, theirs.token).told == (400, "INVALID_REQUEST")
        answer = customer.http.post(f"{address}/messages", json={"text": "hello"}, params={name: theirs.token})
        assert refusal(answer, theirs.token).status in {400, 404}
    assert len(customer.status(theirs)["messages"]) == 2


def test_a_staff_token_in_a_query_a_cookie_or_twice_is_never_taken(
    customer: Customer, staff: Staff, mesh: Mesh
) -> None:
    token = mesh.staff_token_file.read_text().strip()
    for name in ("access_token", "authorization", "token", "jwt"):
        answer = customer.http.get("/api/v1/tickets", params={name: token})
        assert refusal(answer, token).told == (401, "UNAUTHENTICATED")
    cookie = customer.http.get("/api/v1/tickets", headers={"Cookie": f"authorization=Bearer {token}"})
    assert refusal(cookie, token).told == (401, "UNAUTHENTICATED")
    twice = customer.http.get(
        "/api/v1/tickets", headers=[("Authorization", f"Bearer {token}"), ("Authorization", "Bearer x")]
    )
    assert refusal(twice, token).told == (401, "UNAUTHENTICATED")
    assert staff.http.get("/api/v1/tickets").status_code == 200


def test_a_token_in_a_query_is_in_no_log(customer: Customer, mesh: Mesh, theirs: Promise) -> None:
    staff_token = mesh.staff_token_file.read_text().strip()
    customer.http.get(f"/api/v1/tickets/{theirs.reference}", params={"statusToken": theirs.token})
    last = customer.http.get("/api/v1/tickets", params={"access_token": staff_token})
    logs = mesh.state / "logs"
    ends = time.monotonic() + 30
    while last.headers["x-request-id"] not in (logs / "gateway.log").read_text():
        assert time.monotonic() < ends, "the door wrote no line of this call"
        time.sleep(0.2)  # between two looks
    for log in logs.glob("*.log"):
        text = log.read_text(errors="replace")
        assert theirs.token not in text, log.name
        assert staff_token not in text, log.name


# -- paths and methods -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "//api/v1/tickets",
        "/api//v1/tickets",
        "/api/v1//tickets",
        "/api/v1/tickets//TKT-000000",
        "/api/v1/tickets%2fTKT-000000",
        "/api/v1/tickets/..%2Ftickets",
        "/api/v1/tickets%5cTKT-000000",
        "//fte.tickets.v1.TicketsService/ListTickets",
    ],
)
def test_double_and_encoded_slashes_are_refused_even_with_a_staff_token(staff: Staff, mesh: Mesh, path: str) -> None:
    # An address of its own, because a client would take a path that begins with // for another host.
    refused = refusal(staff.http.get(f"{mesh.url}{path}"))
    assert (refused.told, refused.domain) == ((400, "INVALID_REQUEST"), "gateway.fte")


@pytest.mark.parametrize(
    ("verb", "path", "allowed"),
    [
        ("PUT", "/api/v1/support/form", "POST"),
        ("GET", "/api/v1/support/form", "POST"),
        ("DELETE", "/api/v1/tickets/TKT-000000", "GET"),
        ("PATCH", "/api/v1/tickets", "GET"),
    ],
)
def test_an_unknown_method_of_rest_is_refused_and_the_known_ones_are_named(
    staff: Staff, verb: str, path: str, allowed: str
) -> None:
    answer = staff.http.request(verb, path)
    assert refusal(answer).told == (405, "METHOD_NOT_ALLOWED")
    assert allowed in answer.headers["allow"].split(", ")


def test_an_unknown_method_that_http_does_not_have_is_refused_too(staff: Staff) -> None:
    assert refusal(staff.http.request("BREW", "/api/v1/tickets")).told == (400, "INVALID_REQUEST")


@pytest.mark.parametrize("path", ["/api/v1/tickets/TKT-000000:explode", "/api/v1/users", "/api/v2/tickets", "/api/"])
def test_an_unknown_path_is_not_found(staff: Staff, path: str) -> None:
    assert refusal(staff.http.get(path)).told == (404, "NOT_FOUND")


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


@pytest.mark.parametrize(
    "path", ["tickets?unknown=1", "tickets?pageSize=1&%70ageSize=2", "health?x=1", "customers?identifier.x=1"]
)
def test_an_unknown_query_parameter_is_refused(staff: Staff, path: str) -> None:
    assert refusal(staff.http.get(f"/api/v1/{path}")).told == (400, "INVALID_REQUEST")


def test_a_query_parameter_of_another_type_is_refused(staff: Staff) -> None:
    for query in ("pageSize=many", "pageSize=99999999999999999999", "state=TICKET_STATE_NONE"):
        assert refusal(staff.http.get(f"/api/v1/tickets?{query}")).status == 400
    for size in (-1, 201, 2_000_000_000):
        refused = refusal(staff.http.get("/api/v1/tickets", params={"pageSize": size}))
        assert (refused.told, refused.fields) == ((400, "INVALID_ARGUMENT"), ("page_size",))


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
            waiting = await connection.fetchval(
                "select count(*) from pg_stat_activity where usename = 'identity' and wait_event_type = 'Lock'"
            )
    finally:
        await connection.close()
    return refused, seconds, waiting


def test_a_call_without_a_deadline_gets_the_default_and_a_hung_handler_ends(mesh: Mesh) -> None:
    with another(mesh, "identity", DEFAULT_DEADLINE_SECONDS=str(DEADLINE_SECONDS)) as identity:
        refused, seconds, waiting = run_blocking(_refused_while_locked(mesh, identity.port))
    assert (refused.code, refused.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
    assert refused.domain == "identity.fte", "it was the service that ended it"
    assert DEADLINE_SECONDS <= seconds < DEADLINE_SECONDS + 3
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
