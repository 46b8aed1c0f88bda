"""What a customer means, where their words alone do not tell: a small model beside the patterns of the rules.

all-MiniLM-L6-v2 with an adapter and one logistic for each reason and for what else is read, trained by `python -m
evaluation.meaning.train` on messages that mean it and on messages that only look so. It reads English only.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import resources
from types import MappingProxyType
from typing import Final, Self

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # published without types

from agent.errors import MeaningNotInstalled
from agent.model import Reason
from agent.thinking.own_words import own_text
from agent.thinking.sentences import sentences
from agent.thinking.words import language
from meshkit.minilm import MiniLm, find_weights

VERSION: Final = "meaning-2"
"""Which training the weights are from; a new one takes a new version."""

READ: Final = (
    Reason.LEGAL,
    Reason.REFUND_REQUEST,
    Reason.PRICING_NEGOTIATION,
    Reason.HUMAN_REQUESTED,
    Reason.OTHER,
)
"""The reasons whose meaning is read, in the order of the weights."""


@dataclass(frozen=True, slots=True)
class Read:
    """What a text means, each from 0 to 1: how likely each reason, that it asks for nothing any more (`closes`), and
    that no document answers what it asks (`left_open`), as of the documents that it was trained with."""

    reasons: Mapping[Reason, float] = field(default_factory=lambda: MappingProxyType({}))
    closes: float = 0.0
    left_open: float = 0.5


NOTHING_READ: Final = Read()
"""What is read of a text that cannot be read."""

OUTPUTS: Final = len(READ) + 2
"""What the logistics tell: the reasons, `closes` and `left_open`."""

WEIGHTS: Final = "meaning.npz"
"""The adapter, and the logistics `head.weight` and `head.bias`."""

# What was trained on: longer texts are read in pieces, so that one sentence of a long mail still counts.
_PIECE_CHARACTERS_MAX: Final = 500
_PIECES_MAX: Final = 8
_LANGUAGE: Final = "en"
# The rules and the local model read the same message, one shortly after the other.
_REMEMBERED_MAX: Final = 64


class Meaning:
    """Reads what texts mean, beside the event loop. Entering it loads it (0.2 s, 90 MB); else the first text does."""

    def __init__(self, *, threads: int = 1) -> None:
        self._threads = threads
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="meaning")
        self._network: _Network | None = None
        self._remembered: OrderedDict[str, Read] = OrderedDict()

    async def __aenter__(self) -> Self:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._load)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def read(self, texts: Sequence[str]) -> Read:
        """What the texts together mean; nothing for texts that are not in English.

        Quoted mail and signatures are left out. The surest piece counts, for `closes` the one that is least sure.
        """
        said = own_text(texts)
        if not said or language(said) != _LANGUAGE:
            return NOTHING_READ
        if (known := self._remembered.get(said)) is not None:
            return known
        read = await asyncio.get_running_loop().run_in_executor(self._thread, self._read, list(pieces(said)))
        self._remembered[said] = read
        if len(self._remembered) > _REMEMBERED_MAX:
            self._remembered.popitem(last=False)
        return read

    def _load(self) -> _Network:
        if self._network is None:
            threadpool_limits(self._threads, user_api="blas")
            self._network = _Network()
        return self._network

    def _read(self, texts: Sequence[str]) -> Read:
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

    def read(self, texts: Sequence[str]) -> Read:
        likely = 1 / (1 + np.exp(-(self._model.pool(texts) @ self._weight + self._bias)))
        *reasons, _, left_open = likely.max(axis=0).tolist()
        return Read(dict(zip(READ, reasons, strict=True)), float(likely[:, -2].min()), left_open)
