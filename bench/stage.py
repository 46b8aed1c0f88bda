"""Where the benches play: a mesh on free ports with its state in a folder that is gone afterwards.

Durable as `make up` is, and without the caps that would stop a load generator, which writes from one address. Gmail's
quota is lifted too: the simulator that stands in for it has none.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from local.mesh import Mesh
from local.ports import SERVICES

UNCAPPED = {
    "MESSAGES_PER_SENDER_HOUR": "0",
    "MESSAGES_PER_ADDRESS_HOUR": "0",
    "MAILS_ANSWERED_PER_SENDER_HOUR": "0",
    "GATEWAY_REQUESTS_PER_SECOND": "0",
    "GMAIL_UNITS_PER_SECOND": "100000",
}
# An operator's settings would measure something else than what stands in the results.
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "JAVA_HOME", "TMPDIR")


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder of our own that other accounts may enter, because PostgreSQL does not run as root."""
    with tempfile.TemporaryDirectory(prefix="fte-bench-") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@contextlib.contextmanager
def mesh(
    *,
    services: Sequence[str] = SERVICES,
    environment: Mapping[str, str] | None = None,
    postgres_settings: Mapping[str, str] | None = None,
    announce: Callable[[str, float], None] = lambda step, seconds: None,
) -> Iterator[Mesh]:
    """A running mesh, stopped at the end. `environment` is what an operator of it would set besides."""
    with folder() as path:
        made = Mesh(
            path / "state",
            environment={**inherited(), **UNCAPPED, **(environment or {})},
            postgres_settings=postgres_settings,
            services=services,
            announce=announce,
        )
        try:
            made.start()
            yield made
        finally:
            made.stop()


def inherited() -> dict[str, str]:
    """What a bench hands on of its own environment."""
    return {name: os.environ[name] for name in KEPT if name in os.environ}
