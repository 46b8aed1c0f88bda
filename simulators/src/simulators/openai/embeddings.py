"""Embeddings: vectors that are near each other for texts that share words, made without a model."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from array import array
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from simulators.openai import reading, tokens
from simulators.openai.catalogue import Catalogue, ServedModel
from simulators.openai.errors import invalid, missing, too_long, wrong_type

INPUT: Final = "input"
INPUTS_MAX: Final = 2048
TOKENS_MAX: Final = 300_000
_WORD: Final = re.compile(r"[^\W_]+")
_STEM_CHARACTERS: Final = 6


def tokens_of(body: Mapping[str, Any], catalogue: Catalogue) -> int:
    """What embedding the request's texts costs. Raises ApiError for a request that is refused."""
    model, texts = _read(body, catalogue)
    counts = [len(text) if isinstance(text, list) else tokens.count(text) for text in texts]
    for count in counts:
        if count > model.context_tokens:
            raise too_long(model.context_tokens, count, INPUT)
    if sum(counts) > TOKENS_MAX:
        raise invalid(f"Requested {sum(counts)} tokens, max {TOKENS_MAX} tokens per request.", INPUT)
    return sum(counts)


def answer(body: Mapping[str, Any], catalogue: Catalogue, tokens_used: int) -> dict[str, Any]:
    """The answer to a request that `tokens_of` has let pass. Raises ApiError."""
    model, texts = _read(body, catalogue)
    dimensions = reading.positive(body, "dimensions") or model.dimensions
    if dimensions != model.dimensions and not (model.can_shorten and dimensions < model.dimensions):
        raise invalid(f"Invalid 'dimensions': this model gives {model.dimensions}.", "dimensions", "invalid_value")
    encoding = body.get("encoding_format") or "float"
    if encoding not in ("float", "base64"):
        raise invalid("Invalid 'encoding_format': expected float or base64.", "encoding_format", "invalid_value")
    vectors = [vector(text if isinstance(text, str) else " ".join(map(str, text)), dimensions) for text in texts]
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": _base64(each) if encoding == "base64" else list(each)}
            for index, each in enumerate(vectors)
        ],
        "model": model.snapshot,
        "usage": {"prompt_tokens": tokens_used, "total_tokens": tokens_used},
    }


def vector(text: str, dimensions: int) -> array[float]:
    """A unit vector: each word's beginning adds or takes away at a place that its hash names."""
    sums = [0.0] * dimensions
    words = Counter(word[:_STEM_CHARACTERS] for word in _WORD.findall(text.casefold())) or Counter([text])
    for word, count in words.items():
        digest = hashlib.blake2b(word.encode(), digest_size=9).digest()
        sums[int.from_bytes(digest[:8]) % dimensions] += (1 + math.log(count)) * (1 if digest[8] & 1 else -1)
    length = math.sqrt(sum(value * value for value in sums))
    if not length:
        # Two words that cancel each other out.
        sums[0] = length = 1.0
    return array("f", (value / length for value in sums))


def _read(body: Mapping[str, Any], catalogue: Catalogue) -> tuple[ServedModel, list[str | list[int]]]:
    if "model" not in body:
        raise invalid("You must provide a model parameter.", "model")
    model = catalogue.find(reading.string(body, "model"), "embedding")
    given = body.get(INPUT)
    if given is None:
        raise missing(INPUT)
    texts = [given] if isinstance(given, str) or _are_tokens(given) else given
    if not isinstance(texts, list):
        raise wrong_type(INPUT, "a string, or an array of strings, tokens or arrays of tokens")
    if not 0 < len(texts) <= INPUTS_MAX:
        raise invalid(f"Invalid 'input': expected 1 to {INPUTS_MAX} texts.", INPUT, "invalid_value")
    for index, text in enumerate(texts):
        if not text or not (isinstance(text, str) or _are_tokens(text)):
            raise invalid(f"Invalid 'input[{index}]': expected a text that is not empty.", INPUT, "invalid_value")
    return model, texts


def _are_tokens(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, int) for each in value)


def _base64(values: array[float]) -> str:
    # Little-endian, as the client libraries read it; so is every machine that this runs on.
    return base64.b64encode(values.tobytes()).decode()
