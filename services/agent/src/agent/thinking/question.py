"""What a customer asks, read by rules: without greetings and signatures, question by question, in its conversation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from agent.thinking.sentences import sentences
from agent.thinking.words import LISTS, content_stems, stem, words

_GREETING: Final = re.compile(
    r"^\s*(hi|hello|hey|dear|good (morning|day|afternoon|evening)|to whom it may concern)\b[^.!?\n]{0,40}[,!.]?\s*$"
    r"|^\s*((kind|best|warm|many) )?(regards|wishes|thanks|thank you|cheers|sincerely|best)\b[^.!?\n]{0,30}[,!.]?\s*$",
    re.IGNORECASE,
)
_SIGNATURE: Final = re.compile(r"^\W*[A-ZÀ-Ý][\w.'&-]*(?:[ ,&]+[\w.'&-]+){0,5}\W*$")
_ENDS_A_SENTENCE: Final = re.compile(r"[?!]|\.\s*$")
_ASKS: Final = re.compile(
    r"\W*(?:and |or |but |so |also |ok(?:ay)?,? )*(?:how|what|where|when|which|who|whose|why|can|could|do|does|did|is"
    r"|are|may|will|would|should|must)\b",
    re.IGNORECASE,
)
_NEXT_QUESTION: Final = re.compile(
    r"[,;]?\s+(?:and|or|but|plus)\s+(?=(?:how|what|where|when|which|who|whose|why|from when|can|could|do|does|is|are"
    r"|may|will|must)\b)",
    re.IGNORECASE,
)
_REPLY_MARK: Final = re.compile(r"^\s*(?:(?:re|fwd?|aw|wg)\s*:\s*)+", re.IGNORECASE)
_NAMED: Final = re.compile(r"(?<=[a-z,;0-9)] )[A-Z][\w']*|\b\w*[a-z][A-Z]\w*|\b[A-Z]{2,}\b")
_ABBREVIATIONS: Final[Mapping[str, str]] = LISTS["abbreviations"]
_PRODUCTS: Final = frozenset(LISTS["other_products"].split())
_NO_NAMES: Final = frozenset(LISTS["no_names"].split())
# A question of fewer words that follows an answer goes on with what was talked about.
_FOLLOW_UP_STEMS_MAX: Final = 7


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: the whole of it, its single questions, the subject, and what was talked about before."""

    text: str
    asks: tuple[str, ...]
    subject: str
    before: str

    @property
    def whole(self) -> str:
        """The question with what it goes on from: what to search for."""
        return f"{self.before} {self.text}".strip() if self.before else self.text

    @property
    def pointed(self) -> str:
        """The same in fewer words: the subject and the sentences that ask; the words that tell where those are all.

        What goes on from something is asked for by itself, because it may be something new: a subject is older still.
        """
        asked = " ".join(self.asks)
        pointed = f"{self.subject}. {asked}" if self.subject and not self.before else asked
        return pointed if pointed.split() != self.whole.split() else _telling(pointed)

    def strangers(self, known: frozenset[str]) -> tuple[str, ...]:
        """The names in the question that stand nowhere in `known`, words and stems in lower case."""
        found = [word for word in words(self.text) if word in _PRODUCTS and word not in known]
        asked = " ".join(self.asks)
        # Who writes in capitals names nothing by them.
        if sum(map(str.isupper, asked)) < sum(map(str.islower, asked)):
            for name in map(str.casefold, _NAMED.findall(asked)):
                if name not in _NO_NAMES and not {name, stem(name)} & known:
                    found.append(name)
        return tuple(found)


def unanswered(document: Mapping[str, Any]) -> Sequence[str]:
    """The texts that wait for an answer, and the subject while nothing was answered: what the rules judge, too."""
    texts: list[str] = []
    for message in reversed(document["messages"]):
        if message["author"] != "customer":
            return texts[::-1]
        texts.append(message["text"])
    return [document["subject"], *reversed(texts)]


def read_question(document: Mapping[str, Any]) -> Question:
    """The question that a conversation's document ends with."""
    texts: list[str] = []
    earlier: list[str] = []
    answered = False
    for message in reversed(document["messages"]):
        answered = answered or message["author"] != "customer"
        (earlier if answered else texts).append(message["text"])
    text = _expanded(_body("\n".join(reversed(texts))))
    subject = _REPLY_MARK.sub("", document["subject"]).strip()
    asks = _asks(text)
    before = ""
    if earlier and len(content_stems(" ".join(asks))) <= _FOLLOW_UP_STEMS_MAX:
        before = " ".join(_body(each) for each in reversed(earlier[:2]))
    return Question(text or subject, asks or ((subject,) if subject else (text,)), subject, before)


def _body(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip() and not _GREETING.match(line)]
    while len(lines) > 1 and _SIGNATURE.match(lines[-1]) and not _ENDS_A_SENTENCE.search(lines[-1]):
        del lines[-1]
    return "\n".join(lines)


def _expanded(text: str) -> str:
    """The text with what people abbreviate in chats written out: nobody writes an article that way."""
    return re.sub(r"\w+", lambda word: _ABBREVIATIONS.get(word[0].casefold(), word[0]), text)


def _asks(text: str) -> tuple[str, ...]:
    said: Sequence[str] = [sentence for line in text.splitlines() for sentence in sentences(line)]
    asking = [each for each in said if "?" in each] or [each for each in said if _ASKS.match(each)] or list(said)
    parts = [part.strip() for each in asking for part in _NEXT_QUESTION.split(each) if content_stems(part)]
    return tuple(parts) or tuple(asking)


def _telling(text: str) -> str:
    """The words of a question that carry its subject, each once."""
    kept: dict[str, str] = {}
    for word in words(text):
        for each in content_stems(word):
            kept.setdefault(each, word)
    return " ".join(kept.values()) or text
