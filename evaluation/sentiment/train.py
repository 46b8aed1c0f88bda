"""Trains the model of mood, and prints how well it does beside a lexicon alone.

    python -m evaluation.sentiment.train          train, write the agent's weights, measure on the test part
    python -m evaluation.sentiment.train --try    compare settings by cross-validation over the training part alone

The same messages and lexicon give the same bytes.
"""

from __future__ import annotations

import argparse
import base64
import json
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from agent.thinking.sentiment import BITS, DENSE, LEVELS, MODEL, MOODS, Features, Lexicon, Model, features
from evaluation.intervals import Share

HERE: Final = Path(__file__).parent
MESSAGES: Final = HERE / "messages.jsonl"
LEXICON: Final = HERE / "lexicon.toml"

BELOW: Final = 0.3
"""A message with a lower score goes to a person."""

_BELOW_MOOD: Final = "bitter"
_PENALTY: Final = 6e-4
_STEPS: Final = 400
_FOLDS: Final = 5
_SEED: Final = 1
_WEIGHT_MAX: Final = 127

_Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Labelled:
    """A short message of a customer and the mood it is in."""

    part: str
    language: str
    mood: str
    text: str


def labelled(part: str) -> list[Labelled]:
    """The messages of a part, `train` or `test`."""
    rows = [Labelled(**json.loads(line)) for line in MESSAGES.read_text("utf-8").splitlines()]
    return [row for row in rows if row.part == part]


def lists() -> dict[str, dict[str, str]]:
    """The lexicon as it is written down."""
    return tomllib.loads(LEXICON.read_text("utf-8"))


@dataclass(frozen=True, slots=True)
class Weights:
    """What a fit has found: for each feature and mood a weight, and for each mood a bias."""

    features: _Matrix
    bias: _Matrix

    def probabilities(self, rows: _Matrix) -> _Matrix:
        """The moods' probabilities of each row."""
        return _softmax(rows @ self.features + self.bias)


def matrix(each: Sequence[Features]) -> _Matrix:
    """The features as rows: hashed ones first, then the dense ones."""
    rows = np.zeros((len(each), (1 << BITS) + len(DENSE)))
    for row, one in zip(rows, each, strict=True):
        np.add.at(row, list(one.hashed), one.weight)
        row[1 << BITS :] = one.dense
    return rows


def fit(rows: _Matrix, moods: npt.NDArray[np.int64], penalty: float = _PENALTY) -> Weights:
    """Multinomial logistic regression with an L2 penalty, by accelerated gradient descent from zero.

    There are fewer rows than features, so that the weights are sought as sums of rows.
    """
    count = len(rows)
    wanted = np.eye(len(MOODS))[moods]
    kernel = rows @ rows.T
    step = 1 / (float(np.linalg.eigvalsh(kernel)[-1]) / count / 2 + penalty)
    shares = ahead = np.zeros((count, len(MOODS)))
    bias = np.zeros(len(MOODS))
    momentum = 1.0
    for _ in range(_STEPS):
        slope = (_softmax(kernel @ ahead + bias) - wanted) / count
        moved = ahead - step * (slope + penalty * ahead)
        bias = bias - slope.sum(axis=0) / 2
        grown = (1 + np.sqrt(1 + 4 * momentum * momentum)) / 2
        ahead = moved + (momentum - 1) / grown * (moved - shares)
        shares, momentum = moved, grown
    return Weights(rows.T @ shares, bias)


def as_file(weights: Weights) -> dict[str, Any]:
    """The weights and the lexicon as `Model` reads them, rounded to what a file should hold."""
    hashed = weights.features[: 1 << BITS].T
    scales = [float(np.abs(row).max()) / _WEIGHT_MAX or 1.0 for row in hashed]
    rounded = [np.round(row / scale).astype(np.int8) for row, scale in zip(hashed, scales, strict=True)]
    return {
        "moods": MOODS,
        "hashed": [base64.b64encode(row.tobytes()).decode() for row in rounded],
        "scales": [round(scale, 9) for scale in scales],
        "dense": np.round(weights.features[1 << BITS :].T, 5).tolist(),
        "bias": np.round(weights.bias, 5).tolist(),
        "lexicon": {
            kind: {language: " ".join(each.split()) for language, each in by.items()} for kind, by in lists().items()
        },
    }


