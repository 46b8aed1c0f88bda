"""Long text as several messages that each read well."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import regex

# Twilio takes no longer WhatsApp message (error 21617).
CHARACTERS_HARD_MAX = 1600

_CLUSTER = regex.compile(r"\X")

# Never parted, also where they hold blanks: links, numbers with their separators (times, amounts, telephone numbers in
# groups), and the mark of a numbered step with what follows it. Possessive throughout, and none can begin twice in one
# run: each pattern passes over the text once.
_DIGITS = r"\d++ (?: [.,:/'\u2019\u2013-] \d++ )*+"
_WHOLE = regex.compile(
    rf"""
    (?i: https?:// | www\. ) \S++
    | [+(]?+ {_DIGITS} (?: \)?+ [\x20\xa0\u202f] \(?+ {_DIGITS} ){{0,9}}+
    """,
    regex.VERBOSE,
)
_STEP = regex.compile(r"^[ \t]*+\d{1,3}+[.)][ \t]++", regex.MULTILINE)

# Not after an abbreviation or an initial, and not before a small letter: "e.g. this" goes on. Chinese and Japanese end
# sentences with marks of their own and no blank behind them.
_SHORT = r"(?: (?i: e\.g | i\.e | cf | vs | approx | incl | ref | dr | mr | mrs | ms | prof ) | \p{L} ) \."
_CLOSING = r"""["'\u201d\u2019\xbb)\]\u300d\u300f\uff09]{0,4}+"""
_SENTENCE_END = regex.compile(
    rf"""
    (?<! [.!?\u2026] ) [.!?\u2026]++ (?<! \b {_SHORT} ) {_CLOSING} (?= \s++ [^\p{{Ll}}] )
    | (?<! [\u3002\uff01\uff1f] ) [\u3002\uff01\uff1f]++ {_CLOSING}
    """,
    regex.VERBOSE,
)


class _Rank(enum.IntEnum):
    """How well text can be parted at a place."""

    ANYWHERE = 0
    BETWEEN_WORDS = 1
    SENTENCE = 2
    END = 3


@dataclass(frozen=True, slots=True)
class _Break:
    """A place where a message may end, and where the next one begins then: behind the blanks."""

    end: int
    next_start: int
    rank: _Rank


def split(text: str, characters_max: int, ending: str = "") -> tuple[str, ...]:
    """The text in order, in messages of at most so many characters, parted at the ends of sentences where possible.

    Else between words, else between characters as readers see them (grapheme clusters); never inside a link or a
    number. A single link, number or cluster that is longer than a message may be goes alone, up to Twilio's own limit
    of 1600 characters; beyond that it is parted as well. The parts make up the text again but for blanks between them.
    `ending` stands at the end of the last one, or alone where that has no room. Takes time in proportion to the text.
    """
    limit = min(characters_max, CHARACTERS_HARD_MAX)
    parts = _filled(text.strip(), limit)
    if not ending:
        return tuple(parts)
    # Only where the ending leaves room for more than crumbs.
    if parts and 2 * len(ending) <= limit < len(parts[-1]) + len(ending):
        parts[-1:] = _filled(parts[-1], limit - len(ending))
    if not parts or len(parts[-1]) + len(ending) > limit:
        parts.append("")
    parts[-1] = (parts[-1] + ending).strip()
    return tuple(parts)


def _filled(text: str, limit: int) -> list[str]:
    breaks = list(_breaks(text, limit))
    parts = []
    start = index = 0
    while index < len(breaks):
        # Taken even if it is too far: what stands before it cannot be parted.
        best = index
        for ahead in range(index + 1, len(breaks)):
            if breaks[ahead].end - start > limit:
                break
            if breaks[ahead].rank >= breaks[best].rank:
                best = ahead
        parts.append(text[start : breaks[best].end])
        start, index = breaks[best].next_start, best + 1
    return parts


def _breaks(text: str, limit: int) -> Iterator[_Break]:
    """Every place where the text may be parted, in order; the last is its end."""
    wholes = _Spans(match.span() for match in _WHOLE.finditer(text))
    steps = _Spans(match.span() for match in _STEP.finditer(text))
    sentences = {match.end() for match in _SENTENCE_END.finditer(text)}
    end = 0
    for cluster in _CLUSTER.finditer(text):
        if cluster.group().isspace():
            continue
        start = cluster.start()
        if start and not wholes.hold(end) and not steps.hold(end):
            if end in sentences or "\n" in text[end:start]:
                yield _Break(end, start, _Rank.SENTENCE)
            else:
                yield _Break(end, start, _Rank.BETWEEN_WORDS if end < start else _Rank.ANYWHERE)
        end = cluster.end()
        if end - start > CHARACTERS_HARD_MAX:
            # Nobody can read such a cluster, and it must not hold up what stands around it.
            yield from (_Break(at, at, _Rank.ANYWHERE) for at in range(start + limit, end, limit))
    if end:
        yield _Break(end, len(text), _Rank.END)


class _Spans:
    """Asks, in one pass from left to right, whether a place is inside one of the spans that stay whole."""

    def __init__(self, spans: Iterable[tuple[int, int]]) -> None:
        self._spans = (span for span in spans if span[1] - span[0] <= CHARACTERS_HARD_MAX)
        self._start, self._end = next(self._spans, (0, 0))

    def hold(self, at: int) -> bool:
        """Whether the place is between the two ends of a span. Places must be asked for in order."""
        while self._end <= at and (span := next(self._spans, None)):
            self._start, self._end = span
        return self._start < at < self._end
