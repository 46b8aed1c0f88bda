"""The model that needs no network: it works by rules over what the SDK gives it, and answers by quoting passages.

Given the same conversation and the same tool results it makes the same calls. It is the default, and the stand-in when
an endpoint fails in the middle of a run, because all it knows is in the items of the run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from agents import ModelResponse, Usage
from agents.items import TResponseInputItem
from openai.types.responses import ResponseFunctionToolCall

from agent.model import Tool
from agent.thinking import extract
from agent.thinking.instructions import read_document
from agent.thinking.tools import REJECTED
from agent.thinking.turn import Turn, TurnModel
from agent.thinking.words import LISTS, content_stems, language, words

NAME: Final = "local-rules-1"

# Chosen together with the threshold over bench/answer_quality.py, where the README says how.
_COVERAGE_WEIGHT: Final = 0.5

_GREETING: Final = re.compile(
    r"^\s*(hi|hello|hey|dear|good (morning|day|afternoon|evening)|to whom it may concern)\b[^.!?\n]{0,40}[,!.]?\s*$"
    r"|^\s*((kind|best|warm) )?(regards|wishes|thanks|thank you|cheers|sincerely|best)\b[^.!?\n]{0,30}[,!.]?\s*$",
    re.IGNORECASE,
)
_CATEGORY_STEMS: Final[Mapping[str, frozenset[str]]] = {
    name: frozenset(content_stems(each)) for name, each in LISTS["categories"].items()
}
_URGENT: Final = frozenset(LISTS["urgent"].split())


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From which fit on a passage answers a question, from 0 to 1, and in how many words at most."""

    fit_min: float = 0.59
    words_max: int = 120


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the items of a run say: the conversation, and how each tool that was called has answered."""

    document: Mapping[str, Any]
    results: Mapping[str, Sequence[str]]

    def question(self) -> str:
        """What the customer has said since anybody spoke to them, without greetings."""
        texts: list[str] = []
        for message in reversed(self.document["messages"]):
            if message["author"] != "customer":
                break
            texts.append(message["text"])
        lines = "\n".join(reversed(texts)).splitlines()
        return "\n".join(line for line in lines if line.strip() and not _GREETING.match(line))

    def passages(self) -> Iterable[Mapping[str, Any]]:
        """What the searches found, each passage once, with its best score."""
        found: dict[str, Mapping[str, Any]] = {}
        for result in self.results.get(Tool.SEARCH_KNOWLEDGE_BASE, ()):
            if result.startswith(REJECTED):
                continue
            for passage in json.loads(result)["passages"]:
                known = found.get(passage["id"])
                if known is None or passage["score"] > known["score"]:
                    found[passage["id"]] = passage
        return found.values()

    def searches(self) -> int:
        return len(self.results.get(Tool.SEARCH_KNOWLEDGE_BASE, ()))


class LocalRulesModel(TurnModel):
    """Sorts, looks at the history, searches, and answers from the best passage or calls a person."""

    def __init__(self, thresholds: Thresholds) -> None:
        self._thresholds = thresholds

    async def answer(self, turn: Turn) -> ModelResponse:
        """One call of one tool: the next step of the work that the items show."""
        return ModelResponse(output=[self._next_call(turn.items, turn.tools)], usage=Usage(), response_id=None)

    def _next_call(self, items: str | list[TResponseInputItem], offered: Sequence[str]) -> ResponseFunctionToolCall:
        seen, calls = _read(items)
        name, arguments = self._next_step(seen, offered)
        return ResponseFunctionToolCall(
            type="function_call", name=name, call_id=f"call_{calls + 1}", arguments=json.dumps(arguments)
        )

    def _next_step(self, seen: _Seen, offered: Sequence[str]) -> tuple[str, Mapping[str, Any]]:
        if Tool.CREATE_TICKET in offered:
            return Tool.CREATE_TICKET, _triage(seen)
        question = seen.question()
        if language(f"{seen.document['subject']}\n{question}") != "en":
            # What we know is written in English, and these rules cannot translate it.
            return _escalate("language", "The message is not in English.")
        if Tool.GET_CUSTOMER_HISTORY in offered:
            return Tool.GET_CUSTOMER_HISTORY, {}
        stems = content_stems(question)
        if seen.searches() == 0 and Tool.SEARCH_KNOWLEDGE_BASE in offered:
            return Tool.SEARCH_KNOWLEDGE_BASE, {"query": question or seen.document["subject"]}
        best = self._best(stems, seen)
        if best is not None and Tool.SEND_RESPONSE in offered and Tool.SEND_RESPONSE not in seen.results:
            body = extract.answer(question, stems, best["text"], words_max=self._thresholds.words_max)
            return Tool.SEND_RESPONSE, {"body": body, "citations": [best["id"]]}
        if Tool.SEARCH_KNOWLEDGE_BASE in offered:
            return Tool.SEARCH_KNOWLEDGE_BASE, {"query": _keywords(f"{seen.document['subject']} {question}")}
        return _escalate("no_answer_found", "No passage that was found answers the question.")

    def _best(self, stems: Sequence[str], seen: _Seen) -> Mapping[str, Any] | None:
        fits = [(_fit(stems, passage), passage) for passage in seen.passages()]
        fit, passage = max(fits, key=lambda each: each[0], default=(0.0, None))
        return passage if fit >= self._thresholds.fit_min else None


def _read(items: str | list[TResponseInputItem]) -> tuple[_Seen, int]:
    """What the items say, and how many calls they hold."""
    if isinstance(items, str):
        return _Seen(read_document(items), {}), 0
    document: Mapping[str, Any] = {"subject": "", "category": "", "priority": "", "messages": []}
    names: dict[str, str] = {}
    results: dict[str, list[str]] = {}
    for item in items:
        match item:
            case {"type": "function_call", "call_id": str(call), "name": str(name)}:
                names[call] = name
            case {"type": "function_call_output", "call_id": str(call), "output": str(output)}:
                results.setdefault(names.get(call, ""), []).append(output)
            case {"role": "user", "content": str(content)}:
                document = read_document(content)
    return _Seen(document, results), len(names)


def _fit(stems: Sequence[str], passage: Mapping[str, Any]) -> float:
    """How well a passage fits a question: mostly what the search says, and how many of its words the passage holds."""
    coverage = extract.coverage(stems, f"{passage['heading']}\n{passage['text']}")
    return (float(passage["score"]) + _COVERAGE_WEIGHT * coverage) / (1 + _COVERAGE_WEIGHT)


def _triage(seen: _Seen) -> Mapping[str, str]:
    document = seen.document
    text = f"{document['subject']}\n{seen.question()}"
    stems = set(content_stems(text))
    category = next((name for name, telling in _CATEGORY_STEMS.items() if telling & stems), "general")
    priority = "high" if _URGENT & set(words(text)) else "medium"
    return {
        "subject": "" if document["subject"] else _headline(seen.question()),
        "category": "" if document["category"] else category,
        "priority": "" if document["priority"] else priority,
    }


def _headline(text: str) -> str:
    """The first words of a message that came without a subject."""
    line = " ".join(text.split())
    return line if len(line) <= 80 else line[:80].rsplit(" ", 1)[0] + " …"


def _keywords(text: str) -> str:
    """The words of a question that carry its subject, each once."""
    kept: dict[str, str] = {}
    for word in words(text):
        for stem in content_stems(word):
            kept.setdefault(stem, word)
    return " ".join(kept.values()) or text


def _escalate(reason: str, summary: str) -> tuple[str, Mapping[str, str]]:
    return Tool.ESCALATE_TO_HUMAN, {"reason": reason, "summary": summary}
