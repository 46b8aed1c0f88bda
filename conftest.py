"""Every test of the repository may ask for the real PostgreSQL and the real Kafka."""

import contextlib
import importlib
from pathlib import Path

import pytest

pytest_plugins = ["local.fixtures"]

ROOT = Path(__file__).parent
# These start whole meshes, and begin first, because they take longest. The faults have a worker to themselves: mostly
# they wait for what they broke, while the other worker has something to do.
WITH_A_MESH = {"tests/faults": "faults", "local/tests/test_mesh.py": "faults", "tests/journeys": "journeys"}

# Without this, pytest's importlib mode takes the folder `meshkit/` for the package of that name: its tests lie beside
# its `src`. A package that is imported already is left alone.
for name in ("meshkit", "local", "gateway", "simulators"):
    with contextlib.suppress(ModuleNotFoundError):
        importlib.import_module(name)


# Before xdist looks at the groups, which it does in the same hook.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Hands whole files to a worker, and all that use the same mesh to one."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_mesh_of(item) or item.path.relative_to(ROOT).as_posix()))
    items.sort(key=lambda item: _mesh_of(item) is None)


def _mesh_of(item: pytest.Item) -> str | None:
    path = item.path.relative_to(ROOT).as_posix()
    return next((mesh for folder, mesh in WITH_A_MESH.items() if path.startswith(folder)), None)
