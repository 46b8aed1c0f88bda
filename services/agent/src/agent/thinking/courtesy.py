"""Messages that ask for nothing: thanks and greetings, and the kind words that close them.

Narrow on purpose: a question taken for thanks would never be answered, while thanks taken for a question only cost a
search. So every sentence has to be one of courtesy or of something settled, in all of its words, or the model of
meaning is all but certain.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from agent.thinking.sentences import sentences
from agent.thinking.words import LISTS, language, words

_THANKS: Final = frozenset(LISTS["courtesy"]["thanks"].split())
_GREETINGS: Final = frozenset(LISTS["courtesy"]["greetings"].split())
_SETTLED: Final = frozenset(LISTS["courtesy"]["settled"].split())
_FILLERS: Final = frozenset(LISTS["courtesy"]["fillers"].split())
_OBJECTIONS: Final = frozenset(LISTS["courtesy"]["objections"].split())
_PHRASES: Final = re.compile(LISTS["courtesy"]["phrases"], re.IGNORECASE)
_NAME: Final = re.compile(r"^\W*[A-ZÀ-Ý][\w.'-]*(?:[ ,]+[\w&.'-]+){0,3}\W*$")
CLOSES_MIN: Final = 0.9
"""Chosen on `evaluation/thanks.jsonl`: from 0.8 on, a message that reports something more is closed as well."""
_WORDS_MAX: Final = 40
# What is longer tells more than thanks.
_READ_WORDS_MAX: Final = 80
# "The invoice has arrived": so many words say what is settled.
_SUBJECT_WORDS_MAX: Final = 2


class Courtesy(StrEnum):
    """What a message without a question is."""

    THANKS = "thanks"
    GREETING = "greeting"


def courtesy(texts: Sequence[str], closes: float = 0.0) -> Courtesy | None:
    """What messages are that ask for nothing; None when any of their sentences may ask, report or object.

    `closes` is how likely they end the conversation, as `Meaning.read` has it: from `CLOSES_MIN` on, longer thanks in
    other words close it, too.
    """
    text = "\n".join(texts)
    said = words(text)
    if "?" in text or "¿" in text:
        return None
    if closes >= CLOSES_MIN and _THANKS & set(said) and len(said) <= _READ_WORDS_MAX:
        return Courtesy.THANKS
    if len(said) > _WORDS_MAX:
        return None
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and _NAME.match(lines[-1]) and not _is_one(lines[-1]):
        # Signed with a name.
        del lines[-1]
    parts = [sentence for line in lines for sentence in sentences(line)]
    if not parts or not all(map(_is_one, parts)):
        return None
    every = set(words(_PHRASES.sub(" settled ", text)))
    if every & (_THANKS | _SETTLED):
        return Courtesy.THANKS
    return Courtesy.GREETING if every & _GREETINGS else None


def closing(kind: Courtesy, texts: Sequence[str]) -> str:
    """The kind words for such a message, in its language. They state nothing."""
    found: str = LISTS["closings"][language("\n".join(texts))][kind]
    return found


def _is_one(sentence: str) -> bool:
    said = words(_PHRASES.sub(" settled ", sentence))
    if any(word in _OBJECTIONS or any(each.isdigit() for each in word) for word in said):
        return False
    rest = [place for place, word in enumerate(said) if word not in _THANKS | _GREETINGS | _SETTLED | _FILLERS]
    if not rest:
        return True
    # "The export works" is settled, "the export works slowly" is not.
    return len(rest) <= _SUBJECT_WORDS_MAX and any(word in _SETTLED for word in said[rest[-1] :])
