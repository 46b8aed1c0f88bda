"""What one passage says: whether it supports a sentence, in its own language or, by its quoted words, in another."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Final, TypeAlias

from agent.model import Passage
from agent.thinking.sentences import clauses, exact, plain, sentences, without_marker
from agent.thinking.words import LISTS, NEGATIONS_BY_LANGUAGE, content_stems, is_negated, stem, words

# Words whose exchange turns a statement round although everything else in it stays.
_OPPOSITES: Final = {
    stem(one): stem(other) for pair in LISTS["opposites"] for one, other in (pair.split(), reversed(pair.split()))
}
_UNITS: Final = {stem(form): forms.split()[0] for forms in LISTS["units"] for form in forms.split()}
# Words that widen or narrow what a sentence says.
_BOUNDS: Final = frozenset(map(stem, LISTS["bounds"].split()))
_ROLES: Final = frozenset(map(stem, LISTS["roles"].split()))
_PLANS: Final = frozenset(LISTS["plans"].split())
_COMMITMENT: Final = re.compile(LISTS["commitment"], re.IGNORECASE)
_FOR_MACHINES: Final = re.compile(LISTS["for_machines"], re.IGNORECASE)
_NAME: Final = re.compile(r"(?<=[\w,;)] )[A-Z][\w']*")
_NUMBER: Final = re.compile(r"\d[\d.,:]*")
# So many words in front of a number, and behind it, say what is counted.
_COUNTED_BEHIND: Final = 4
_COUNTED_BEFORE: Final = 3
_QUOTE_WORDS_MIN: Final = 3
# "Business and Enterprise": so far apart do the names of a list stand.
_LIST_WORDS: Final = 2
# Words that a sentence may begin with although the passage does not say them.
_GENERAL: Final = frozenset(map(stem, LISTS["general"].split()))


@dataclass(frozen=True, slots=True)
class _Statement:
    """A sentence made ready to be compared."""

    text: str
    stems: frozenset[str]
    order: tuple[str, ...]
    every_stem: frozenset[str]
    exact: frozenset[str]
    negated: bool


def _statement(text: str) -> _Statement:
    said, order = words(text), content_stems(text)
    return _Statement(
        text=text,
        stems=frozenset(order),
        order=tuple(order),
        every_stem=frozenset(map(stem, said)),
        exact=frozenset(exact(text)),
        negated=is_negated(text),
    )


_Read: TypeAlias = tuple[_Statement, tuple[_Statement, ...], frozenset[tuple[str, frozenset[str]]], str]


# An article is compared with many replies before it changes. What customers and models say is never kept.
@lru_cache(maxsize=512)
def _read(heading: str, text: str) -> _Read:
    """A passage's heading, its sentences, the same word for word with what is exact in them, and all of it bare."""
    # The title of the article's part says what the sentences beneath it are about.
    title = plain(heading.rsplit(" > ", 1)[-1])
    lines = plain(text).splitlines()
    said = [without_marker(each) for line in lines for each in sentences(line)]
    # What speaks to a machine was never written for a customer.
    statements = tuple(_statement(each) for each in said if not _FOR_MACHINES.search(each))
    return (
        _statement("" if _FOR_MACHINES.search(title) else title),
        statements,
        frozenset((_bare(each.text), each.exact) for each in statements),
        _bare(plain(text)),
    )


