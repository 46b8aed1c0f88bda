"""Every test of the repository may ask for the real PostgreSQL and the real Kafka."""

import contextlib
import importlib
from pathlib import Path

import pytest

pytest_plugins = ["local.fixtures"]

ROOT = Path(__file__).parent
# These start whole meshes. They share one worker, so that no two meshes fight for the cores, and begin first, because
# together they take as long as all other tests do.
WITH_A_MESH = ("tests/faults", "tests/journeys", "local/tests/test_mesh.py")

# Without this, pytest's importlib mode takes the folder `meshkit/` for the package of that name: its tests lie beside
# its `src`. A package that is imported already is left alone.
for name in ("meshkit", "local", "gateway", "simulators"):
    with contextlib.suppress(ModuleNotFoundError):
        importlib.import_module(name)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Hands whole files to a worker, and all that starts a mesh to one."""
    for item in items:
        path = item.path.relative_to(ROOT).as_posix()
        group = "mesh" if path.startswith(WITH_A_MESH) else path
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: not item.path.relative_to(ROOT).as_posix().startswith(WITH_A_MESH))
