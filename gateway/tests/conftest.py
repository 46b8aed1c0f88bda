"""One Envoy for all tests, started as the supervisor starts it, before a neighbour for each service."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from gateway.testing import CONTRACTS, Neighbour
from local.envoy import Gateway
from local.ports import free_ports

PAGE = "<!doctype html><title>the form</title>"
SCRIPT = "console.log('x');\n" * 200

Signed = Callable[..., str]
"""Makes a staff token: claims over sound ones, and `key`, `algorithm`, `kid`."""


@pytest.fixture(scope="session")
def web_form(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built web form: a page, a script named by its hash, a picture."""
    root = tmp_path_factory.mktemp("web")
    (root / "assets").mkdir()
    (root / "index.html").write_text(PAGE)
    (root / "mark.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (root / "assets" / "index-BSg-gDeZ.js").write_text(SCRIPT)
    return root


@pytest.fixture(scope="session")
def staff_key() -> ec.EllipticCurvePrivateKey:
    """The key of the company's issuer."""
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="session")
def signed(staff_key: ec.EllipticCurvePrivateKey) -> Signed:
    """Makes staff tokens."""

    def sign(*, key: Any = staff_key, algorithm: str = "ES256", kid: str = "staff", **claims: Any) -> str:
        now = int(time.time())
        sound = {"iss": "https://fte.local", "aud": "fte", "sub": "ada", "iat": now, "exp": now + 3600}
        return jwt.encode({**sound, **claims}, key, algorithm=algorithm, headers={"kid": kid})

    return sign


@pytest.fixture(scope="session")
def staff(signed: Signed) -> dict[str, str]:
    """The headers of a person who signed in."""
    return {"authorization": f"Bearer {signed()}"}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def neighbours() -> AsyncIterator[Mapping[str, Neighbour]]:
    """A server for each service of the mesh."""
    servers = {service: Neighbour(service) for service in CONTRACTS}
    for server in servers.values():
        await server.start()
    yield servers
    for server in servers.values():
        await server.stop()


@pytest.fixture(autouse=True)
def _forgetful(neighbours: Mapping[str, Neighbour]) -> None:
    for neighbour in neighbours.values():
        neighbour.forget()


@pytest.fixture(scope="session")
def environment(
    web_form: Path, staff_key: ec.EllipticCurvePrivateKey, neighbours: Mapping[str, Neighbour]
) -> dict[str, str]:
    """What the supervisor tells the gateway."""
    algorithm = ECAlgorithm(ECAlgorithm.SHA256)
    key = {**algorithm.to_jwk(staff_key.public_key(), as_dict=True), "kid": "staff", "alg": "ES256", "use": "sig"}
    return {
        "WEB_FORM_DIR": str(web_form),
        "STAFF_JWKS": json.dumps({"keys": [key]}),
        **{f"{name.upper()}_ADDRESS": f"127.0.0.1:{server.port}" for name, server in neighbours.items()},
    }


@asynccontextmanager
async def _running(folder: Path, environment: Mapping[str, str]) -> AsyncIterator[Gateway]:
    port, admin_port = free_ports(2)
    ports = {"GATEWAY_PORT": str(port), "GATEWAY_ADMIN_PORT": str(admin_port)}
    gateway = Gateway(folder, port, admin_port, {**environment, **ports}, folder / "gateway.log")
    # In a thread, because the neighbours must answer Envoy's first health checks meanwhile.
    await asyncio.to_thread(gateway.start)
    try:
        yield gateway
    finally:
        await asyncio.to_thread(gateway.stop)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def gateway(tmp_path_factory: pytest.TempPathFactory, environment: Mapping[str, str]) -> AsyncIterator[Gateway]:
    """The gateway with its defaults, but no limit on how often this one address may ask."""
    lifted = {**environment, "GATEWAY_REQUESTS_PER_SECOND": "0"}
    async with _running(tmp_path_factory.mktemp("envoy"), lifted) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def strict_gateway(
    tmp_path_factory: pytest.TempPathFactory, environment: Mapping[str, str]
) -> AsyncIterator[Gateway]:
    """A gateway behind one proxy, with few requests for each address, little time, and no channels behind it."""
    strict = {
        "GATEWAY_REQUESTS_PER_SECOND": "2",
        "GATEWAY_WEBHOOKS_PER_SECOND": "20",
        "GATEWAY_TRUSTED_HOPS": "1",
        "GATEWAY_TIMEOUT_SECONDS": "1",
        "CHANNELS_ADDRESS": f"127.0.0.1:{free_ports(1)[0]}",
    }
    async with _running(tmp_path_factory.mktemp("strict"), {**environment, **strict}) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def http(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    """Asks the gateway."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}", timeout=10) as client:
        yield client


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def strict_http(strict_gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    """Asks the strict gateway."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{strict_gateway.port}", timeout=10) as client:
        yield client