class Evidence:
    """A passage made ready to be compared with many sentences."""

    def __init__(self, passage: Passage) -> None:
        self.passage = passage
        read = _read(passage.heading, passage.text)
        self._heading, self._sentences, self._word_for_word, self._verbatim = read

    def says(self, sentence: str) -> bool:
        """Whether a sentence stands in the passage word for word."""
        text = without_marker(plain(sentence))
        return bool(content_stems(text)) and (_bare(text), frozenset(exact(text))) in self._word_for_word

    def supports(self, sentence: str, coverage_min: float) -> bool:
        """Whether the passage supports this English sentence: each of its clauses by one sentence of its own."""
        text = without_marker(plain(sentence))
        if self._bears_out(_statement(text), coverage_min):
            return True
        parts = clauses(text)
        return len(parts) > 1 and all(self._bears_out(_statement(part), coverage_min) for part in parts)

    def bears(self, sentence: str, quote: str) -> bool:
        """Whether a sentence in another language may stand on these words of the passage, as far as code can tell.

        The words stand there as quoted; the sentence's figures, addresses and names stand in them; and both say that
        something is so, or that it is not.
        """
        quoted, text = plain(quote), without_marker(plain(sentence))
        bare = _bare(quoted)
        if len(bare.split()) < _QUOTE_WORDS_MIN or f" {bare} " not in f" {self._verbatim} ":
            return False
        whole = next((each for each in self._sentences if f" {bare} " in f" {_bare(each.text)} "), _statement(quoted))
        if not _figures(quoted) <= whole.exact:
            return False
        if not _figures(text) <= _figures(quoted) | _figures(self._heading.text):
            return False
        if not _translated_units(text) <= {_TRANSLATED[word] for word in words(quoted) if word in _TRANSLATED}:
            return False
        known = {word.casefold() for word in words(f"{whole.text} {self._heading.text} Planwright TechCorp")}
        names = {name.casefold() for name in _NAME.findall(text)} & _FIXED_NAMES
        if not names <= known or _COMMITMENT.search(text):
            return False
        return _is_negated_in_any_language(text) == whole.negated

    def _bears_out(self, said: _Statement, coverage_min: float) -> bool:
        if not said.stems:
            # "Yes." may turn a passage round, and says nothing that could be compared.
            return False
        return any(self._agrees(said, source, coverage_min) for source in self._sentences)

    def _agrees(self, said: _Statement, source: _Statement, coverage_min: float) -> bool:
        if not said.exact <= source.exact | self._heading.exact:
            return False
        told = sum(each in source.stems for each in said.stems)
        held = told + sum(each in self._heading.stems for each in said.stems - source.stems)
        # Of few words, one that is not there is the whole point.
        if held < len(said.stems) * coverage_min or (len(said.stems) <= 4 and held < len(said.stems)):
            return False
        # A heading says what the sentence is about, and no more.
        if told * 2 < len(said.stems):
            return False
        held_by_either = source.every_stem | self._heading.every_stem
        if not said.every_stem & _ROLES <= held_by_either:
            return False
        first = said.order[0]
        if first not in held_by_either and first not in _GENERAL:
            # Who or what it is about is the last thing to be guessed.
            return False
        return (
            _same_direction(said, source)
            and _names(said.text) <= source.every_stem | self._heading.every_stem
            and _counts_the_same(said.text, source.text)
            and _plans_of_numbers(said.text, source.text)
            and _numbers_of_clauses(said, source)
            and _commits_to_nothing_new(said.text, source.text)
        )


def _same_direction(said: _Statement, source: _Statement) -> bool:
    """Whether both speak for or both against, without an exchanged opposite or a new bound."""
    parts = _clauses(source)
    if said.negated:
        if not any(part.negated and part.stems & said.stems for part in parts):
            return False
    else:
        affirmed = {each for part in parts if not part.negated for each in part.stems}
        denied = {each for part in parts if part.negated for each in part.stems}
        # What stands only where the passage says no, must not stand where the reply says yes.
        if said.stems & denied - affirmed:
            return False
    if any(_OPPOSITES.get(each) in source.every_stem for each in said.every_stem - source.every_stem):
        return False
    if any(next_said != next_there for next_said, next_there in _after_opposites(said, source)):
        return False
    return said.every_stem & _BOUNDS <= source.every_stem


@lru_cache(maxsize=4096)
def _clauses(source: _Statement) -> list[_Statement]:
    """The parts of a sentence; one that begins with "or" goes on with what the one before is about."""
    parts: list[_Statement] = []
    for text in clauses(source.text):
        part = _statement(text)
        if parts and text.casefold().startswith("or "):
            before = parts[-1]
            part = replace(part, negated=part.negated or before.negated, stems=part.stems | before.stems)
        parts.append(part)
    return parts or [source]


def _after_opposites(said: _Statement, source: _Statement) -> Iterator[tuple[str, str]]:
    """What follows a word with an opposite, in both: "the earlier change" is not "the earlier value"."""
    theirs = dict(pairwise(map(stem, words(source.text))))
    for one, following in pairwise(map(stem, words(said.text))):
        if one in _OPPOSITES and one in theirs and following in source.stems and _OPPOSITES[one] in source.every_stem:
            yield following, theirs[one]


