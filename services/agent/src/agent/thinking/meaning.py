"""What a customer means, where their words alone do not tell: a small model beside the patterns of the rules.

all-MiniLM-L6-v2 with an adapter and one logistic for each reason, trained by `python -m evaluation.meaning.train` on
messages that mean it and on messages that only look so. It reads English only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from types import MappingProxyType
from typing import Final, Self

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # published without types

from agent.errors import MeaningNotInstalled
from agent.model import Reason
from agent.thinking.own_words import own_words
from agent.thinking.sentences import sentences
from agent.thinking.words import language
from meshkit.minilm import MiniLm, find_weights

VERSION: Final = "meaning-1"
"""Which training the weights are from; a new one takes a new version."""

READ: Final = (
    Reason.LEGAL,
    Reason.REFUND_REQUEST,
    Reason.PRICING_NEGOTIATION,
    Reason.HUMAN_REQUESTED,
    Reason.OTHER,
)
"""The reasons whose meaning is read, in the order of the weights."""

NOTHING_READ: Final[Mapping[Reason, float]] = MappingProxyType({})
"""What is read of a text that cannot be read."""

WEIGHTS: Final = "meaning.npz"
"""The adapter, and the logistics `head.weight` and `head.bias`."""

# What was trained on: longer texts are read in pieces, so that one sentence of a long mail still counts.
_PIECE_CHARACTERS_MAX: Final = 500
_PIECES_MAX: Final = 8
_LANGUAGE: Final = "en"


class Meaning:
    """Reads what texts mean, beside the event loop. Entering it loads it (0.2 s, 90 MB); else the first text does."""

    def __init__(self, *, threads: int = 1) -> None:
        self._threads = threads
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="meaning")
        self._network: _Network | None = None

    async def __aenter__(self) -> Self:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._load)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def read(self, texts: Sequence[str]) -> Mapping[Reason, float]:
        """How likely the texts together mean each reason, from 0 to 1; nothing for texts that are not in English.

        Quoted mail and signatures are left out. The surest piece counts.
        """
        said = "\n".join(own for text in texts if (own := own_words(text).strip()))
        if not said or language(said) != _LANGUAGE:
            return NOTHING_READ
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._read, list(pieces(said)))

    def _load(self) -> _Network:
        if self._network is None:
            threadpool_limits(self._threads, user_api="blas")
            self._network = _Network()
        return self._network

    def _read(self, texts: Sequence[str]) -> Mapping[Reason, float]:
        return self._load().read(texts)


def pieces(said: str) -> Iterator[str]:
    """A text in pieces of whole sentences; what lies past the last of them is not read."""
    piece, count = "", 0
    for line in said.splitlines():
        for sentence in sentences(line):
            if piece and len(piece) + len(sentence) >= _PIECE_CHARACTERS_MAX:
                yield piece
                piece, count = "", count + 1
                if count == _PIECES_MAX:
                    return
            piece = f"{piece}\n{sentence}" if piece else sentence
    if piece:
        yield piece


class _Network:
    def __init__(self) -> None:
        folder = find_weights()
        if folder is None:
            raise MeaningNotInstalled
        with resources.files("agent.thinking").joinpath(WEIGHTS).open("rb") as file, np.load(file) as weights:
            trained = {name: weights[name].astype(np.float32) for name in weights.files}
        self._weight, self._bias = trained.pop("head.weight"), trained.pop("head.bias")
        self._model = MiniLm(folder, trained)

    def read(self, texts: Sequence[str]) -> Mapping[Reason, float]:
        surest = np.max(self._model.pool(texts) @ self._weight + self._bias, axis=0)
        return dict(zip(READ, (1 / (1 + np.exp(-surest))).tolist(), strict=True))
