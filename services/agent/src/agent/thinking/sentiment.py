"""How a customer feels, from 0 (very negative) to 1 (delighted), in five languages and without a network.

A logistic regression over two kinds of evidence: hashed parts of words, which generalise over endings and typing
errors, and counts of words from a lexicon, which know more words than any training set of this size. Everything that
is needed stands in `sentiment.json`, which is made by `python -m evaluation.sentiment.train`.
"""

from __future__ import annotations

import base64
import json
import math
import re
import unicodedata
import zlib
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

MODEL: Final = Path(__file__).with_name("sentiment.json")

MOODS: Final = ("bitter", "trouble", "plain", "pleased")
"""What the regression tells apart: beyond a fault, an ordinary fault, no mood at all, praise and thanks."""

LEVELS: Final = (0.1, 0.4, 0.55, 0.9)
"""Where each mood stands between 0 and 1: a score is the mean of these, weighted by the moods' probabilities."""

KINDS: Final = ("bitter", "trouble", "pleased", "ask", "stronger", "turned")
"""The lists of the lexicon."""

BITS: Final = 14
"""Hashed features are numbered below 2 ** BITS. Collisions cost little at this size and keep the file small."""

_NGRAM_LETTERS: Final = range(3, 6)
# Chosen by cross-validation over the training part, as train.py does it again with --try.
_NGRAM_WEIGHT: Final = 2.0
_LEXICON_WEIGHT: Final = 0.4
# So that one long message cannot outweigh what it says by how often it says it.
_COUNT_MAX: Final = 3
# A negation reaches this many words: "not at all happy", "ninguna queja del servicio".
_NEGATION_WORDS: Final = 3
# A short word in capitals is a name or a key; a sentence of them is a voice.
_SHOUT_LETTERS_MIN: Final = 16
_SHOUT_SHARE_MIN: Final = 0.7
# Chosen on the tune split of the labelled messages: more of it finds no more, and takes sober messages along.
_WORST_SHARE: Final = 1 / 3
_CHARACTERS_MAX: Final = 4000
_WORDS_KEPT_MAX: Final = 50_000

_WORD: Final = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*|\d+")
_APOSTROPHES: Final = str.maketrans(dict.fromkeys("\u2019\u2018\u02bc`", "'"))
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+|\n+")
_TURNABLE: Final = ("bitter", "trouble", "pleased")

DENSE: Final = (*KINDS, *(f"{kind} turned" for kind in _TURNABLE), "asks", "exclaims", "shouts", "says no mood")
"""The features that are not hashed, in the order of their weights."""


