"""Every test of the repository may ask for the real PostgreSQL and the real Kafka."""

import contextlib
import importlib

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

pytest_plugins = ["local.fixtures"]

# These start whole meshes, and begin first, because they take longest. The faults have a worker to themselves: mostly
# they wait for what they broke, while the other worker has something to do.
WITH_A_MESH = {"tests/faults": "faults", "local/tests/test_mesh.py": "faults", "tests/journeys": "journeys"}

# Without this, pytest's importlib mode takes the folder `meshkit/` for the package of that name: its tests lie beside
# its `src`. A package that is imported already is left alone.
for name in ("meshkit", "local", "gateway", "simulators"):
    with contextlib.suppress(ModuleNotFoundError):
        importlib.import_module(name)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts what starts a mesh first."""
    items.sort(key=lambda item: _mesh_of(item.nodeid) is None)


# Not `--dist loadgroup`: xdist 3.8 writes the group into a test's id, and pytest 9.2 makes ids anew when it is asked.
@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Hands whole files to a worker, and all that use the same mesh to one, in the order of collection."""
    config.option.loadscopereorder = False
    return _ByMesh(config, log)


class _ByMesh(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        return _mesh_of(nodeid) or nodeid.partition("::")[0]


def _mesh_of(nodeid: str) -> str | None:
    return next((mesh for folder, mesh in WITH_A_MESH.items() if nodeid.startswith(folder)), None)
