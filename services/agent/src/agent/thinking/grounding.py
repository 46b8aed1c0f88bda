"""What a reply may say: only what one of the passages says that the run has retrieved.

A sentence is supported by a passage that holds most of its words, every number, amount, address and link in it as they
are written, and that speaks for or against where the sentence does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from agent.model import Passage
from agent.thinking.words import content_stems, is_negated, normalised

# A period ends a sentence only before space and something that begins one: 1.5, e.g. and a.example stay whole.
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+(?=[\"'(]?[A-ZÀ-Ý0-9])")
_STEP: Final = re.compile(r"^\s*(?:\d{1,2}[.)]|[-*•])\s+")
_MARKUP: Final = re.compile(r"[*_`#]+")
_EXACT: Final = re.compile(
    r"https?://\S+"
    r"|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
    r"|\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}(?:/\S*)?\b"
    r"|[$€£]\s?\d[\d.,]*"
    r"|\d[\d.,:/-]*\d\s?%?|\d\s?%?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence or step of a reply; `passage` supports it, None when none does."""

    text: str
    is_step: bool
    passage: Passage | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A reply, sentence by sentence, in order. A line's break is kept as an entry of its own, with empty text."""

    sentences: tuple[Sentence, ...]

    @property
    def unsupported(self) -> tuple[Sentence, ...]:
        """The sentences that no passage supports."""
        return tuple(sentence for sentence in self.sentences if sentence.text and sentence.passage is None)

    @property
    def citations(self) -> tuple[Passage, ...]:
        """The passages that the reply stands on, each once, in the order of their use."""
        return tuple({s.passage.name: s.passage for s in self.sentences if s.passage is not None}.values())

    def rewritten(self) -> str | None:
        """The reply without its unsupported sentences; None when that leaves less than half, or a gap in its steps."""
        kept = [sentence for sentence in self.sentences if not sentence.text or sentence.passage is not None]
        if any(sentence.is_step for sentence in self.unsupported):
            return None
        if _length(kept) * 2 < _length(self.sentences) or not _length(kept):
            return None
        return _joined(kept)


def check(body: str, passages: Iterable[Passage], *, coverage_min: float) -> Verdict:
    """The reply judged against the passages; a sentence needs `coverage_min` of its words in a single one."""
    sources = [_Source(passage) for passage in passages]
    sentences: list[Sentence] = []
    for line in body.splitlines():
        is_step = _STEP.match(line) is not None
        for text in _sentences(line):
            supporter = next((source.passage for source in sources if source.supports(text, coverage_min)), None)
            sentences.append(Sentence(text, is_step, supporter))
        sentences.append(Sentence("", False, None))
    return Verdict(tuple(sentences))


class _Source:
    """A passage made ready to be compared with many sentences."""

    def __init__(self, passage: Passage) -> None:
        self.passage = passage
        text = plain(f"{passage.heading}\n{passage.text}")
        self._exact = {_exact_form(found) for found in _EXACT.findall(text)}
        self._stems = set(content_stems(text))
        self._sentences: list[tuple[frozenset[str], bool]] | None = None
        self._text = text

    def supports(self, sentence: str, coverage_min: float) -> bool:
        text = _STEP.sub("", plain(sentence))
        if any(_exact_form(found) not in self._exact for found in _EXACT.findall(text)):
            return False
        stems = content_stems(text)
        if not stems:
            # "Yes." may turn a passage round, and says nothing that could be compared.
            return False
        held = sum(stem in self._stems for stem in stems)
        # Of one or two words, one that is not there is the whole point.
        if held < len(stems) * coverage_min or (len(stems) <= 2 and held < len(stems)):
            return False
        return is_negated(text) == self._is_negated_where(frozenset(stems))

    def _is_negated_where(self, stems: frozenset[str]) -> bool:
        if self._sentences is None:
            lines = self._text.splitlines()
            self._sentences = [
                (frozenset(content_stems(text)), is_negated(text)) for line in lines for text in _sentences(line)
            ]
        return max(self._sentences, key=lambda each: len(each[0] & stems) / (len(each[0] | stems) or 1))[1]


def plain(text: str) -> str:
    """The text without Markdown's marks of emphasis, code and headings."""
    return _MARKUP.sub("", normalised(text))


def _sentences(line: str) -> list[str]:
    marker = _STEP.match(line)
    start = marker.end() if marker else 0
    parts = [part.strip() for part in _SENTENCE_END.split(line[start:])]
    if marker:
        # The number stays with its step's first sentence.
        parts[0] = (line[:start] + parts[0]).strip()
    return [part for part in parts if part]


def _exact_form(found: str) -> str:
    return re.sub(r"\s", "", found).rstrip(".,:/-").casefold()


def _length(sentences: Sequence[Sentence]) -> int:
    return sum(len(sentence.text) for sentence in sentences)


def _joined(sentences: Sequence[Sentence]) -> str:
    lines: list[str] = []
    current: list[str] = []
    for sentence in sentences:
        if sentence.text:
            current.append(sentence.text)
        else:
            lines.append(" ".join(current))
            current = []
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
