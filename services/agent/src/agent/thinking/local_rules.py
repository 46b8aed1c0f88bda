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

from agent.model import Findings, Passage, Tool
from agent.thinking import extract
from agent.thinking.fit import best_fit, joint_fit, together
from agent.thinking.instructions import read_document
from agent.thinking.meaning import NOTHING_READ, Meaning
from agent.thinking.question import Question, read_question, unanswered
from agent.thinking.tools import REJECTED
from agent.thinking.turn import Turn, TurnModel
from agent.thinking.voice import voice_of
from agent.thinking.words import LISTS, content_stems, language, stem, words

NAME: Final = "local-rules-4"

_CATEGORY_STEMS: Final[Mapping[str, frozenset[str]]] = {
    name: frozenset(content_stems(each)) for name, each in LISTS["categories"].items()
}
_URGENT: Final = frozenset(LISTS["urgent"].split())


# After one search only what stands out that much is answered at once; else a second one looks again.
_SURE_AT_ONCE: Final = 0.8
# A name that no passage has is then one that does not matter ("my dog Bella wants it pink").
_SURE_DESPITE_NAMES: Final = 0.9
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

    def searches(self) -> list[Findings]:
        """What each search found, in order; one that was turned away, nothing."""
        return [_findings(result) for result in self.results.get(Tool.SEARCH_KNOWLEDGE_BASE, ())]


class LocalRulesModel(TurnModel):
    """Sorts, looks at the history, searches, and answers from the best passage or calls a person."""

    def __init__(self, thresholds: Thresholds, meaning: Meaning | None = None) -> None:
        """Without `meaning`, a message is judged by what the searches tell of it alone."""
        self._thresholds = thresholds
        self._meaning = meaning

    async def answer(self, turn: Turn) -> ModelResponse:
        """One call of one tool: the next step of the work that the items show."""
        seen, calls = _read(turn.items)
        left_open = NOTHING_READ.left_open
        if self._meaning is not None and Tool.SEARCH_KNOWLEDGE_BASE in seen.results:
            left_open = (await self._meaning.read(unanswered(seen.document))).left_open
        name, arguments = self._next_step(seen, turn.tools, left_open)
        call = ResponseFunctionToolCall(
            type="function_call", name=name, call_id=f"call_{calls + 1}", arguments=json.dumps(arguments)
        )
        return ModelResponse(output=[call], usage=Usage(), response_id=None)

    def _next_step(self, seen: _Seen, offered: Sequence[str], left_open: float) -> tuple[str, Mapping[str, Any]]:
        question = read_question(seen.document)
        if Tool.CREATE_TICKET in offered:
            return Tool.CREATE_TICKET, _triage(seen.document, question)
        if language(f"{question.subject}\n{question.text}") != "en":
            # What we know is written in English, and these rules cannot translate it.
            return _escalate("language", "The message is not in English.")
        if Tool.GET_CUSTOMER_HISTORY in offered:
            return Tool.GET_CUSTOMER_HISTORY, {}
        searches = seen.searches()
        may_search = Tool.SEARCH_KNOWLEDGE_BASE in offered
        if not searches and may_search:
            return Tool.SEARCH_KNOWLEDGE_BASE, {"query": question.whole}
        found = searches[0] if searches else Findings(())
        fit, passage, strange = _judged(question, found, left_open)
        # What stood out at once is not made doubtful by a search for the rest of the question.
        if len(searches) > 1 and (strange or fit < _SURE_AT_ONCE):
            # One that was turned away tells nothing of what is documented.
            found = together([search for search in searches if search.passages] or searches)
            fit, passage, strange = _judged(question, found, left_open)
        channel = seen.document["channel"]
        fit_min = _SURE_AT_ONCE if may_search else self._thresholds.fit_min
        reply: Mapping[str, Any] | None = None
        if passage is not None and not strange and fit >= fit_min:
            left = _uncovered(question, passage)
            if left is not None and may_search:
                return Tool.SEARCH_KNOWLEDGE_BASE, {"query": left}
            reply = self._answer(question, passage, left, searches[-1], left_open, channel)
        elif not strange and (parts := _parts(question, found, left_open, fit_min)):
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
        passage: Passage,
        left: str | None,
        last_search: Findings,
        left_open: float,
        channel: str,
    ) -> Mapping[str, Any]:
        """The reply from one passage, and from a second one for the question that the first leaves."""
        if left is not None:
            fit, second = best_fit(last_search, left_open)
            if second is not None and second.name != passage.name and fit >= self._thresholds.fit_min:
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

    def _extract(self, asks: Sequence[str], passage: Passage, before: str, channel: str) -> str:
        characters = voice_of(channel).characters_wanted
        return extract.answer(
            asks, passage.text, words_max=self._thresholds.words_max, characters_max=characters, context=before
        )


def _reply(parts: Sequence[tuple[Passage, str]], *, leaves_open: bool = False) -> Mapping[str, Any]:
    return {
        "body": "\n\n".join(body for _, body in parts),
        "citations": [passage.name for passage, _ in parts],
        "leaves_open": leaves_open,
    }


def _parts(question: Question, found: Findings, left_open: float, fit_min: float) -> list[tuple[Passage, list[str]]]:
    """The passages that together answer a message of several questions, each with its own; none when in doubt."""
    count = len(question.asks)
    if count < 2:
        return []
    fit, chosen = joint_fit(found, count, left_open)
    if fit < fit_min:
        return []
    parts: dict[str, tuple[Passage, list[str]]] = {}
    for ask in question.asks:
        best = max(chosen, key=lambda passage: _covered(ask, passage))
        if _covered(ask, best) < _ASK_COVERED_MIN:
            return []
        parts.setdefault(best.name, (best, []))[1].append(ask)
    return list(parts.values())


def _judged(question: Question, found: Findings, left_open: float) -> tuple[float, Passage | None, bool]:
    """The passage that fits best and how well, and whether names that no passage has make it doubtful."""
    fit, passage = best_fit(found, left_open)
    return fit, passage, fit < _SURE_DESPITE_NAMES and bool(question.strangers(_known(found.passages)))


def _known(passages: Iterable[Passage]) -> frozenset[str]:
    said = {word for passage in passages for word in words(f"{passage.heading} {passage.text}")}
    return frozenset(said | set(map(stem, said)))


def _covered(ask: str, passage: Passage) -> float:
    heading = passage.heading.rsplit(" > ", 1)[-1]
    return extract.coverage(content_stems(ask), f"{heading}\n{passage.text}")


def _uncovered(question: Question, passage: Passage) -> str | None:
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


def _findings(result: str) -> Findings:
    """What a result of a search says; nothing for one that was turned away."""
    if result.startswith(REJECTED):
        return Findings(())
    said = json.loads(result)
    passages = tuple(
        Passage(each["id"], each["heading"], each["text"], each["score"], each["question_similarity"])
        for each in said["passages"]
    )
    return Findings(passages, said["documented"], said["open_question_similarity"])


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
