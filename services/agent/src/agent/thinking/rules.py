"""The rules that need no model: what in a customer's words calls for a person, and the kind words for each case.

Rules and words are data, in `policy.toml`; the policy in prose is `context/escalation-rules.md`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.errors import PolicyError
from agent.model import Priority, Reason
from agent.thinking.words import language, normalised

LANGUAGES: Final = ("en", "de", "es", "fr", "pt")
_OTHERWISE: Final = "otherwise"
_WHEN: Final = "when"
# Lines that quote an earlier mail are not this customer's words.
_QUOTED_LINE: Final = re.compile(r"^[ \t]*>.*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that a text meets."""

    rule: str
    reason: Reason
    priority: Priority


class _RuleFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern="^[a-z][a-z_]*$")]
    reason: Reason
    priority: Priority
    patterns: dict[str, list[str]] = Field(min_length=1)
    near_misses: list[str] = []
    capitals_min: Annotated[float, Field(ge=0, le=1)] = 0.0
    letters_min: Annotated[int, Field(ge=0)] = 0


class _PolicyFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Annotated[str, Field(min_length=1, max_length=40)]
    rules: list[_RuleFile] = Field(min_length=1)
    words: dict[str, dict[str, Annotated[str, Field(min_length=1, max_length=1000)]]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One trigger: any pattern, in any language, outside its near misses.

    With `capitals_min`, the text must also be in capitals: that share of its letters, of `letters_min` at least.
    """

    name: str
    reason: Reason
    priority: Priority
    pattern: re.Pattern[str]
    near_miss: re.Pattern[str] | None
    capitals_min: float
    letters_min: int

    def matches(self, text: str) -> bool:
        """Whether a normalised text meets the rule."""
        if self.capitals_min and not _is_in_capitals(text, self.capitals_min, self.letters_min):
            return False
        if self.pattern.search(text) is None:
            return False
        # Most texts end above, so the near misses cost nothing there.
        return self.near_miss is None or self.pattern.search(self.near_miss.sub(" ", text)) is not None


class Policy:
    """A version of the rules and the kind words."""

    def __init__(self, version: str, rules: Sequence[Rule], words: Mapping[str, Mapping[str, str]]) -> None:
        self.version = version
        self.rules = tuple(rules)
        self._words = words

    def findings(self, texts: Sequence[str]) -> tuple[Finding, ...]:
        """The rules that any of the texts meets, by rank: the first gives the reason."""
        clean = [_QUOTED_LINE.sub("", normalised(text)) for text in texts]
        return tuple(
            Finding(rule.name, rule.reason, rule.priority)
            for rule in self.rules
            if any(rule.matches(text) for text in clean)
        )

    def kind_words(self, reason: Reason, texts: Sequence[str]) -> str:
        """What the customer is told when a person takes over: who has it and when to expect them, in their language."""
        words = self._words[language("\n".join(texts))]
        return f"{words.get(reason, words[_OTHERWISE])}\n\n{words[_WHEN]}"


def load(package: str = "agent.thinking", resource: str = "policy.toml") -> Policy:
    """The policy in a file of a package. Raises PolicyError that names the entry, the rule it breaks and the mend."""
    return parse(resources.files(package).joinpath(resource).read_text("utf-8"), resource)


def parse(text: str, origin: str) -> Policy:
    """The policy in a text. Raises PolicyError, as `load` does."""
    try:
        file = _PolicyFile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"{origin} is not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise PolicyError(f"{origin}: {place}: {first['msg']}; mend it there") from error
    _check_words(file, origin)
    names = [rule.name for rule in file.rules]
    if doubled := {name for name in names if names.count(name) > 1}:
        raise PolicyError(f"{origin}: rules named twice: {', '.join(sorted(doubled))}; give each its own name")
    return Policy(file.version, [_rule(rule, origin) for rule in file.rules], file.words)


def _rule(rule: _RuleFile, origin: str) -> Rule:
    if unknown := rule.patterns.keys() - set(LANGUAGES):
        raise PolicyError(f"{origin}: rule {rule.name}: unknown language {', '.join(sorted(unknown))}")
    every = [pattern for patterns in rule.patterns.values() for pattern in patterns]
    return Rule(
        name=rule.name,
        reason=rule.reason,
        priority=rule.priority,
        pattern=_compiled(every, rule.name, origin),
        near_miss=_compiled(rule.near_misses, rule.name, origin) if rule.near_misses else None,
        capitals_min=rule.capitals_min,
        letters_min=rule.letters_min,
    )


def _compiled(patterns: Sequence[str], rule: str, origin: str) -> re.Pattern[str]:
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise PolicyError(f"{origin}: rule {rule}: the pattern {pattern!r} is not valid: {error}") from error
    alternatives = "|".join(f"(?:{pattern})" for pattern in patterns)
    # Whole words only: Scunthorpe is a town.
    return re.compile(rf"(?<!\w)(?:{alternatives})(?!\w)", re.IGNORECASE)


def _check_words(file: _PolicyFile, origin: str) -> None:
    known = {*Reason, _WHEN, _OTHERWISE}
    for name in LANGUAGES:
        words = file.words.get(name)
        if words is None or not {_WHEN, _OTHERWISE} <= words.keys():
            raise PolicyError(f"{origin}: words.{name} needs the entries {_WHEN!r} and {_OTHERWISE!r}")
        if unknown := words.keys() - known:
            raise PolicyError(
                f"{origin}: words.{name}: {', '.join(sorted(unknown))} is no reason; use the contract's names"
            )


def _is_in_capitals(text: str, share: float, letters_min: int) -> bool:
    upper = sum(map(str.isupper, text))
    letters = upper + sum(map(str.islower, text))
    return letters >= letters_min and upper >= share * letters
