"""Vectors that were made ahead, in a file of safetensors: by the SHA-256 of what was embedded, for one model."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from knowledge.errors import VectorsUnusable
from knowledge.model import Vector
from meshkit.minilm import DIMENSIONS

_MODEL = "model"
_HASHES, _VECTORS = "sha256", "vectors"


class Vectors:
    """Vectors by their texts; empty unless a file is read."""

    def __init__(self, hashes: Sequence[bytes] = (), vectors: Vector | None = None) -> None:
        self._vectors = np.empty((0, DIMENSIONS), np.float32) if vectors is None else vectors
        self._places = {digest: place for place, digest in enumerate(hashes)}

    def of(self, text: str) -> Vector | None:
        """Returns the vector of this very text; None where it has none."""
        place = self._places.get(_digest(text))
        return None if place is None else self._vectors[place]


def write(path: Path, model: str, texts: Sequence[str], vectors: Vector) -> None:
    """Writes the vectors of these texts, one a row, in place of an older file; nobody sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    hashes = np.frombuffer(b"".join(map(_digest, texts)), np.uint8).reshape(len(texts), -1)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.write_bytes(save({_HASHES: hashes, _VECTORS: vectors}, metadata={_MODEL: model}))
    unfinished.replace(path)


def read(path: Path, model: str) -> Vectors:
    """Returns the vectors in a file. Raises VectorsUnusable when it cannot be read, or is of another model."""
    try:
        with safe_open(path, "numpy") as file:
            made_by = (file.metadata() or {}).get(_MODEL, "")
            hashes, vectors = file.get_tensor(_HASHES), file.get_tensor(_VECTORS)
    except (OSError, SafetensorError) as error:
        raise VectorsUnusable(path, f"cannot be read as a file of vectors ({type(error).__name__})") from error
    if made_by != model:
        raise VectorsUnusable(path, f"is of the model {made_by!r} and not of EMBEDDING_MODEL, {model!r}")
    if hashes.shape != (len(vectors), hashlib.sha256().digest_size) or vectors.shape[1:] != (DIMENSIONS,):
        raise VectorsUnusable(path, "has not one vector for each text")
    return Vectors([row.tobytes() for row in hashes], vectors.astype(np.float32, copy=False))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