def words(text: str) -> list[str]:
    """The words and numbers of a text in lower case, with plain apostrophes."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).translate(_APOSTROPHES).casefold())


class Lexicon:
    """Which lists a word or a phrase of two words stands in."""

    def __init__(self, lists: Mapping[str, Mapping[str, str]]) -> None:
        self._exact: dict[str, set[str]] = {}
        self._stems: dict[str, set[str]] = {}
        for kind, by_language in lists.items():
            for entry in " ".join(by_language.values()).casefold().split():
                known = self._stems if entry.endswith("*") else self._exact
                known.setdefault(entry.removesuffix("*").replace("_", " "), set()).add(kind)
        self._letters_max = max(map(len, self._stems), default=0)

    def kinds(self, word: str) -> frozenset[str]:
        """The lists that hold the word itself or a stem that it begins with."""
        found = set(self._exact.get(word, ()))
        for letters in range(1, min(len(word), self._letters_max) + 1):
            found |= self._stems.get(word[:letters], set())
        return frozenset(found)

    def phrase_kinds(self, phrase: str) -> frozenset[str]:
        """The lists that hold a phrase of two words."""
        return frozenset(self._exact.get(phrase, ()))


def bucket(part: str) -> int:
    """The number of a hashed feature."""
    return zlib.crc32(part.encode()) & ((1 << BITS) - 1)


def word_buckets(word: str) -> list[int]:
    """The hashed features of one word: itself and its parts, with its ends marked."""
    marked = f"<{word}>"
    parts = (
        marked[start : start + letters] for letters in _NGRAM_LETTERS for start in range(len(marked) - letters + 1)
    )
    return [bucket(f"{word} "), *map(bucket, parts)]


@dataclass(frozen=True, slots=True)
class Features:
    """What the regression sees of one sentence: hashed features, each to be weighed by `weight`, and `dense` ones."""

    hashed: Sequence[int]
    weight: float
    dense: Sequence[float]


def features(text: str, lexicon: Lexicon) -> Features:
    """What the regression sees of a text. `train.py` fits on these; `Model` computes the same sums from kept parts."""
    found = words(text)
    phrases = [f"{first} {second}" for first, second in pairwise(found)]
    hashed = [number for word in found for number in word_buckets(word)] + [bucket(phrase) for phrase in phrases]
    kinds = [lexicon.kinds(word) for word in found]
    for index, phrase in enumerate(phrases, 1):
        kinds[index] |= lexicon.phrase_kinds(phrase)
    return Features(hashed, _hashed_weight(len(hashed)), _dense(text, kinds))


def _hashed_weight(count: int) -> float:
    # Of unit length, whatever the length of the text.
    return _NGRAM_WEIGHT / math.sqrt(count) if count else 0.0


def _dense(text: str, kinds_of_words: Sequence[frozenset[str]]) -> list[float]:
    counts = dict.fromkeys(DENSE, 0)
    turned_until = -1
    for index, kinds in enumerate(kinds_of_words):
        for kind in kinds:
            is_turned = index <= turned_until and kind in _TURNABLE
            counts[f"{kind} turned" if is_turned else kind] += 1
        if "turned" in kinds:
            turned_until = index + _NEGATION_WORDS
    counts["asks"] = "?" in text
    counts["exclaims"] = text.count("!")
    counts["shouts"] = _is_in_capitals(text)
    counts["says no mood"] = not any(counts[kind] for kind in _TURNABLE)
    return [_LEXICON_WEIGHT * min(count, _COUNT_MAX) for count in counts.values()]


def _is_in_capitals(text: str) -> bool:
    upper = sum(map(str.isupper, text))
    letters = upper + sum(map(str.islower, text))
    return letters >= _SHOUT_LETTERS_MIN and upper >= _SHOUT_SHARE_MIN * letters


class Model:
    """A trained regression. Safe to share: it only keeps sums for words it has met."""

    def __init__(self, file: Mapping[str, Any]) -> None:
        self._lexicon = Lexicon(file["lexicon"])
        # One byte a weight, all of a mood scaled alike: the file stays small and the scores move by less than 0.01.
        self._hashed = [array("b", base64.b64decode(each)) for each in file["hashed"]]
        self._scales: list[float] = file["scales"]
        self._dense: list[list[float]] = file["dense"]
        self._bias: list[float] = file["bias"]
        self._words: dict[str, tuple[frozenset[str], int, tuple[float, ...]]] = {}

    def score(self, text: str) -> float:
        """How the writer feels, from 0 (very negative) to 1 (delighted); about 0.5 where nothing tells.

        The whole and, to a lesser part, its worst sentence: one bitter sentence in a long and sober mail counts.
        Only the first 4000 characters are read.
        """
        text = text[:_CHARACTERS_MAX]
        sentences = [each for each in _SENTENCE_END.split(text) if each.strip()]
        whole = self._level(text)
        if len(sentences) < 2:
            return whole
        return (1 - _WORST_SHARE) * whole + _WORST_SHARE * min(map(self._level, sentences))

    def probabilities(self, text: str) -> dict[str, float]:
        """How likely each mood is for a text taken as one."""
        return dict(zip(MOODS, softmax(self.logits(text)), strict=True))

    def _level(self, text: str) -> float:
        return sum(level * share for level, share in zip(LEVELS, softmax(self.logits(text)), strict=True))

    def logits(self, text: str) -> list[float]:
        """What `probabilities` is made of."""
        kinds: list[frozenset[str]] = []
        count = 0
        sums = [0.0] * len(MOODS)
        last = ""
        for word in words(text):
            kinds_of_word, buckets, of_word = self._word(word)
            if last:
                phrase = f"{last} {word}"
                kinds_of_word |= self._lexicon.phrase_kinds(phrase)
                number = bucket(phrase)
                buckets += 1
                sums = [each + row[number] for each, row in zip(sums, self._hashed, strict=True)]
            sums = [each + more for each, more in zip(sums, of_word, strict=True)]
            count += buckets
            kinds.append(kinds_of_word)
            last = word
        return self._logits(sums, _hashed_weight(count), _dense(text, kinds))

    def logits_of(self, seen: Features) -> list[float]:
        """The same from the features that training uses: slower, and the measure of what `logits` must give."""
        sums = [float(sum(row[number] for number in seen.hashed)) for row in self._hashed]
        return self._logits(sums, seen.weight, seen.dense)

    def _logits(self, sums: Sequence[float], weight: float, dense: Sequence[float]) -> list[float]:
        return [
            bias + weight * scale * each + sum(map(float.__mul__, row, dense))
            for bias, scale, each, row in zip(self._bias, self._scales, sums, self._dense, strict=True)
        ]

    def _word(self, word: str) -> tuple[frozenset[str], int, tuple[float, ...]]:
        known = self._words.get(word)
        if known is None:
            buckets = word_buckets(word)
            sums = tuple(float(sum(row[number] for number in buckets)) for row in self._hashed)
            known = (self._lexicon.kinds(word), len(buckets), sums)
            if len(self._words) < _WORDS_KEPT_MAX:
                self._words[word] = known
        return known


def softmax(logits: Sequence[float]) -> list[float]:
    """Probabilities from logits."""
    top = max(logits)
    raised = [math.exp(each - top) for each in logits]
    return [each / sum(raised) for each in raised]


@cache
def model() -> Model:
    """The model that is checked in."""
    return Model(json.loads(MODEL.read_text("utf-8")))


def score(text: str) -> float:
    """How the writer of a text feels, from 0 (very negative) to 1 (delighted). Below 0.3 a person takes over."""
    return model().score(text)
