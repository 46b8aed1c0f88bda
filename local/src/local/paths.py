"""Where things lie in the checkout, and where a running mesh keeps its state."""

import os
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BUILD = ROOT / ".build"
CONTEXT = ROOT / "context"
WEB_FORM = ROOT / "web-form" / "dist"
VECTORS = BUILD / "vectors.safetensors"


def embedded_ahead() -> Path | None:
    """The vectors of `context/` that `make` computes, for EMBEDDED_AHEAD; None where it has not."""
    return VECTORS if VECTORS.is_file() else None


def state_directory(environment: Mapping[str, str] = os.environ, port_offset: int = 0) -> Path:
    """The folder of this mesh's state: `FTE_STATE_DIR`, or `.local`, or `.local/offset-<n>` beside it."""
    if chosen := environment.get("FTE_STATE_DIR"):
        return Path(chosen).expanduser().resolve()
    shared = ROOT / ".local"
    return shared / f"offset-{port_offset}" if port_offset else shared
