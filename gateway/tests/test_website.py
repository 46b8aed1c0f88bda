"""The web form through the door: each file with its headers, and the page for every address it draws itself."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from gateway.testing import refusal

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("path", ["/", "/index.html", "/tickets/TKT-7K3Q9V", "/status?x=1", "/a/b/c", "/api"])
async def test_the_page_answers_for_every_address_it_draws_itself(
    path: str, http: httpx.AsyncClient, web_form: Path
) -> None:
    response = await http.get(path)
    assert response.status_code == 200
    assert response.text == (web_form / "index.html").read_text()
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"


async def test_a_file_named_by_its_hash_may_be_kept_for_ever_and_is_sent_small(
    http: httpx.AsyncClient, web_form: Path
) -> None:
    script = web_form / "assets" / "index-BSg-gDeZ.js"
    response = await http.get(f"/assets/{script.name}", headers={"accept-encoding": "gzip"})
    assert response.text == script.read_text()
    assert response.headers["content-encoding"] == "gzip"
    assert "accept-encoding" in response.headers["vary"].lower()
    assert response.headers["content-type"] == "text/javascript; charset=utf-8"
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"


async def test_a_file_without_a_hash_is_asked_for_again(http: httpx.AsyncClient) -> None:
    response = await http.get("/mark.svg")
    assert response.headers["content-type"] == "image/svg+xml"
    assert response.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["/", "/mark.svg", "/assets/index-BSg-gDeZ.js"])
async def test_every_file_forbids_framing_sniffing_foreign_code_and_referrers(
    path: str, http: httpx.AsyncClient
) -> None:
    headers = (await http.get(path)).headers
    assert headers["content-security-policy"].startswith("default-src 'self';")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


async def test_head_tells_of_a_file_without_sending_it(http: httpx.AsyncClient) -> None:
    response = await http.head("/mark.svg")
    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize("path", ["/assets/none.js", "/assets/", "/robots.txt", "/.env"])
async def test_a_file_that_is_not_there_is_not_found(path: str, http: httpx.AsyncClient) -> None:
    assert refusal(await http.get(path)).reason == "NOT_FOUND"


@pytest.mark.parametrize("path", ["/fte.tickets.v1.TicketsService/GetTicket", "/grpc.health.v1.Health/Check"])
async def test_addresses_of_grpc_are_no_pages(path: str, http: httpx.AsyncClient) -> None:
    assert refusal(await http.get(path)).reason == "NOT_FOUND"
    assert refusal(await http.post(path, json={})).reason == "NOT_FOUND"


@pytest.mark.parametrize("verb", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_pages_and_files_are_only_read(verb: str, http: httpx.AsyncClient) -> None:
    for path in ("/", "/mark.svg"):
        response = await http.request(verb, path)
        assert refusal(response).reason == "METHOD_NOT_ALLOWED"
        assert response.headers["allow"] == "GET, HEAD"
