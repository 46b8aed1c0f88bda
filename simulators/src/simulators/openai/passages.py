"""What a search returned, read as an assistant reads it: does a passage answer the question, and with which words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

FIT_MIN: Final = 0.55
_SENTENCES_MAX: Final = 3
_SHARE_OF_BEST: Final = 0.6
_DEPTH_MAX: Final = 8
_WORD: Final = re.compile(r"[^\W_]+")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+")
_STEP: Final = re.compile(r"^\s*(?:\d{1,2}[.)])\s+")
_BULLET: Final = re.compile(r"^\s*[-*•#]+\s+")
_HOW_TO: Final = re.compile(r"\bhow\b.{0,40}\b(?:do|to|can|should)\b|\bwhere\b|\bsteps?\b|\bset ?up\b", re.IGNORECASE)
_COMMON: Final = frozenset(
    _WORD.findall(
        "a about all also am an and any are as at be been but by can could did do does for from get got had has "
        "have he hello help her hi him his how i if in into is it its just know like long many may me more much "
        "my need new no not now of on one or our out please she should so some tell than thank thanks that the "
        "their them then there these they this to up us was we were what when where which while who why will with "
        "would you your"
    )
)


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of an article, with the search's own score from 0 to 1 where it gave one."""

    id: str
    text: str
    heading: str = ""
    score: float | None = None

    def fit(self, question: frozenset[str]) -> float:
        """How well it answers, from 0 to 1: what the search thinks of it, and how many of the asked words it has."""
        if not question:
            return 0.0
        coverage = len(question & stems(f"{self.heading}\n{self.text}")) / len(question)
        return coverage if self.score is None else (2 * self.score + coverage) / 3


def read(output: str) -> list[Passage]:
    """The passages in a function's result: every object in its JSON that has an id and a text, wherever it stands."""
    try:
        value = json.loads(output)
    except (ValueError, RecursionError):
        return []
    return list(_within(value, 0))


def _within(value: Any, depth: int) -> Iterator[Passage]:
    if depth > _DEPTH_MAX:
        return
    if isinstance(value, list):
        for each in value:
            yield from _within(each, depth + 1)
    elif isinstance(value, Mapping):
        name, text = _first(value, "id", "passage", "name"), _first(value, "text", "content", "body")
        if name and text:
            score = value.get("score")
            heading = _first(value, "heading", "title")
            yield Passage(name, text, heading, float(score) if isinstance(score, int | float) else None)
        else:
            for each in value.values():
                yield from _within(each, depth + 1)


def _first(value: Mapping[str, Any], *names: str) -> str:
    return next((value[name] for name in names if isinstance(value.get(name), str) and value[name]), "")


def words(text: str) -> frozenset[str]:
    """A text's words, each once, in small letters."""
    return frozenset(_WORD.findall(text.casefold()))


def stems(text: str) -> frozenset[str]:
    """The words that carry a text's subject, without their endings."""
    return frozenset(_stem(word) for word in words(text) if word not in _COMMON)


def _stem(word: str) -> str:
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    return word[:-1] if len(word) > 4 and (word.endswith("e") or word[-1] == word[-2]) else word


def best(question: str, passages: Iterable[Passage]) -> Passage | None:
    """The passage that answers a question; None when none does."""
    asked = stems(question)
    found = max(passages, key=lambda each: each.fit(asked), default=None)
    return found if found is not None and found.fit(asked) >= FIT_MIN else None


def quote(question: str, passage: Passage) -> str:
    """The passage's own sentences that fit the question, word for word, with its numbered steps for a how-to."""
    asked = stems(question)
    sentences, steps = _cut(passage.text)
    fits = [len(asked & stems(sentence)) for sentence in sentences]
    top = max(fits, default=0)
    wanted = sorted(range(len(sentences)), key=lambda place: -fits[place])[:_SENTENCES_MAX]
    chosen = [sentences[place] for place in sorted(wanted) if fits[place] >= max(1, top * _SHARE_OF_BEST)]
    with_steps = bool(steps) and (not chosen or _HOW_TO.search(question) is not None)
    prose = " ".join(chosen or ([] if with_steps else sentences[:1]))
    return "\n\n".join(part for part in (prose, "\n".join(steps) if with_steps else "") if part)


def _cut(text: str) -> tuple[Sequence[str], Sequence[str]]:
    """The sentences of a text, and its first block of numbered steps."""
    sentences: list[str] = []
    steps: list[str] = []
    for line in text.replace("**", "").replace("`", "").splitlines():
        if _STEP.match(line):
            steps.append(line.strip())
        elif line.strip():
            sentences.extend(each for each in _SENTENCE_END.split(_BULLET.sub("", line).strip()) if each)
    second = next((place for place, step in enumerate(steps[1:], 1) if step.startswith("1")), len(steps))
    return sentences, steps[:second]
