"""The model that needs no network: it works by rules over what the SDK gives it, and answers by quoting passages.

Given the same conversation and the same tool results it makes the same calls. It is the default, and the stand-in when
an endpoint fails in the middle of a run, because all it knows is in the items of the run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from agents import ModelResponse, Usage
from agents.items import TResponseInputItem
from openai.types.responses import ResponseFunctionToolCall

from agent.model import Tool
from agent.thinking import extract
from agent.thinking.fit import best_fit, joint_fit
from agent.thinking.instructions import read_document
from agent.thinking.question import Question, read_question
from agent.thinking.tools import REJECTED
from agent.thinking.turn import Turn, TurnModel
from agent.thinking.voice import voice_of
from agent.thinking.words import LISTS, content_stems, language, stem, words

NAME: Final = "local-rules-3"

_CATEGORY_STEMS: Final[Mapping[str, frozenset[str]]] = {
    name: frozenset(content_stems(each)) for name, each in LISTS["categories"].items()
}
_URGENT: Final = frozenset(LISTS["urgent"].split())


# After one search only what stands out that much is answered at once; else a second one looks again.
_SURE_AT_ONCE: Final = 0.8
# A person may start from a draft that is not sure enough to be sent.
_DRAFT_FIT_MIN: Final = 0.25
# Of so few of its words in the answer's passage, a question of several is not answered by it.
_ASK_COVERED_MIN: Final = 0.34
# And of fewer than that, it is left open.
_ASK_TOUCHED_MIN: Final = 0.2


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From which likelihood on a passage answers a question, from 0 to 1, and in how many words at most."""

    fit_min: float = 0.5
    words_max: int = 120


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the items of a run say: the conversation, and how each tool that was called has answered."""

    document: Mapping[str, Any]
    results: Mapping[str, Sequence[str]]

    def searches(self) -> list[Sequence[Mapping[str, Any]]]:
        """What each search found, in order."""
        return [
            () if result.startswith(REJECTED) else json.loads(result)["passages"]
            for result in self.results.get(Tool.SEARCH_KNOWLEDGE_BASE, ())
        ]

    def passages(self) -> list[Mapping[str, Any]]:
        """What the searches found, each passage once, with its best score."""
        found: dict[str, Mapping[str, Any]] = {}
        for passage in (each for search in self.searches() for each in search):
            known = found.get(passage["id"])
            if known is None or passage["score"] > known["score"]:
                found[passage["id"]] = passage
        return list(found.values())


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
        question = read_question(seen.document)
        if Tool.CREATE_TICKET in offered:
            return Tool.CREATE_TICKET, _triage(seen.document, question)
        if language(f"{question.subject}\n{question.text}") != "en":
            # What we know is written in English, and these rules cannot translate it.
            return _escalate("language", "The message is not in English.")
        if Tool.GET_CUSTOMER_HISTORY in offered:
            return Tool.GET_CUSTOMER_HISTORY, {}
        searches, passages = seen.searches(), seen.passages()
        may_search = Tool.SEARCH_KNOWLEDGE_BASE in offered
        if not searches and may_search:
            return Tool.SEARCH_KNOWLEDGE_BASE, {"query": question.whole}
        fit, passage = best_fit(passages)
        strange = question.strangers(_known(passages))
        channel = seen.document["channel"]
        fit_min = _SURE_AT_ONCE if may_search else self._thresholds.fit_min
        reply: Mapping[str, Any] | None = None
        if passage is not None and not strange and fit >= fit_min:
            left = _uncovered(question, passage)
            if left is not None and may_search:
                return Tool.SEARCH_KNOWLEDGE_BASE, {"query": left}
            reply = self._answer(question, passage, left, searches[-1], channel)
        elif not strange and (parts := _parts(question, passages, fit_min)):
            reply = _reply([(each, self._extract(asks, each, question.before, channel)) for each, asks in parts])
        elif may_search:
            return Tool.SEARCH_KNOWLEDGE_BASE, {"query": question.pointed}
        if reply is not None and Tool.SEND_RESPONSE in offered and Tool.SEND_RESPONSE not in seen.results:
            return Tool.SEND_RESPONSE, reply
        if strange:
            return _escalate("no_answer_found", "The question names what no passage names.")
        draft = ""
        if passage is not None and fit >= _DRAFT_FIT_MIN:
            draft = self._extract(question.asks, passage, question.before, channel)
        return _escalate("no_answer_found", "No passage that was found answers the question for certain.", draft)

    def _answer(
        self,
        question: Question,
        passage: Mapping[str, Any],
        left: str | None,
        last_search: Sequence[Mapping[str, Any]],
        channel: str,
    ) -> Mapping[str, Any]:
        """The reply from one passage, and from a second one for the question that the first leaves."""
        if left is not None:
            fit, second = best_fit(last_search)
            if second is not None and second["id"] != passage["id"] and fit >= self._thresholds.fit_min:
                asked = [ask for ask in question.asks if ask != left]
                return _reply(
                    [
                        (passage, self._extract(asked, passage, question.before, channel)),
                        (second, self._extract([left], second, question.before, channel)),
                    ]
                )
        leaves_open = left is not None and _covered(left, passage) < _ASK_TOUCHED_MIN
        asked = [ask for ask in question.asks if not (leaves_open and ask == left)]
        body = self._extract(asked, passage, question.before, channel)
        return _reply([(passage, body)], leaves_open=leaves_open)

    def _extract(self, asks: Sequence[str], passage: Mapping[str, Any], before: str, channel: str) -> str:
        characters = voice_of(channel).characters_wanted
        return extract.answer(
            asks, passage["text"], words_max=self._thresholds.words_max, characters_max=characters, context=before
        )


def _reply(parts: Sequence[tuple[Mapping[str, Any], str]], *, leaves_open: bool = False) -> Mapping[str, Any]:
    return {
        "body": "\n\n".join(body for _, body in parts),
        "citations": [passage["id"] for passage, _ in parts],
        "leaves_open": leaves_open,
    }


def _parts(
    question: Question, passages: Sequence[Mapping[str, Any]], fit_min: float
) -> list[tuple[Mapping[str, Any], list[str]]]:
    """The passages that together answer a message of several questions, each with its own; none when in doubt."""
    count = len(question.asks)
    if count < 2:
        return []
    fit, chosen = joint_fit(passages, count)
    if fit < fit_min:
        return []
    parts: dict[str, tuple[Mapping[str, Any], list[str]]] = {}
    for ask in question.asks:
        best = max(chosen, key=lambda passage: _covered(ask, passage))
        if _covered(ask, best) < _ASK_COVERED_MIN:
            return []
        parts.setdefault(best["id"], (best, []))[1].append(ask)
    return list(parts.values())


def _known(passages: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    said = {word for passage in passages for word in words(f"{passage['heading']} {passage['text']}")}
    return frozenset(said | set(map(stem, said)))


def _covered(ask: str, passage: Mapping[str, Any]) -> float:
    heading = passage["heading"].rsplit(" > ", 1)[-1]
    return extract.coverage(content_stems(ask), f"{heading}\n{passage['text']}")


def _uncovered(question: Question, passage: Mapping[str, Any]) -> str | None:
    """The one of several questions that the passage says least about, when that is too little."""
    if len(question.asks) < 2:
        return None
    ask = min(question.asks, key=lambda each: _covered(each, passage))
    return ask if _covered(ask, passage) < _ASK_COVERED_MIN else None


def _read(items: str | list[TResponseInputItem]) -> tuple[_Seen, int]:
    """What the items say, and how many calls they hold."""
    if isinstance(items, str):
        return _Seen(read_document(items), {}), 0
    document: Mapping[str, Any] = {"subject": "", "category": "", "priority": "", "channel": "", "messages": []}
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


def _triage(document: Mapping[str, Any], question: Question) -> Mapping[str, str]:
    text = f"{document['subject']}\n{question.text}"
    stems = set(content_stems(text))
    category = next((name for name, telling in _CATEGORY_STEMS.items() if telling & stems), "general")
    priority = "high" if _URGENT & set(words(text)) else "medium"
    return {
        "subject": "" if document["subject"] else _headline(question.text),
        "category": "" if document["category"] else category,
        "priority": "" if document["priority"] else priority,
    }


def _headline(text: str) -> str:
    """The first words of a message that came without a subject."""
    line = " ".join(text.split())
    return line if len(line) <= 80 else line[:80].rsplit(" ", 1)[0] + " …"


def _escalate(reason: str, summary: str, draft: str = "") -> tuple[str, Mapping[str, str]]:
    return Tool.ESCALATE_TO_HUMAN, {"reason": reason, "summary": summary, "suggested_reply": draft}
