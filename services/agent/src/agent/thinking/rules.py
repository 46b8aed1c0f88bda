"""The rules that need no model: what in a customer's words calls for a person, and the kind words for each case.

Rules and words are data, in `policy.toml`; the policy in prose is `context/escalation-rules.md`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import Annotated, Any, Final, Protocol

import re2
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.errors import PolicyError
from agent.model import Priority, Reason
from agent.thinking import sentiment
from agent.thinking.meaning import NOTHING_READ, READ
from agent.thinking.own_words import capitals, folded, latin_share, own_words, plain_pattern, undisguised
from agent.thinking.words import language

LANGUAGES: Final = ("en", "de", "es", "fr", "pt")
"""The languages that kind words are written in, and that the sentiment is trained on."""

KNOWN_LANGUAGES: Final = frozenset((*LANGUAGES, "cs", "da", "fi", "hu", "it", "nl", "no", "pl", "ro", "sv", "tr"))
"""The languages that patterns may be written for: those above, and those that a rule may want to know apart."""

OTHERWISE: Final = "otherwise"
"""The kind words for every reason that has none of its own."""

WHEN: Final = "when"
"""The words that follow all others: when to expect a person."""


# RE2 is linear in the length of the text, whatever the pattern: policies are uploaded, and customers write what they
# like. This bounds the memory of one part of a rule's patterns.
_PATTERN_BYTES_MAX: Final = 4 << 20
# RE2 slows down greatly where the states of one expression outgrow that memory, so long lists of patterns are tried in
# parts of about this many characters.
_PART_CHARACTERS: Final = 6000
_TERM: Final = re.compile(r"\{([a-z][a-z_]*)\}")
_EXCLAMATIONS: Final = re.compile(r"[!?¡¿]*![!?¡¿]*")


class Pattern(Protocol):
    """What is used of a compiled pattern."""

    def search(self, text: str, /) -> Any: ...
    def sub(self, replacement: str, text: str, /) -> str: ...
    def finditer(self, text: str, /) -> Iterator[Any]: ...


@dataclass(frozen=True, slots=True)
class _Parts:
    """The patterns of one rule, in expressions that are small enough to be fast."""

    parts: tuple[Pattern, ...]

    def search(self, text: str) -> bool:
        return any(part.search(text) is not None for part in self.parts)

    def hits(self, text: str) -> int:
        return len({hit.group() for part in self.parts for hit in part.finditer(text)})


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that a text meets."""

    rule: str
    reason: Reason
    priority: Priority


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a policy finds in a customer's words, by rank: the first gives the reason.

    `sentiment` is how they sound, from 0 (worst) to 1; None where nothing is left to judge.
    """

    findings: tuple[Finding, ...]
    sentiment: float | None


class _Said:
    """One text of a customer, in the forms that rules ask for, each made once."""

    def __init__(self, text: str) -> None:
        self.text = own_words(text)

    @cached_property
    def forms(self) -> tuple[str, ...]:
        plain = folded(self.text)
        other = undisguised(plain)
        return (plain,) if other == plain else (plain, other)

    @cached_property
    def latin(self) -> float:
        return latin_share(self.text)

    @cached_property
    def exclamations(self) -> int:
        """The longest row of marks at the end of a sentence that has an exclamation mark."""
        return max(map(len, _EXCLAMATIONS.findall(self.text)), default=0)

    def is_in_capitals(self, share: float, letters_min: int) -> bool:
        upper, letters = capitals(self.text)
        return letters >= letters_min and upper >= share * letters


@dataclass(frozen=True, slots=True)
class Rule:
    """One trigger: what a text is like that meets it, in any of these ways.

    - `pattern`, at `hits_min` places at least, outside `near_miss`;
    - a row of `exclamations_min` marks, one of them an exclamation mark;
    - a sentiment below `sentiment_below`;
    - less than `latin_below` of its letters in Latin script;
    - a meaning of the rule's reason, at least as sure as `meaning_min`.

    With `capitals_min`, the text must besides be in capitals: that share of its letters, of `letters_min` at least.
    With `row_min`, it must besides have a row of that many marks, one of them an exclamation mark. With
    `meaning_floor`, a pattern only counts where the text means the rule's reason at least that surely: its words may
    have stood there in another sense. Where no meaning was read, patterns count by themselves. A rule that counts
    `always` does so beside a surer one, too.
    """

    name: str
    reason: Reason
    priority: Priority
    languages: tuple[str, ...] = ()
    pattern: _Parts | None = None
    near_miss: Pattern | None = None
    hits_min: int = 1
    capitals_min: float = 0.0
    letters_min: int = 0
    row_min: int = 0
    exclamations_min: int = 0
    sentiment_below: float = 0.0
    latin_below: float = 0.0
    meaning_min: float = 0.0
    meaning_floor: float = 0.0
    always: bool = False

    def matches(self, said: Sequence[_Said], mood: float | None, meaning: Mapping[Reason, float]) -> bool:
        """Whether what a customer said meets the rule: one of the texts, or the mood or meaning of all together."""
        if mood is not None and mood < self.sentiment_below:
            return True
        meant = meaning.get(self.reason)
        if meant is not None and self.meaning_min and meant >= self.meaning_min:
            return True
        return (meant is None or meant >= self.meaning_floor) and any(map(self._matches, said))

    def _matches(self, said: _Said) -> bool:
        if self.capitals_min and not said.is_in_capitals(self.capitals_min, self.letters_min):
            return False
        if said.exclamations < self.row_min:
            return False
        if self.exclamations_min and said.exclamations >= self.exclamations_min:
            return True
        if self.latin_below and said.latin < self.latin_below:
            return True
        return any(map(self._hits, said.forms))

    def _hits(self, text: str) -> bool:
        if self.pattern is None or not self._found(self.pattern, text):
            return False
        # Most texts end above, so the near misses cost nothing there.
        return self.near_miss is None or self._found(self.pattern, self.near_miss.sub(" ; ", text))

    def _found(self, pattern: _Parts, text: str) -> bool:
        return pattern.search(text) if self.hits_min == 1 else pattern.hits(text) >= self.hits_min


class Policy:
    """A version of the rules and the kind words. `content` is the file it was read from.

    Few messages have two reasons, so what is found beside a sure one has to be sure itself: with `beside_min`, a rule
    whose reason is meant less surely counts only where no other is met surely, unless it counts `always`. A reason
    whose meaning is not read is sure; a mood goes with any reason, and makes none doubtful.
    """

    def __init__(
        self,
        version: str,
        rules: Sequence[Rule],
        words: Mapping[str, Mapping[str, str]],
        content: str = "",
        *,
        beside_min: float = 0.0,
    ) -> None:
        self.version = version
        self.rules = tuple(rules)
        self.content = content
        self._words = words
        self._beside_min = beside_min

    def judge(self, texts: Sequence[str], meaning: Mapping[Reason, float] = NOTHING_READ.reasons) -> Judgement:
        """Judges what a customer said, oldest first: subject and messages, quoted mail and signatures left out.

        `meaning` is the reasons that `Meaning.read` finds in the same texts.
        """
        said = [each for each in map(_Said, texts) if each.text.strip()]
        mood = sentiment.score("\n".join(each.text for each in said)) if said else None
        met = [rule for rule in self.rules if rule.matches(said, mood, meaning)]

        def is_sure(rule: Rule) -> bool:
            return meaning.get(rule.reason, 1.0) >= self._beside_min

        if any(is_sure(rule) and not rule.sentiment_below for rule in met):
            met = [rule for rule in met if rule.always or is_sure(rule)]
        return Judgement(tuple(Finding(rule.name, rule.reason, rule.priority) for rule in met), mood)

    def findings(
        self, texts: Sequence[str], meaning: Mapping[Reason, float] = NOTHING_READ.reasons
    ) -> tuple[Finding, ...]:
        """The rules that the texts meet, by rank: the first gives the reason."""
        return self.judge(texts, meaning).findings

    def kind_words(self, reason: Reason, texts: Sequence[str]) -> str:
        """What the customer is told when a person takes over: who has it and when to expect them, in their language."""
        words = self._words[language("\n".join(texts))]
        return f"{words.get(reason, words[OTHERWISE])}\n\n{words[WHEN]}"


@cache
def load(package: str = "agent.thinking", resource: str = "policy.toml") -> Policy:
    """The policy in a file of a package, read once. Raises PolicyError: the entry, the rule it breaks and the mend."""
    return parse(resources.files(package).joinpath(resource).read_text("utf-8"), resource)


_Expression = Annotated[str, Field(min_length=1, max_length=4000)]
_Expressions = Annotated[list[_Expression], Field(max_length=100)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Count = Annotated[int, Field(ge=0, le=1000)]


class _RuleEntry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern="^[a-z][a-z_]*$", max_length=60)]
    reason: Reason
    priority: Priority
    patterns: dict[str, _Expressions] = {}
    near_misses: _Expressions = []
    hits_min: Annotated[int, Field(ge=1, le=100)] = 1
    capitals_min: _Share = 0.0
    letters_min: _Count = 0
    row_min: _Count = 0
    exclamations_min: _Count = 0
    sentiment_below: _Share = 0.0
    latin_below: _Share = 0.0
    meaning_min: _Share = 0.0
    meaning_floor: _Share = 0.0
    always: bool = False


class _PolicyEntries(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Annotated[str, Field(pattern="^[0-9A-Za-z._-]{1,40}$")]
    beside_min: _Share = 0.0
    terms: dict[Annotated[str, Field(pattern="^[a-z][a-z_]*$", max_length=60)], _Expression] = Field({}, max_length=100)
    rules: list[_RuleEntry] = Field(min_length=1, max_length=50)
    words: dict[str, dict[str, Annotated[str, Field(min_length=1, max_length=1000)]]]


def parse(text: str, origin: str) -> Policy:
    """The policy in a text. Raises PolicyError, as `load` does."""
    try:
        entries = _PolicyEntries.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"{origin} is not TOML: {error}; mend it there") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise PolicyError(f"{origin}: {place}: {first['msg']}; mend it there") from error
    _check_words(entries, origin)
    names = [rule.name for rule in entries.rules]
    if doubled := {name for name in names if names.count(name) > 1}:
        raise PolicyError(f"{origin}: rules named twice: {', '.join(sorted(doubled))}; give each its own name")
    made = [_rule(rule, entries.terms, origin) for rule in entries.rules]
    return Policy(entries.version, made, entries.words, text, beside_min=entries.beside_min)


def _rule(entry: _RuleEntry, terms: Mapping[str, str], origin: str) -> Rule:
    place = f"{origin}: rule {entry.name}"
    if unknown := entry.patterns.keys() - KNOWN_LANGUAGES:
        known = ", ".join(sorted(KNOWN_LANGUAGES))
        raise PolicyError(f"{place}: unknown language {', '.join(sorted(unknown))}; known are {known}")
    every = [_spelled_out(pattern, terms, place) for patterns in entry.patterns.values() for pattern in patterns]
    near_misses = [_spelled_out(pattern, terms, place) for pattern in entry.near_misses]
    bounds = (entry.exclamations_min, entry.sentiment_below, entry.latin_below, entry.meaning_min)
    if not (every or any(bounds)):
        raise PolicyError(f"{place}: nothing can meet it; give it patterns, or a bound such as sentiment_below")
    if (entry.meaning_min or entry.meaning_floor) and entry.reason not in READ:
        known = ", ".join(READ)
        raise PolicyError(f"{place}: no meaning is read for {entry.reason}; meaning_min and _floor are for {known}")
    return Rule(
        name=entry.name,
        reason=entry.reason,
        priority=entry.priority,
        languages=tuple(language for language, patterns in entry.patterns.items() if patterns),
        pattern=_Parts(tuple(_compiled(part, place) for part in _parts(every))) if every else None,
        near_miss=_compiled(near_misses, place) if near_misses else None,
        hits_min=entry.hits_min,
        capitals_min=entry.capitals_min,
        letters_min=entry.letters_min,
        row_min=entry.row_min,
        exclamations_min=entry.exclamations_min,
        sentiment_below=entry.sentiment_below,
        latin_below=entry.latin_below,
        meaning_min=entry.meaning_min,
        meaning_floor=entry.meaning_floor,
        always=entry.always,
    )


def _spelled_out(pattern: str, terms: Mapping[str, str], place: str) -> str:
    if unknown := set(_TERM.findall(pattern)) - terms.keys():
        raise PolicyError(f"{place}: the pattern {pattern[:60]!r} asks for {min(unknown)}; give it an entry in [terms]")
    # One level: a term holds no term, so that no policy can grow beyond what its length allows.
    return _TERM.sub(lambda found: f"(?:{terms[found[1]]})", pattern)


def _parts(patterns: Sequence[str]) -> Iterator[list[str]]:
    part: list[str] = []
    for pattern in patterns:
        if part and sum(map(len, part)) + len(pattern) > _PART_CHARACTERS:
            yield part
            part = []
        part.append(pattern)
    yield part


def _compiled(patterns: Sequence[str], place: str) -> Pattern:
    for pattern in patterns:
        shown = f"{place}: the pattern {pattern[:60]!r}"
        if _expression(pattern, shown).search("") is not None:
            raise PolicyError(f"{shown} fits an empty text; give it a letter it must have")
    # Whole words only: Scunthorpe is a town.
    return _expression(rf"\b(?:{'|'.join(f'(?:{pattern})' for pattern in patterns)})\b", f"{place}: its patterns")


def _expression(pattern: str, place: str) -> Pattern:
    options = re2.Options()
    options.max_mem = _PATTERN_BYTES_MAX
    options.case_sensitive = False
    options.log_errors = False
    try:
        compiled: Pattern = re2.compile(plain_pattern(pattern), options)
    except re2.error as error:
        why = error.args[0].decode("utf-8", "replace") if error.args and isinstance(error.args[0], bytes) else "unknown"
        raise PolicyError(
            f"{place} is not valid RE2 syntax: {why[:120]}; lookarounds and back references do not exist there"
        ) from error
    return compiled


def _check_words(entries: _PolicyEntries, origin: str) -> None:
    known = {*Reason, WHEN, OTHERWISE}
    if unknown := entries.words.keys() - set(LANGUAGES):
        raise PolicyError(f"{origin}: words.{min(unknown)} is never used; kind words are in {', '.join(LANGUAGES)}")
    for name in LANGUAGES:
        words = entries.words.get(name)
        if words is None or not {WHEN, OTHERWISE} <= words.keys():
            raise PolicyError(f"{origin}: words.{name} needs the entries {WHEN!r} and {OTHERWISE!r}")
        if unknown := words.keys() - known:
            raise PolicyError(
                f"{origin}: words.{name}: {', '.join(sorted(unknown))} is no reason; use the contract's names"
            )
