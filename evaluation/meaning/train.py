"""Trains the model of meaning; tests/test_meaning.py holds it to messages it never saw.

    make meaning                             in an environment of its own, which has JAX
    python -m evaluation.meaning.train       the same in this one

Writes the agent's `meaning.npz`, from the same messages the same weights. It takes some twenty minutes of two cores.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import jax
import numpy as np
import optax
from tokenizers import Tokenizer

import agent.thinking
from agent.errors import MeaningNotInstalled
from agent.thinking.meaning import OUTPUTS, READ, WEIGHTS
from evaluation.meaning import adapted
from evaluation.meaning.examples import Example, trained_on
from meshkit.minilm import find_weights

EPOCHS: Final = 4
BATCH: Final = 32
RATE: Final = 1e-3
DROPOUT: Final = 0.1
# Texts are padded to one of these, so that few shapes are compiled.
_LENGTHS: Final = (16, 32, 48, 64, 96, 128)
_SMOOTHING: Final = 0.01
# A message that means something is rarer than one that does not, and costs more to miss.
_MEANT_WEIGHT: Final = 1.5
# In place of a 0 or 1, where it is not known.
_UNKNOWN: Final = -1.0
_SEED: Final = 0


def train(examples: Sequence[Example], epochs: int = EPOCHS) -> adapted.Weights:
    """An adapter and logistics that tell what the examples mean."""
    folder = find_weights()
    if folder is None:
        raise SystemExit(str(MeaningNotInstalled()))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(_LENGTHS[-1])
    tokens = [encoding.ids for encoding in tokenizer.encode_batch([example.said for example in examples])]
    wanted_of = np.array([_wanted(example) for example in examples], np.float32)
    own = adapted.frozen(folder, _LENGTHS[-1])
    draw, key = np.random.default_rng(_SEED), jax.random.PRNGKey(_SEED)
    trained = adapted.untrained(OUTPUTS, key)
    steps = epochs * -(-len(examples) // BATCH)
    rate = optax.warmup_cosine_decay_schedule(0.0, RATE, steps // 10, steps)
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(rate, weight_decay=0.01))
    state = optimiser.init(trained)

    def step(trained: Any, state: Any, ids: Any, mask: Any, wanted: Any, key: Any) -> tuple[Any, Any, Any]:
        loss, slope = jax.value_and_grad(_loss)(trained, own, ids, mask, wanted, key)
        change, state = optimiser.update(slope, state, trained)
        return optax.apply_updates(trained, change), state, loss

    compiled = jax.jit(step)
    for epoch in range(epochs):
        began, losses = time.perf_counter(), []
        for places, ids, mask in _batches(tokens, draw):
            wanted = np.full((BATCH, OUTPUTS), _UNKNOWN, np.float32)
            wanted[: len(places)] = wanted_of[places]
            key, drawn = jax.random.split(key)
            trained, state, loss = compiled(trained, state, ids, mask, wanted, drawn)
            losses.append(float(loss))
        print(f"epoch {epoch + 1}: loss {np.mean(losses):.4f}, {time.perf_counter() - began:.0f} s", flush=True)
    return trained


def _wanted(example: Example) -> list[float]:
    """What each output should tell of an example."""
    others = (_UNKNOWN if known is None else float(known) for known in (example.closes, example.left_open))
    return [*(float(reason in example.means) for reason in READ), *others]


def _loss(trained: Any, own: Any, ids: Any, mask: Any, wanted: Any, key: Any) -> Any:
    found = adapted.logits(own, trained, ids, mask, key, DROPOUT)
    known = wanted != _UNKNOWN
    smooth = wanted * (1 - 2 * _SMOOTHING) + _SMOOTHING
    weight = known * (1 + (_MEANT_WEIGHT - 1) * (wanted == 1))
    return (optax.sigmoid_binary_cross_entropy(found, smooth) * weight).sum() / known.sum()


def _batches(tokens: Sequence[Sequence[int]], draw: np.random.Generator) -> Iterator[tuple[Any, Any, Any]]:
    """Texts of nearly one length together, in an order that is drawn anew each time; the last batch is filled up."""
    order = np.argsort([len(ids) + draw.random() * 6 for ids in tokens], kind="stable")
    batches = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
    draw.shuffle(batches)
    for places in batches:
        longest = max(len(tokens[place]) for place in places)
        length = next(each for each in _LENGTHS if each >= longest)
        ids, mask = np.zeros((BATCH, length), np.int32), np.zeros((BATCH, length), np.float32)
        for row, place in enumerate(places):
            ids[row, : len(tokens[place])] = tokens[place]
            mask[row, : len(tokens[place])] = 1
        # What fills up has one token, so that its mean is one of something.
        mask[len(places) :, 0] = 1
        yield places, ids, mask


if __name__ == "__main__":
    target = Path(agent.thinking.__file__).with_name(WEIGHTS)
    np.savez_compressed(target, **adapted.as_file(train(trained_on())))
    print(f"wrote {target.name}, {target.stat().st_size} bytes")
