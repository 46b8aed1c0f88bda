"""Every test of the repository may ask for the real PostgreSQL and the real Kafka."""

import contextlib
import importlib

pytest_plugins = ["local.fixtures"]

# Without this, pytest's importlib mode takes the folder `meshkit/` for the package of that name: its tests lie beside
# its `src`. A package that is imported already is left alone.
for name in ("meshkit", "local", "gateway"):
    with contextlib.suppress(ModuleNotFoundError):
        importlib.import_module(name)
