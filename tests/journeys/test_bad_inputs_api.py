"""What nobody should ask of the REST API, through the whole mesh: refused by name, and nothing is given away.

That another customer's token and an unknown reference get one 404 stands in `test_doors.py`, too.
"""

import time
import uuid

import httpx
import pytest
from tests.customers import ANSWERED, Customer, Json, Promise, Staff, is_ended
from tests.journeys.strict import strict_door
from tests.refusals import Refusal, refusal
from tests.traces import value_of

from local.mesh import Mesh


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