def train() -> dict[str, Any]:
    """The model of the training part, as the content of the agent's `sentiment.json`."""
    messages, lexicon = labelled("train"), Lexicon(lists())
    rows = matrix([features(message.text, lexicon) for message in messages])
    return as_file(fit(rows, _numbers(messages)))


def by_lexicon(text: str, lexicon: Lexicon) -> float:
    """The baseline: words of praise less words of bitterness, brought between 0 and 1. No word found is 0.5."""
    found = dict(zip(DENSE, features(text, lexicon).dense, strict=True))
    difference = found["pleased"] - found["bitter"] - found["trouble"] / 3
    return float(1 / (1 + np.exp(-2.5 * difference)))


@dataclass(frozen=True, slots=True)
class Detection:
    """How well a score finds the bitter messages, at the bound below which a person takes over."""

    accuracy: Share
    precision: Share
    recall: Share


def detection(score: Callable[[str], float], messages: Sequence[Labelled]) -> Detection:
    """How well a score does on messages."""
    said = [score(message.text) < BELOW for message in messages]
    meant = [message.mood == _BELOW_MOOD for message in messages]
    hits = sum(one and other for one, other in zip(said, meant, strict=True))
    right = sum(one == other for one, other in zip(said, meant, strict=True))
    return Detection(Share(right, len(messages)), Share(hits, sum(said)), Share(hits, sum(meant)))


def cross_validated(rows: _Matrix, moods: npt.NDArray[np.int64], penalty: float) -> tuple[float, float, float]:
    """Precision and recall below the bound, and the mean log loss, each message judged by a fit that never saw it."""
    folds = np.random.default_rng(_SEED).permutation(len(rows)) % _FOLDS
    found = np.zeros((len(rows), len(MOODS)))
    for fold in range(_FOLDS):
        found[folds == fold] = fit(rows[folds != fold], moods[folds != fold], penalty).probabilities(
            rows[folds == fold]
        )
    said, meant = found @ np.array(LEVELS) < BELOW, moods == MOODS.index(_BELOW_MOOD)
    hits = float((said & meant).sum())
    loss = -float(np.log(found[np.arange(len(rows)), moods]).mean())
    return hits / max(1.0, float(said.sum())), hits / float(meant.sum()), loss


def compare() -> None:
    """Prints what cross-validation says of penalties and of each kind of feature alone."""
    messages, lexicon = labelled("train"), Lexicon(lists())
    rows, moods = matrix([features(message.text, lexicon) for message in messages]), _numbers(messages)
    kinds: Mapping[str, slice] = {"both": slice(None), "hashed": slice(1 << BITS), "lexicon": slice(1 << BITS, None)}
    for name, columns in kinds.items():
        for penalty in (1e-4, 3e-4, 6e-4, 1e-3, 3e-3):
            precision, recall, loss = cross_validated(rows[:, columns], moods, penalty)
            print(f"{name:8} penalty {penalty:.0e}  precision {precision:.3f}  recall {recall:.3f}  loss {loss:.3f}")


def report(model: Model) -> None:
    """Prints how the model and the baseline do on the test part, in all and in each language."""
    messages, lexicon = labelled("test"), Lexicon(lists())
    scores: Mapping[str, Callable[[str], float]] = {
        "model": model.score,
        "lexicon alone": lambda text: by_lexicon(text, lexicon),
    }
    for language in ("all", *sorted({message.language for message in messages})):
        some = [message for message in messages if language in ("all", message.language)]
        for name, score in scores.items():
            found = detection(score, some)
            print(f"{language:3} {name:13} accuracy  {found.accuracy}")
            print(f"{'':17} precision {found.precision}\n{'':17} recall    {found.recall}")
    began = time.perf_counter()
    for message in messages:
        model.score(message.text)
    print(f"{1000 * (time.perf_counter() - began) / len(messages):.3f} ms a message")


def _numbers(messages: Sequence[Labelled]) -> npt.NDArray[np.int64]:
    return np.array([MOODS.index(message.mood) for message in messages])


def _softmax(logits: _Matrix) -> _Matrix:
    raised: _Matrix = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: _Matrix = raised / raised.sum(axis=1, keepdims=True)
    return shares


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--try", action="store_true", dest="compare", help="cross-validate instead of training")
    if parser.parse_args().compare:
        compare()
    else:
        MODEL.write_text(json.dumps(train(), ensure_ascii=False, indent=1) + "\n", "utf-8")
        report(Model(json.loads(MODEL.read_text("utf-8"))))
