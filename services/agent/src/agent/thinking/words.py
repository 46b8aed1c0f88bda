"""Words of a text, reduced so that two texts can be compared, and the language they are in."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import Any, Final

LISTS: Final[Mapping[str, Any]] = tomllib.loads(
    resources.files("agent.thinking").joinpath("words.toml").read_text("utf-8")
)
"""The lists of `words.toml`, each a text of words between spaces."""

_WORD: Final = re.compile(r"\w+(?:'\w+)?")
# The typographic ones, the modifier letter and the grave accent, as phones and word processors write them.
_APOSTROPHES: Final = str.maketrans(dict.fromkeys("\u2019\u2018\u02bc`", "'"))
# Longest first. Crude on purpose: it only has to bring the forms of one word together, not to find its root.
_SUFFIXES: Final = (
    "ations",
    "ation",
    "ments",
    "ment",
    "ings",
    "ing",
    "ies",
    "ied",
    "ers",
    "ed",
    "er",
    "es",
    "ly",
    "s",
    "y",
)
_STEM_LETTERS_MIN: Final = 3
_STEM_LETTERS_MAX: Final = 7

STOP_WORDS: Final = frozenset(LISTS["stop_words"].split())
"""English words that say nothing about the subject of a text."""

NEGATIONS: Final = frozenset(LISTS["negations"].split())
"""English words that turn a statement round; so do the contractions that end in n't."""

NEGATIONS_BY_LANGUAGE: Final = NEGATIONS | frozenset(LISTS["negations_elsewhere"].split())
"""The same in every language that we read."""

_FUNCTION_WORDS: Final[Mapping[str, frozenset[str]]] = {
    name: frozenset(each.split()) for name, each in LISTS["function_words"].items()
}
_LANGUAGES_BY_WORD: Final = {
    word: frozenset(language for language, words in _FUNCTION_WORDS.items() if word in words)
    for words in _FUNCTION_WORDS.values()
    for word in words
}


def normalised(text: str) -> str:
    """The text in one Unicode form, with plain apostrophes, so that what looks the same compares the same."""
    return unicodedata.normalize("NFKC", text).translate(_APOSTROPHES)


def words(text: str) -> list[str]:
    """The words and numbers of a text in lower case, in order."""
    return _WORD.findall(normalised(text).casefold())


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """A word without its ending: forms of one word come out the same."""
    word = word.removesuffix("'s")
    if word.isdigit():
        return word
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= _STEM_LETTERS_MIN:
            word = word.removesuffix(suffix)
            break
    # plan and planned, price and pricing
    if len(word) > _STEM_LETTERS_MIN and word[-1] == word[-2]:
        word = word[:-1]
    return word.removesuffix("e")[:_STEM_LETTERS_MAX] if len(word) > _STEM_LETTERS_MIN else word


def content_stems(text: str) -> list[str]:
    """The stems of the words that carry the text's subject, in order, repeats included."""
    return [stem(word) for word in words(text) if word not in STOP_WORDS and len(word) > 1]


def is_negated(text: str) -> bool:
    """Whether an English sentence says that something is not so."""
    return any(word in NEGATIONS or word.endswith("n't") for word in words(text))


def language(text: str) -> str:
    """The language a text is in, as far as its small words tell: `en`, `de`, `es`, `fr` or `pt`. `en` in doubt."""
    counts = dict.fromkeys(_FUNCTION_WORDS, 0)
    for word in words(text):
        for found in _LANGUAGES_BY_WORD.get(word, ()):
            counts[found] += 1
    best = max(counts, key=lambda name: counts[name])
    return best if counts[best] > counts["en"] else "en"
