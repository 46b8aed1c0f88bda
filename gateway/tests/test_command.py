"""`python -m gateway`, and what the gateway writes down of a request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from gateway.__main__ import main
from gateway.render import render
from gateway.settings import load
from local.envoy import Gateway
from meshkit.testing import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize(
    ("setting", "value", "sentence"),
    [
        ("STAFF_JWKS", None, "STAFF_JWKS Field required"),
        ("STAFF_JWKS", "/nowhere/secret.json", "STAFF_JWKS names a file that cannot be read"),
        ("STAFF_JWKS", "{secret", "STAFF_JWKS must be a JWKS with a key"),
        ("STAFF_JWKS", '{"keys": []}', "STAFF_JWKS must be a JWKS with a key"),
        ("WEB_FORM_DIR", "/nowhere/secret", "WEB_FORM_DIR has no index.html: run make web"),
        ("TICKETS_ADDRESS", "secret", "TICKETS_ADDRESS must be host:port, for example 127.0.0.1:7001"),
        ("TICKETS_ADDRESS", "secret:0", "TICKETS_ADDRESS must be host:port, for example 127.0.0.1:7001"),
        ("GATEWAY_PORT", "70000", "GATEWAY_PORT Input should be less than or equal to 65535"),
    ],
)
async def test_a_wrong_setting_is_named_and_its_value_is_not(
    setting: str,
    value: str | None,
    sentence: str,
    environment: Mapping[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, text in {**environment, setting: value}.items():
        if text is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, text)
    assert await asyncio.to_thread(main, ["render"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"gateway: {sentence}")
    assert "secret" not in printed.err


async def test_a_form_that_could_not_be_served_whole_is_named(
    environment: Mapping[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "index.html").write_text("form")
    (tmp_path / "film.mkv").write_text("?")
    for name, text in {**environment, "WEB_FORM_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, text)
    assert await asyncio.to_thread(main, ["render"]) == 1
    assert capsys.readouterr().err == "gateway: film.mkv: add the media type of .mkv files\n"


async def test_the_command_says_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explode"]) == 2
    assert capsys.readouterr().err == "usage: python -m gateway render|validate\n"


async def test_envoy_accepts_the_configuration_with_defaults() -> None:
    # In a thread, as all that takes long: the neighbours in this process must go on answering health checks.
    assert await asyncio.to_thread(main, ["validate"]) == 0


async def test_the_keys_may_lie_in_a_file(
    environment: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "staff.jwks.json"
    file.write_text(environment["STAFF_JWKS"])
    for name, text in environment.items():
        monkeypatch.setenv(name, text)
    by_value = await asyncio.to_thread(lambda: render(load()))
    monkeypatch.setenv("STAFF_JWKS", str(file))
    assert await asyncio.to_thread(lambda: render(load())) == by_value


@pytest.mark.parametrize(
    ("path", "status", "shown"),
    [
        ("/api/v1/tickets?customer=secret&access_token=secret", 401, "/api/v1/tickets"),
        ("/api/v1/tickets/TKT-7K3Q9V", 200, "/api/v1/tickets/TKT-7K3Q9V"),
        ("/api/v1/tickets/TKT-7K3Q9V?secret=secret", 400, "/api/v1/tickets/TKT-7K3Q9V"),
        ("/mark.svg?secret", 200, "/mark.svg"),
    ],
)
async def test_what_is_written_down_of_a_request_names_nobody(
    path: str, status: int, shown: str, http: httpx.AsyncClient, gateway: Gateway
) -> None:
    response = await http.get(path, headers={"x-status-token": "secret", "idempotency-key": "secret"})
    assert response.status_code == status
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.admin_port}") as admin:
        # Envoy holds lines back for seconds otherwise.
        assert (await admin.post("/reopen_logs")).status_code == 200
    line = await eventually(lambda: written(gateway.log, response.headers["x-request-id"]), within_seconds=15)
    assert "secret" not in line
    assert "127.0.0.1" not in line
    fields = json.loads(line)
    assert (fields["service"], fields["method"]) == ("gateway", "GET")
    assert (fields["path"], fields["status"]) == (shown, status)


def written(log: Path, request_id: str) -> str:
    """The line about a request; empty while it is not there."""
    return next((line for line in log.read_text().splitlines() if request_id in line), "")
