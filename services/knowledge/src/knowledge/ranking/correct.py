"""Typing errors in a question, mended towards the words that the knowledge base uses."""

import re
from collections import Counter
from collections.abc import Collection, Iterable

from rapidfuzz import process
from rapidfuzz.distance import OSA

_WORD = re.compile(r"[^\W\d_]+")
# Shorter words have too many neighbours, longer ones room for a second slip.
_LETTERS_MIN = 5
_LETTERS_FOR_TWO_SLIPS = 8
_ENDINGS = ("s", "es", "d", "ed", "ing", "er", "ly")


class Corrector:
    """Mends words that nobody uses into words that the texts use.

    A word is left alone if the texts or `known` (words of the language, lower case) have it, or its stem. Otherwise it
    becomes the nearest word of the texts: one slip away (a letter too many, too few, another, or two exchanged;
    Damerau's), two for words of 8 letters and more, and with the same first letter, which people rarely get wrong.
    """

    def __init__(self, texts: Iterable[str], known: Collection[str]) -> None:
        self._used = Counter(word for text in texts for word in {match.lower() for match in _WORD.findall(text)})
        self._known = known
        self._by_first: dict[str, list[str]] = {}
        for word in sorted(self._used):
            if len(word) >= _LETTERS_MIN - 1:
                self._by_first.setdefault(word[0], []).append(word)

    def mend(self, question: str) -> str:
        """Returns the question with its misspelt words mended; the same text where there are none."""
        return _WORD.sub(lambda match: self._mended(match[0]), question)

    def _mended(self, word: str) -> str:
        lower = word.lower()
        if len(lower) < _LETTERS_MIN or self._is_a_word(lower):
            return word
        slips = 1 if len(lower) < _LETTERS_FOR_TWO_SLIPS else 2
        near = process.extract(
            lower, self._by_first.get(lower[0], ()), scorer=OSA.distance, score_cutoff=slips, limit=None
        )
        # Of words equally near, the one that the texts use most.
        return min(near, key=lambda found: (found[1], -self._used[found[0]], found[0]))[0] if near else word

    def _is_a_word(self, lower: str) -> bool:
        stems = {lower, *(lower.removesuffix(ending) for ending in _ENDINGS)}
        return any(stem in words for stem in stems for words in (self._used, self._known)) or any(
            lower + ending in self._used for ending in _ENDINGS
        )
