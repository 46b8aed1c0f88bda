"""Answers taken from a passage word for word: the whole sentences and steps in it that fit a question."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from agent.thinking.sentences import plain
from agent.thinking.words import content_stems

_STEP: Final = re.compile(r"^\s*(\d{1,2})[.)]\s+(.*)$")
_BULLET: Final = re.compile(r"^\s*[-*•]\s+")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+(?=[\"'(]?[A-Z0-9])")
_HOW_TO: Final = re.compile(
    r"\b(how (do|can|to|should|would|does|did)|where (do|can|is|are|to)|what (can|do|should) (i|we)|steps?|set ?up"
    r"|way to|can (i|we|you|people)|help|need to|want to|would like to|unable|cannot|can't)\b",
    re.IGNORECASE,
)
_SENTENCES_MAX: Final = 4
# A sentence that fits half as well as the best one belongs to the answer.
_SHARE_OF_BEST: Final = 0.5


@dataclass(frozen=True, slots=True)
class _Unit:
    """A sentence, or a block of numbered steps with the line that leads to it."""

    lines: tuple[str, ...]
    is_steps: bool
    stems: frozenset[str]

    @property
    def words(self) -> int:
        return sum(len(line.split()) for line in self.lines)


def coverage(question: Iterable[str], text: str) -> float:
    """The share of the question's stems that a text holds, from 0 to 1; 0 for a question without any."""
    asked = set(question)
    return len(asked & set(content_stems(text))) / len(asked) if asked else 0.0


def answer(question: str, stems: Sequence[str], text: str, *, words_max: int) -> str:
    """The sentences and steps of a text that fit the question, in their order, in at most `words_max` words."""
    units = _units(text)
    if not units:
        return ""
    frequency = Counter(stem for unit in units for stem in unit.stems)
    # A word that stands in every sentence of the passage does not tell them apart.
    fits = [sum(1 / frequency[stem] for stem in set(stems) & unit.stems) for unit in units]
    best = max(fits)
    ranked = sorted(range(len(units)), key=lambda place: (-fits[place], place))
    how_to = _HOW_TO.search(question) is not None
    wanted = [place for place in ranked if not units[place].is_steps and fits[place] > best * _SHARE_OF_BEST]
    wanted = wanted[:_SENTENCES_MAX] or [0]
    steps = [place for place in ranked if units[place].is_steps and (how_to or fits[place] >= best)]
    chosen: list[int] = []
    room = words_max
    for place in [*wanted[:1], *steps[:1], *wanted[1:]]:
        if place not in chosen and (units[place].words <= room or not chosen):
            chosen.append(place)
            room -= units[place].words
    return _joined([units[place] for place in sorted(chosen)])


def _units(text: str) -> list[_Unit]:
    units: list[_Unit] = []
    steps: list[str] = []
    lead: list[str] = []

    def close() -> None:
        if steps:
            lines = (*lead, *steps)
            units.append(_Unit(lines, True, frozenset(content_stems("\n".join(lines)))))
            steps.clear()
        elif lead:
            units.append(_Unit(tuple(lead), False, frozenset(content_stems(lead[0]))))
        lead.clear()

    for line in plain(text).splitlines():
        if step := _STEP.match(line):
            steps.append(f"{step[1]}. {step[2].strip()}")
            continue
        if not line.strip():
            continue
        close()
        for sentence in _SENTENCE_END.split(_BULLET.sub("", line).strip()):
            # The sentence in front of steps leads to them when it says so; until then it stands alone.
            close()
            if sentence.endswith(":") or "these steps" in sentence:
                lead.append(sentence)
            else:
                units.append(_Unit((sentence,), False, frozenset(content_stems(sentence))))
    close()
    return units


def _joined(units: Sequence[_Unit]) -> str:
    paragraphs: list[str] = []
    sentences: list[str] = []
    for unit in units:
        if unit.is_steps:
            if sentences:
                paragraphs.append(" ".join(sentences))
                sentences = []
            paragraphs.append("\n".join(unit.lines))
        else:
            sentences.extend(unit.lines)
    if sentences:
        paragraphs.append(" ".join(sentences))
    return "\n\n".join(paragraphs)
