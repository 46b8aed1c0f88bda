"""How many tokens a text has, as near as a rule comes without the vocabulary: about four characters of English each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

# As OpenAI's tokenizers cut a text before they look into their vocabulary: a word with the space before it, up to
# three digits, a run of punctuation, a run of white space.
_PIECE: Final = re.compile(r" ?[^\W\d_]+|\d{1,3}| ?(?:[^\w\s]|_)+|\s+")
_WORD_CHARACTERS_MAX: Final = 9
_PART_CHARACTERS: Final = 5
_FOREIGN_PART_CHARACTERS: Final = 2
_MARKS_IN_ONE: Final = 3


def count(text: str) -> int:
    """The tokens of a text; 0 for none."""
    return sum(_tokens(piece.group()) for piece in _PIECE.finditer(text))


def split(text: str, *, pieces_max: int) -> Iterator[str]:
    """The text in the pieces that a stream brings it in, at most about so many. Joined they are the text."""
    size = len(text) // pieces_max + 1
    start = 0
    for piece in _PIECE.finditer(text):
        if piece.end() - start >= size:
            yield text[start : piece.end()]
            start = piece.end()
    if start < len(text):
        yield text[start:]


def cut(text: str, tokens_max: int) -> str:
    """The beginning of a text that has at most so many tokens."""
    room = tokens_max
    for piece in _PIECE.finditer(text):
        room -= _tokens(piece.group())
        if room < 0:
            return text[: piece.start()]
    return text


def _tokens(piece: str) -> int:
    body = piece.strip(" ")
    if not body or body.isspace() or body.isdigit():
        return 1
    if not body[0].isalpha():
        return -(-len(body) // _MARKS_IN_ONE)
    if not body.isascii():
        return -(-len(body) // _FOREIGN_PART_CHARACTERS)
    return 1 if len(body) <= _WORD_CHARACTERS_MAX else -(-len(body) // _PART_CHARACTERS)
