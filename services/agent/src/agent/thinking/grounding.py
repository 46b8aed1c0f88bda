"""What a reply may say: only what one of the passages says that the run has retrieved.

A sentence is supported by a passage one of whose sentences holds most of its words, every number with what it counts,
every amount, address, link and name, and speaks for or against where it does. In another language than the passage's it
needs a quote: the passage's own words that it stands on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agent.model import Passage
from agent.thinking.evidence import Evidence
from agent.thinking.sentences import is_step, sentences
from agent.thinking.words import language

KNOWLEDGE_LANGUAGE = "en"
"""The language that every passage is written in."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence or step of a reply; `passage` supports it, None when none does.

    `quote` holds the passage's words that it stands on, when it is in another language than they.
    """

    text: str
    is_step: bool
    passage: Passage | None
    quote: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A reply, sentence by sentence, in order. A line's break is kept as an entry of its own, with empty text."""

    sentences: tuple[Sentence, ...]

    @property
    def unsupported(self) -> tuple[Sentence, ...]:
        """The sentences that no passage supports."""
        return tuple(sentence for sentence in self.sentences if sentence.text and sentence.passage is None)

    @property
    def supported(self) -> tuple[Sentence, ...]:
        """The sentences that a passage supports, in order."""
        return tuple(sentence for sentence in self.sentences if sentence.passage is not None)

    @property
    def citations(self) -> tuple[Passage, ...]:
        """The passages that the reply stands on, each once, in the order of their use."""
        return tuple({s.passage.name: s.passage for s in self.sentences if s.passage is not None}.values())

    def kept(self) -> str:
        """The reply without its unsupported sentences, whatever is left."""
        return _joined([sentence for sentence in self.sentences if not sentence.text or sentence.passage is not None])

    def rewritten(self) -> str | None:
        """The reply without its unsupported sentences; None when that leaves less than half, or a gap in its steps."""
        if any(sentence.is_step for sentence in self.unsupported):
            return None
        if _length(self.supported) * 2 < _length(self.sentences) or not self.supported:
            return None
        return self.kept()


def check(body: str, passages: Iterable[Passage], *, coverage_min: float, quotes: Sequence[str] = ()) -> Verdict:
    """The reply judged against the passages; a sentence needs `coverage_min` of its words in a single sentence of one.

    A body in another language needs `quotes`, one for each of its sentences, in order.
    """
    sources = [Evidence(passage) for passage in passages]
    foreign = language(body) != KNOWLEDGE_LANGUAGE
    judged: list[Sentence] = []
    place = 0
    for line in body.splitlines():
        step = is_step(line)
        for text in sentences(line):
            quote = quotes[place] if place < len(quotes) else ""
            place += 1
            judged.append(_judged(text, step, sources, coverage_min, quote, foreign=foreign))
        judged.append(Sentence("", False, None))
    return Verdict(tuple(judged))


def _judged(
    text: str, step: bool, sources: Sequence[Evidence], coverage_min: float, quote: str, *, foreign: bool
) -> Sentence:
    for source in sources:
        if source.says(text) or (not foreign and source.supports(text, coverage_min)):
            return Sentence(text, step, source.passage)
        if quote and (foreign or language(text) != KNOWLEDGE_LANGUAGE) and source.bears(text, quote):
            return Sentence(text, step, source.passage, quote)
    return Sentence(text, step, None)


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
