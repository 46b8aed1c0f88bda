"""Faults do to a real client over a real connection what they say."""

from collections.abc import Iterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulators.faults import ON_REQUESTS, Fault, Faults, Kind
from simulators.serving import CannotServe, health_route, running

DONE: list[str] = []


async def work(request: Request) -> Response:
    await request.body()
    DONE.append("worked")
    return JSONResponse({"answer": "whole"})


def refusal(fault: Fault) -> Response:
    return JSONResponse({"code": fault.code}, fault.status)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    faults = Faults(["work", "rest"])
    app = Starlette(
        routes=[
            Route("/work", faults.on("work", work, refusal), methods=["POST"]),
            health_route(),
            *faults.routes(),
        ]
    )
    with running(app) as address:
        yield address


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    DONE.clear()
    with httpx.Client(base_url=url, timeout=5) as client:
        client.delete("/_control/faults")
        yield client


def test_a_reset_before_leaves_nothing_done_and_the_next_call_works(client: httpx.Client) -> None:
    client.post("/_control/faults", json={"on": "work", "kind": "reset_before"})
    # A reset and not an orderly end: nobody could take that for an answer without a body.
    with pytest.raises(httpx.ReadError):
        client.post("/work", content=b"x" * 100_000)
    assert DONE == []
    assert client.post("/work").json() == {"answer": "whole"}


def test_a_reset_after_leaves_the_work_done_and_no_answer(client: httpx.Client) -> None:
    client.post("/_control/faults", json={"on": "work", "kind": "reset_after"})
    with pytest.raises(httpx.ReadError):
        client.post("/work", content=b"some words")
    assert DONE == ["worked"]


def test_a_status_is_the_providers_error_and_nothing_is_done(client: httpx.Client) -> None:
    client.post("/_control/faults", json={"on": "work", "kind": "status", "status": 429, "code": 20429})
    answer = client.post("/work")
    assert (answer.status_code, answer.json(), DONE) == (429, {"code": 20429}, [])


def test_a_status_after_is_an_error_although_the_work_is_done(client: httpx.Client) -> None:
    client.post("/_control/faults", json={"on": "work", "kind": "status_after"})
    assert client.post("/work").status_code == 503
    assert DONE == ["worked"]


def test_a_malformed_answer_is_no_json(client: httpx.Client) -> None:
    client.post("/_control/faults", json={"on": "work", "kind": "malformed"})
    answer = client.post("/work")
    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        answer.json()


def test_latency_outlasts_an_impatient_client(client: httpx.Client) -> None:
    client.post("/_control/faults", json={"on": "work", "kind": "latency", "seconds": 1})
    with pytest.raises(httpx.ReadTimeout):
        client.post("/work", timeout=0.1)
    assert client.post("/work", timeout=0.5).status_code == 200


def test_latency_after_leaves_the_work_done_for_one_who_did_not_wait(client: httpx.Client) -> None:
    client.post("/_control/faults", json={"on": "work", "kind": "latency_after", "seconds": 1})
    with pytest.raises(httpx.ReadTimeout):
        client.post("/work", timeout=0.1)
    assert DONE == ["worked"]


def test_a_fault_strikes_as_often_as_it_was_told_to(client: httpx.Client) -> None:
    client.post("/_control/faults", json=[{"kind": "status", "times": 2}])
    assert [client.post("/work").status_code for _ in range(3)] == [503, 503, 200]


def test_faults_without_a_count_strike_until_they_are_cleared(client: httpx.Client) -> None:
    client.post("/_control/faults", json={"kind": "status", "times": 0})
    assert [client.post("/work").status_code for _ in range(3)] == [503, 503, 503]
    assert client.get("/_control/faults").json()["faults"][0]["struck"] == 3
    client.delete("/_control/faults")
    assert client.post("/work").status_code == 200


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"kind": "gremlin"}, "kind"),
        ({"on": "wrok", "kind": "status"}, "rest, work"),
        ({"kind": "latency"}, "seconds"),
        ({"kind": "status", "sattus": 500}, "sattus"),
        ({"kind": "status", "chance": 2}, "chance"),
    ],
)
def test_a_fault_that_cannot_be_names_its_field(client: httpx.Client, fault: dict[str, object], says: str) -> None:
    answer = client.post("/_control/faults", json=fault)
    assert answer.status_code == 400
    assert says in str(answer.json()["errors"])
    assert client.get("/_control/faults").json() == {"faults": []}


def test_the_same_seed_strikes_at_the_same_calls() -> None:
    def struck() -> list[bool]:
        faults = Faults(["work"])
        faults.add(Fault(kind=Kind.STATUS, chance=0.5, times=0, seed=7))
        return [bool(faults.strike("work", ON_REQUESTS)) for _ in range(50)]

    assert struck() == struck()
    assert 0 < sum(struck()) < 50


def test_a_fault_of_another_operation_or_for_webhooks_keeps() -> None:
    faults = Faults(["work", "rest"])
    faults.add(Fault(on="rest", kind=Kind.STATUS))
    faults.add(Fault(on="work", kind=Kind.DUPLICATE))
    assert faults.strike("work", ON_REQUESTS) == []
    assert len(faults.strike("rest", ON_REQUESTS)) == 1


def test_a_port_that_is_taken_is_named(url: str) -> None:
    port = int(url.rpartition(":")[2])
    with pytest.raises(CannotServe, match=str(port)), running(Starlette(), port):
        pass


def test_health_answers(client: httpx.Client) -> None:
    assert client.get("/_control/health").json() == {"status": "SERVING"}
