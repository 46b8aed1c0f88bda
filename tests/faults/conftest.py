"""A mesh that is meant to be broken; every test mends what it breaks."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.journeys.conftest import WITHOUT_CAPS, outer_environment

from local.mesh import Mesh

# The waits that keep a send from being repeated blindly, and the look for a push that was missed: shorter, not other.
# And no quota: the mails that hundreds of forms cause would take minutes at Google's pace.
IMPATIENT = {
    "SEND_DEADLINE_SECONDS": "2",
    "SEND_LOOKUP_SECONDS": "3",
    "GMAIL_POLL_SECONDS": "1",
    "GMAIL_UNITS_PER_SECOND": "100000",
}


@pytest.fixture(scope="session")
def mesh(state_folder: Path) -> Iterator[Mesh]:
    # With durability: a server that is killed must have kept what it confirmed.
    mesh = Mesh(state_folder / "faults", environment={**outer_environment(), **WITHOUT_CAPS, **IMPATIENT})
    mesh.start()
    try:
        yield mesh
    finally:
        mesh.stop()
        if mesh.postgres is not None:
            mesh.postgres.remove()


def await_doors(mesh: Mesh, within_seconds: float = 30) -> None:
    """Returns once the gateway reaches every service: it looks for those that came back once a second."""
    ends = time.monotonic() + within_seconds
    headers = {"Authorization": f"Bearer {mesh.staff_token_file.read_text().strip()}"}
    with httpx.Client(base_url=mesh.url, headers=headers, timeout=10) as http:
        for path in ("customers", "tickets", "articles", "runs", "deliveries"):
            while (answer := http.get(f"/api/v1/{path}")).status_code != 200:
                assert time.monotonic() < ends, answer.text
                time.sleep(0.1)  # between two looks


@pytest.fixture(autouse=True)
def whole(mesh: Mesh) -> None:
    """Every test begins with a mesh that is well, whatever the one before did to it."""
    await_doors(mesh)


@pytest.fixture
def chance(seed: int) -> random.Random:
    """Dice that fall the same way for the same FTE_TEST_SEED."""
    return random.Random(seed)