def _names(text: str) -> set[str]:
    return {stem(word.casefold()) for word in _NAME.findall(text)}


def _counts_the_same(said: str, source: str) -> bool:
    """Whether every number counts the same thing in both."""
    theirs = _counted(source)
    for number, around in _counted(said).items():
        there = theirs.get(number)
        if there is None:
            continue
        units = {each for each in around.behind if each in _UNITS}
        if units and not units & there.behind:
            return False
        if not units and around.all and there.all and not around.all & there.all:
            return False
    units_said = {_UNITS[each] for each in map(stem, words(said)) if each in _UNITS}
    return units_said <= {_UNITS[each] for each in map(stem, words(source)) if each in _UNITS}


def _numbers_of_clauses(said: _Statement, source: _Statement) -> bool:
    """Whether no number has moved to what another clause of the passage gives a number of its own."""
    numbered = [part for part in _clauses(source) if part.exact]
    if len(numbered) < 2:
        return True
    for clause in map(_statement, clauses(said.text)):
        first = clause.order[0] if clause.order else ""
        about = [part for part in numbered if first in part.stems]
        if about and not all(any(each in part.exact for part in about) for each in clause.exact):
            return False
    return True


def _plans_of_numbers(said: str, source: str) -> bool:
    """Whether no number has moved to another plan: in both, a plan's name stands next to it."""
    plans = _plan_places(said.split())
    if not plans or len(clauses(said)) > 1:
        return True
    named = {name for _, name in plans}
    there = source.split()
    there_plans = _plan_places(there)
    for found in _NUMBER.finditer(said):
        places = [place for place, word in enumerate(there) if found[0].rstrip(".,:") in word]
        if not places or not there_plans:
            continue
        near = min(abs(place - at) for place in places for at, _ in there_plans)
        next_to = {name for place in places for at, name in there_plans if abs(place - at) <= near + _LIST_WORDS}
        if not named & next_to:
            return False
    return True


def _plan_places(said: Sequence[str]) -> list[tuple[int, str]]:
    return [(place, name) for place, word in enumerate(said) if (name := word.strip(".,;:")) in _PLANS]


@dataclass(slots=True)
class _Around:
    behind: set[str]
    all: set[str]


def _counted(text: str) -> dict[str, _Around]:
    found: dict[str, _Around] = {}
    said = text.casefold().split()
    for place, word in enumerate(said):
        if not (number := _NUMBER.search(word)):
            continue
        behind = _stems_of(said[place + 1 : place + 1 + _COUNTED_BEHIND])
        before = _stems_of(said[max(0, place - _COUNTED_BEFORE) : place])
        first = _stems_of(said[place + 1 : place + 3])
        around = found.setdefault(number[0].rstrip(".,:"), _Around(set(), set()))
        around.behind |= {each for each in first if each in _UNITS}
        around.all |= behind | before
    return found


def _stems_of(said: Iterable[str]) -> set[str]:
    return set(content_stems(" ".join(said)))


def _commits_to_nothing_new(said: str, source: str) -> bool:
    return all(_bare(found[0]) in _bare(source) for found in _COMMITMENT.finditer(said))


def _bare(text: str) -> str:
    return " ".join(words(text))


def _figures(text: str) -> set[str]:
    return set(exact(text))


_FIXED_NAMES: Final = frozenset(LISTS["fixed_names"].split())
_TRANSLATED: Final = {form: forms.split()[0] for forms in LISTS["units_by_language"] for form in forms.split()}


def _translated_units(text: str) -> set[str]:
    """The units of measure that a text names behind its numbers, in one spelling for all languages."""
    said = words(text)
    return {
        _TRANSLATED[word]
        for place, word in enumerate(said)
        if word in _TRANSLATED and any(each.isdigit() for each in "".join(said[max(0, place - 2) : place]))
    }


def _is_negated_in_any_language(text: str) -> bool:
    said: Sequence[str] = words(text)
    return any(word in NEGATIONS_BY_LANGUAGE for word in said)
