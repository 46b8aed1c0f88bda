"""One whole mesh for all journeys, on ports and in a folder of its own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.mesh import Mesh
from local.postgres import WITHOUT_DURABILITY

# Journeys write from one address, faster than a person would.
WITHOUT_CAPS = {"MESSAGES_PER_SENDER_HOUR": "0", "MESSAGES_PER_ADDRESS_HOUR": "0"}


def outer_environment() -> dict[str, str]:
    """What a process needs to run at all: nothing that a developer has set for a mesh."""
    kept = ("PATH", "HOME", "TMPDIR", "JAVA_HOME")
    return {name: value for name, value in os.environ.items() if name in kept}


@pytest.fixture(scope="session")
def mesh(state_folder: Path) -> Iterator[Mesh]:
    mesh = Mesh(
        state_folder / "journeys",
        environment={**outer_environment(), **WITHOUT_CAPS},
        postgres_settings=WITHOUT_DURABILITY,
    )
    mesh.start()
    try:
        yield mesh
    finally:
        mesh.stop()
