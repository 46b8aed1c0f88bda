"""The doors as others find them: health, reflection, JWT, and what is refused at the edge."""

import os
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
from tests.customers import ANSWERED, Customer, Promise, Staff

from local.mesh import Mesh

SERVICES = ("identity", "tickets", "knowledge", "agent", "channels")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def grpcurl() -> str:
    """The real grpcurl: the machine's own, or the one that make built for the tests."""
    found = shutil.which("grpcurl", path=f"{os.environ['PATH']}{os.pathsep}{ROOT / '.build' / 'bin'}")
    assert found, "run make test: it builds grpcurl first"
    return found


def run(grpcurl: str, *arguments: str) -> str:
    done = subprocess.run([grpcurl, *arguments], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("service", SERVICES)
def test_reflection_lists_and_describes_each_service_with_its_comments(mesh: Mesh, grpcurl: str, service: str) -> None:
    address = f"127.0.0.1:{mesh.ports.grpc[service]}"
    name = f"fte.{service}.v1.{service.capitalize()}Service"
    assert name in run(grpcurl, "-plaintext", address, "list").split()
    described = run(grpcurl, "-plaintext", address, "describe", name)
    assert "rpc " in described
    assert "// " in described, "the contract's comments are missing"


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_is_serving(mesh: Mesh, grpcurl: str, service: str) -> None:
    address = f"127.0.0.1:{mesh.ports.grpc[service]}"
    assert "SERVING" in run(grpcurl, "-plaintext", address, "grpc.health.v1.Health/Check")


def test_grpc_passes_the_gateway_with_a_staff_token(mesh: Mesh, grpcurl: str) -> None:
    token = mesh.staff_token_file.read_text().strip()
    listed = run(
        *(grpcurl, "-plaintext", "-H", f"authorization: Bearer {token}"),
        *("-protoset", str(ROOT / "contracts" / "src" / "fte" / "descriptors.binpb")),
        *(f"127.0.0.1:{mesh.ports.gateway}", "fte.knowledge.v1.KnowledgeService/ListArticles"),
    )
    assert "articles/product-docs" in listed


def test_the_edge_says_that_it_is_well(mesh: Mesh) -> None:
    health = httpx.get(f"{mesh.url}/api/v1/health")
    assert health.status_code == 200
    assert health.json()["status"] == "ok"
    assert {"database", "stream", "web_form"} <= set(health.json()["checks"])


def test_the_web_form_is_served_and_its_status_page_too(mesh: Mesh) -> None:
    for path in ("/", "/status/TKT-000000"):
        page = httpx.get(f"{mesh.url}{path}")
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
        assert "default-src 'self'" in page.headers["content-security-policy"]


def test_each_metrics_page_counts_the_calls(mesh: Mesh, customer: Customer) -> None:
    customer.submit(ANSWERED)
    page = httpx.get(f"http://127.0.0.1:{mesh.ports.metrics['channels']}/metrics").text
    assert "SubmitForm" in page


@pytest.mark.parametrize(
    ("reference", "token"), [("TKT-000000", "wrong"), ("theirs", "wrong"), ("TKT-000000", "theirs"), ("theirs", "")]
)
def test_an_unknown_reference_and_a_wrong_token_are_the_same_404(
    customer: Customer, reference: str, token: str
) -> None:
    promise = customer.submit(ANSWERED)
    asked = promise.reference if reference == "theirs" else reference
    headers = {"X-Status-Token": promise.token if token == "theirs" else token} if token else {}
    answer = customer.http.get(f"/api/v1/tickets/{asked}", headers=headers)
    reference_answer = customer.http.get("/api/v1/tickets/TKT-ZZZZZZ", headers={"X-Status-Token": "x"})
    assert answer.status_code == 404
    shown, expected = answer.json(), reference_answer.json()
    for body in (shown, expected):
        for detail in body["details"]:
            detail.get("metadata", {}).pop("requestId", None)
    assert shown == expected


def test_another_tickets_token_does_not_open_this_one(customer: Customer) -> None:
    mine, theirs = customer.submit(ANSWERED), customer.submit(ANSWERED)
    crossed = Promise(theirs.reference, mine.token, theirs.url)
    assert customer.http.get(f"/api/v1/tickets/{theirs.reference}", headers=crossed.headers).status_code == 404
    written = customer.http.post(
        f"/api/v1/tickets/{theirs.reference}/messages", json={"text": "hello"}, headers=crossed.headers
    )
    assert written.status_code == 404


@pytest.mark.parametrize("path", ["tickets", "deadLetters", "customers", "runs", "articles", "deliveries"])
def test_staff_paths_need_a_token(customer: Customer, staff: Staff, path: str) -> None:
    refused = customer.http.get(f"/api/v1/{path}")
    assert refused.status_code == 401
    assert refused.json()["details"][0]["reason"] == "UNAUTHENTICATED"
    assert isinstance(staff.get(path), dict)


def test_an_invalid_staff_token_on_the_status_is_401(customer: Customer) -> None:
    promise = customer.submit(ANSWERED)
    answer = customer.http.get(
        f"/api/v1/tickets/{promise.reference}", headers={**promise.headers, "Authorization": "Bearer nonsense"}
    )
    assert answer.status_code == 401
