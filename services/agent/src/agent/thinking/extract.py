"""Answers taken from a passage word for word: the whole sentences and steps in it that fit a question."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
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
# What a question wants to know, and how a sentence looks that says it.
_WANTED: Final = (
    (
        re.compile(r"\b(how (many|much|big|large|deep|high)|max(imum)?|most|biggest|limit|at once|cost|price)\b", re.I),
        re.compile(r"\d"),
    ),
    (
        re.compile(
            r"\b(how (long|soon|fast|quick(ly)?|often|late)|when|until|by when|at what time|how far back)\b", re.I
        ),
        re.compile(
            r"\b(seconds?|minutes?|hours?|days?|weeks?|months?|years?|\d+:\d+|at once|end of|daily|weekly|never)\b",
            re.I,
        ),
    ),
    (
        re.compile(r"\b(where|which (menu|screen|page|address(es)?)|find)\b", re.I),
        re.compile(r"\b(under|open|select|at|on)\b.*(,? then | at \S+\.\S|[a-z]\.example)|\bOpen\b"),
    ),
    (
        re.compile(r"\bwho(se)?\b", re.I),
        re.compile(r"\b(owners?|admins?|members?|guests?|administrator|everyone|person)\b", re.I),
    ),
    (
        re.compile(r"\b(possible|can|could|does|do|is|are|may|will|included|available|supported)\b", re.I),
        re.compile(r"\b(can|cannot|may|not|only|included|available|supported|every plan|allowed|works?)\b", re.I),
    ),
)
_WANTED_BONUS: Final = 0.5
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

    @property
    def characters(self) -> int:
        return sum(len(line) + 1 for line in self.lines)


def coverage(question: Iterable[str], text: str) -> float:
    """The share of the question's stems that a text holds, from 0 to 1; 0 for a question without any."""
    asked = set(question)
    return len(asked & set(content_stems(text))) / len(asked) if asked else 0.0


def answer(asks: Sequence[str], text: str, *, words_max: int, characters_max: int = 10_000, context: str = "") -> str:
    """The sentences and steps of a text that fit the questions, in their order, within the words and characters.

    `context` tells what the questions go on from. The best sentence is said even when it alone is longer.
    """
    units = _units(text)
    if not units:
        return ""
    wanted: list[int] = []
    for rank in zip_longest(*(_ranked(ask, context, units) for ask in asks)):
        wanted.extend(place for place in rank if place is not None and place not in wanted)
    chosen: list[int] = []
    words = characters = 0
    for place in wanted:
        unit = units[place]
        # Steps are no use in part: they may take twice the room.
        room = characters_max * (1 + unit.is_steps)
        if chosen and (words + unit.words > words_max or characters + unit.characters > room):
            continue
        chosen.append(place)
        words += unit.words
        characters += unit.characters + 1
    return _joined([units[place] for place in sorted(chosen)])


def _ranked(ask: str, context: str, units: Sequence[_Unit]) -> list[int]:
    """The places of the units that belong to the answer of one question, the best first."""
    stems = set(content_stems(ask))
    frequency = Counter(stem for unit in units for stem in unit.stems)
    # A word that stands in every sentence of the passage does not tell them apart.
    fits = [sum(1 / frequency[stem] for stem in stems & unit.stems) for unit in units]
    if context:
        around = set(content_stems(context)) - stems
        fits = [
            fit + 0.3 * sum(1 / frequency[s] for s in around & unit.stems)
            for fit, unit in zip(fits, units, strict=True)
        ]
    looks = [look for asked, look in _WANTED if asked.search(ask)][:1]
    top = max(fits) or 1.0
    fits = [
        fit + _WANTED_BONUS * top * any(look.search(line) for look in looks for line in unit.lines)
        for fit, unit in zip(fits, units, strict=True)
    ]
    best = max(fits)
    ranked = sorted(range(len(units)), key=lambda place: (-fits[place], place))
    how_to = _HOW_TO.search(ask) is not None
    said = [place for place in ranked if not units[place].is_steps and fits[place] > best * _SHARE_OF_BEST]
    said = said[:_SENTENCES_MAX] or [0]
    steps = [place for place in ranked if units[place].is_steps and (how_to or fits[place] >= best)]
    return list(dict.fromkeys([*said[:1], *steps[:1], *said[1:]]))


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
