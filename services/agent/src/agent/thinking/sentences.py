"""Sentences and steps of a text, clauses of a sentence, and what in them has to be exact."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from agent.thinking.words import normalised

# A period ends a sentence only before space and something that begins one: 1.5, e.g. and a.example stay whole.
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+(?=[\"'(¿¡]?[A-ZÀ-Ý0-9])")
_CLAUSE_END: Final = re.compile(r"[;:]\s+|,\s+(?=(?:and|or|but|so|which|who|where)\b)|\s+(?=but\b|unless\b|until\b)")
_STEP: Final = re.compile(r"^\s*(?:\d{1,2}[.)]|[-*•])\s+")
_MARKUP: Final = re.compile(r"[*_`#]+")
_EXACT: Final = re.compile(
    r"https?://\S+"
    r"|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
    r"|\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}(?:/\S*)?\b"
    r"|[$€£]\s?\d[\d.,]*|\d[\d.,]*\s?[$€£]"
    r"|\d[\d.,:/-]*\d\s?%?|\d\s?%?",
    re.IGNORECASE,
)


def plain(text: str) -> str:
    """The text without Markdown's marks of emphasis, code and headings."""
    return _MARKUP.sub("", normalised(text))


def is_step(line: str) -> bool:
    """Whether a line is a numbered step or an entry of a list."""
    return _STEP.match(line) is not None


def without_marker(line: str) -> str:
    """The line without the number or bullet it begins with."""
    return _STEP.sub("", line)


def sentences(line: str) -> list[str]:
    """The sentences of one line, the number of a step with its first."""
    marker = _STEP.match(line)
    start = marker.end() if marker else 0
    parts = [part.strip() for part in _SENTENCE_END.split(line[start:])]
    if marker:
        parts[0] = (line[:start] + parts[0]).strip()
    return [part for part in parts if part]


def clauses(sentence: str) -> list[str]:
    """The parts of a sentence that could stand alone, in order; the sentence itself when it has no parts."""
    return [part.strip() for part in _CLAUSE_END.split(sentence) if part.strip()]


def exact(text: str) -> Iterator[str]:
    """Numbers, amounts, addresses and links of a text, in a form in which the same ones are equal."""
    for found in _EXACT.findall(text):
        token = re.sub(r"\s", "", found).rstrip(".,:/-").casefold()
        # Other languages write the sign behind the amount.
        yield token[-1] + token[:-1] if token[-1] in "$€£" else token


_ADDRESS: Final = re.compile(
    r"(?:https?://|ftp://|www\.)(?:[^\s/@]*@)?(?P<link>[^\s/?#:)\"'>]+)"
    r"|@(?P<mail>[\w-]+(?:\.[\w-]+)+)"
    r"|\b(?P<bare>(?:[a-z0-9-]+\.)+(?:com|org|net|info|biz|io|dev|app|example|test|xyz|site|online|shop|top|[a-z]{2}))\b",
    re.IGNORECASE,
)
_FILE_ENDINGS: Final = ("js", "ts", "py", "md", "sh", "gz")


def hosts(text: str) -> set[str]:
    """The hosts of all links and mail addresses in a text, in lower case."""
    found: set[str] = set()
    for match in _ADDRESS.finditer(_seen(text)):
        host = (match["link"] or match["mail"] or match["bare"]).casefold().rstrip(".,;!")
        if match["bare"] is None or host.rsplit(".", 1)[-1] not in _FILE_ENDINGS:
            found.add(host)
    return found


def _seen(text: str) -> str:
    """The text as a reader's program takes it: nothing invisible stands between the letters of an address."""
    return "".join(character for character in normalised(text) if character.isprintable() or character.isspace())
