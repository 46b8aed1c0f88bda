"""all-MiniLM-L6-v2 once more, in JAX, so that a low-rank adapter of it can be trained. It runs as `meshkit.minilm`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from safetensors.numpy import load_file

from meshkit.minilm import DIMENSIONS, LAYERS, WEIGHTS

RANK: Final = 12
"""Of the matrices of the adapter: 442 000 numbers, where the network has 22 million."""

_HEADS: Final = 12
_WIDTHS: Final = {
    "attention_in": (DIMENSIONS, 3 * DIMENSIONS),
    "attention_out": (DIMENSIONS, DIMENSIONS),
    "feed_in": (DIMENSIONS, 4 * DIMENSIONS),
    "feed_out": (4 * DIMENSIONS, DIMENSIONS),
}

# Nested dictionaries of arrays, as JAX differentiates them.
Weights = dict[str, Any]


def frozen(folder: Path, tokens_max: int) -> Weights:
    """The network's own weights, which stay as they are."""
    file = load_file(folder / "model.safetensors")

    def dense(*names: str) -> tuple[Any, Any]:
        weights = [file[f"{name}.weight"].astype("f4").T for name in names]
        return jnp.concatenate(weights, 1), jnp.concatenate([file[f"{name}.bias"].astype("f4") for name in names])

    def norm(name: str) -> tuple[Any, Any]:
        return jnp.asarray(file[f"{name}.weight"], "f4"), jnp.asarray(file[f"{name}.bias"], "f4")

    def layer(name: str) -> Weights:
        return {
            "attention_in": dense(*(f"{name}.attention.self.{part}" for part in ("query", "key", "value"))),
            "attention_out": dense(f"{name}.attention.output.dense"),
            "attention_norm": norm(f"{name}.attention.output.LayerNorm"),
            "feed_in": dense(f"{name}.intermediate.dense"),
            "feed_out": dense(f"{name}.output.dense"),
            "feed_norm": norm(f"{name}.output.LayerNorm"),
        }

    positions = file["embeddings.position_embeddings.weight"][:tokens_max]
    return {
        "words": jnp.asarray(file["embeddings.word_embeddings.weight"], "f4"),
        "positions": jnp.asarray(positions + file["embeddings.token_type_embeddings.weight"][0], "f4"),
        "norm": norm("embeddings.LayerNorm"),
        "layers": [layer(f"encoder.layer.{number}") for number in range(LAYERS)],
    }


def untrained(outputs: int, key: Any) -> Weights:
    """An adapter that changes nothing yet, and logistics that know only that most messages mean nothing special."""
    layers = []
    for _ in range(LAYERS):
        layer = {}
        for name in WEIGHTS:
            key, drawn = jax.random.split(key)
            width_in, width_out = _WIDTHS[name]
            down = jax.random.normal(drawn, (width_in, RANK)) / np.sqrt(width_in)
            layer[name] = (down, jnp.zeros((RANK, width_out)))
        layers.append(layer)
    return {"layers": layers, "head": (jnp.zeros((DIMENSIONS, outputs)), jnp.full((outputs,), -2.0))}


def logits(own: Weights, trained: Weights, ids: Any, mask: Any, key: Any = None, dropout: float = 0.0) -> Any:
    """The logit of each output for each text; `ids` and `mask` have a row for each. With a key, some units drop out."""
    texts, length = ids.shape
    shape = (texts, length, 3, _HEADS, DIMENSIONS // _HEADS)
    ignored = (1 - mask)[:, None, None, :] * -1e9
    x = _normed(own["words"][ids] + own["positions"][:length], own["norm"])
    for layer, changes in zip(own["layers"], trained["layers"], strict=True):
        parts = _dense(x, layer["attention_in"], changes["attention_in"]).reshape(shape)
        query, each, value = parts[:, :, 0], parts[:, :, 1], parts[:, :, 2]
        nearness = jnp.einsum("bthd,bshd->bhts", query, each) / np.sqrt(DIMENSIONS // _HEADS)
        heard = jnp.einsum("bhts,bshd->bthd", jax.nn.softmax(nearness + ignored, -1), value)
        heard = _dense(heard.reshape(texts, length, DIMENSIONS), layer["attention_out"], changes["attention_out"])
        heard, key = _dropped(heard, key, dropout)
        x = _normed(x + heard, layer["attention_norm"])
        fed = jax.nn.gelu(_dense(x, layer["feed_in"], changes["feed_in"]), approximate=False)
        fed, key = _dropped(_dense(fed, layer["feed_out"], changes["feed_out"]), key, dropout)
        x = _normed(x + fed, layer["feed_norm"])
    pooled = (x * mask[:, :, None]).sum(1) / mask.sum(1, keepdims=True)
    return pooled @ trained["head"][0] + trained["head"][1]


def as_file(trained: Weights) -> dict[str, Any]:
    """The adapter and the logistics as the agent reads them, in half precision."""
    arrays = {"head.weight": trained["head"][0], "head.bias": trained["head"][1]}
    for number, layer in enumerate(trained["layers"]):
        for name, (down, up) in layer.items():
            arrays[f"{number}.{name}.down"], arrays[f"{number}.{name}.up"] = down, up
    return {name: np.asarray(array, np.float16) for name, array in arrays.items()}


def _dense(x: Any, weight: tuple[Any, Any], change: tuple[Any, Any]) -> Any:
    return x @ weight[0] + weight[1] + (x @ change[0]) @ change[1]


def _normed(x: Any, weight: tuple[Any, Any]) -> Any:
    x = x - x.mean(-1, keepdims=True)
    return x / jnp.sqrt((x * x).mean(-1, keepdims=True) + 1e-12) * weight[0] + weight[1]


def _dropped(x: Any, key: Any, share: float) -> tuple[Any, Any]:
    if key is None:
        return x, None
    key, drawn = jax.random.split(key)
    return x * jax.random.bernoulli(drawn, 1 - share, x.shape) / (1 - share), key
