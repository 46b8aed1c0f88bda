"""The model when nobody scripted it: a small assistant that works a support ticket through the functions it is offered.

It sorts the ticket, looks at the customer's history, searches, and answers in the passages' own sentences with their
ids as citations; or it hands the case to a person when nothing was found. All it knows stands in the request, so the
same request gets the same answer, but for its ids.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from simulators.openai import passages
from simulators.openai.arguments import arguments_for
from simulators.openai.passages import Passage
from simulators.openai.turn import Answer, Asked, Call, Function, Returned, Said

TRIAGE: Final = "create_ticket"
HISTORY: Final = "get_customer_history"
SEARCH: Final = "search_knowledge_base"
REPLY: Final = "send_response"
ESCALATE: Final = "escalate_to_human"

_SEARCHES_MAX: Final = 2
_ATTEMPTS_MAX: Final = 2
_QUERY_CHARACTERS_MAX: Final = 300
_SUBJECT_CHARACTERS_MAX: Final = 80
_SHORT_QUESTION_STEMS: Final = 2
_SUBJECTS: Final[Mapping[str, frozenset[str]]] = {
    "billing": passages.stems("invoice payment card charge price plan bill receipt subscription tax"),
    "bug_report": passages.stems("bug crash broken freeze wrong glitch"),
    "technical": passages.stems("error login password sync api integration sign install export import code"),
    "feedback": passages.stems("feedback suggest idea wish feature love"),
}
_URGENT: Final = passages.stems("urgent blocked asap immediately outage down emergency")
_ENGLISH: Final = passages.words("the is are does how what can my to of and for it you we")
_LANGUAGE_WORDS_MIN: Final = 5


@dataclass(frozen=True)
class Seen:
    """What a request says of the work so far: the customer's words, and how each function has answered."""

    asked: Asked

    @cached_property
    def document(self) -> Mapping[str, Any]:
        """The latest user message's JSON object; empty for plain words."""
        text = next((i.text for i in reversed(self.asked.items) if isinstance(i, Said) and i.role == "user"), "")
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}

    @cached_property
    def said(self) -> tuple[Sequence[str], Sequence[str]]:
        """The customer's texts: those since anybody else spoke, and those before."""
        if not self.document:
            return [self.asked.user_text], []
        messages: list[dict[str, Any]] = next(filter(_is_conversation, self.document.values()), [])
        latest: list[str] = []
        before: list[str] = []
        answered = False
        for message in reversed(messages):
            author = str(message.get("author", message.get("role", "customer"))).casefold()
            if author in ("customer", "user"):
                (before if answered else latest).insert(0, str(message["text"]))
            else:
                answered = True
        return latest, before

    @cached_property
    def subject(self) -> str:
        """The ticket's subject, empty where the document has none."""
        return str(self.document.get("subject") or "")

    @cached_property
    def question(self) -> str:
        """What the customer wants to know now, with what they said before when it is too short to stand alone."""
        latest, before = self.said
        text = "\n".join(latest).strip() or self.subject
        if before and len(passages.stems(text)) <= _SHORT_QUESTION_STEMS:
            text = f"{before[-1]}\n{text}"
        return text

    @cached_property
    def outputs(self) -> Mapping[str, Sequence[str]]:
        """What each function answered, by its name, in order."""
        names: dict[str, str] = {}
        outputs: dict[str, list[str]] = {}
        for item in self.asked.items:
            match item:
                case Call(name=name, call_id=call_id):
                    names[call_id] = name
                case Returned(call_id=call_id, output=output):
                    outputs.setdefault(names.get(call_id, ""), []).append(output)
        return outputs

    @cached_property
    def passages(self) -> Sequence[Passage]:
        """Everything that searches found, each passage once."""
        found = (each for output in self.outputs.get(SEARCH, ()) for each in passages.read(output))
        return list({each.id: each for each in found}.values())

    def tries(self, name: str) -> int:
        """How often a function was called and has answered."""
        return len(self.outputs.get(name, ()))


def answer(asked: Asked) -> Answer:
    """The next step of the work: one call, or words where no function can or may be called."""
    functions = {each.name: each for each in asked.functions}
    if asked.choice == "none" or not functions:
        return Answer(text=_words(asked))
    seen = Seen(asked)
    if asked.choice in functions:
        return _calling(functions[asked.choice], seen)
    known = _next(seen, functions)
    if known is not None:
        return _calling(known, seen)
    fresh = next((each for each in functions.values() if not seen.tries(each.name)), None)
    if fresh is None and asked.choice != "required":
        return Answer(text=_words(asked))
    return _calling(fresh or next(iter(functions.values())), seen)


def known(seen: Seen, name: str) -> dict[str, Any]:
    """What the assistant would put into arguments, by their names; a list holds candidates, best first."""
    best = passages.best(f"{seen.subject}\n{seen.question}", seen.passages) or next(iter(seen.passages), None)
    again = seen.tries(name) > 0
    keeps_category, keeps_priority = bool(seen.document.get("category")), bool(seen.document.get("priority"))
    words = passages.stems(f"{seen.subject}\n{seen.question}")
    category = next((each for each, telling in _SUBJECTS.items() if telling & words), "general")
    priority = "high" if words & _URGENT else "medium"
    query = seen.question if not again else " ".join(sorted(words))
    cited = [] if best is None else [{"id": best.id, "passage": best.id, "quote": passages.quote(seen.question, best)}]
    return {
        "subject": "" if seen.subject else _headline(seen.question),
        "category": ["", "general"] if keeps_category or again else [category, "general", ""],
        "priority": ["", "medium"] if keeps_priority else [priority, priority.upper(), "normal", ""],
        "query": query[:_QUERY_CHARACTERS_MAX],
        "body": "" if best is None else passages.quote(seen.question, best),
        "citations": cited,
        "reason": _reasons(seen),
        "summary": _summary(seen),
    }


def _next(seen: Seen, offered: Mapping[str, Function]) -> Function | None:
    """Which of the five functions of a support ticket comes next, of those that are offered now."""
    wanted: list[str] = [name for name in (TRIAGE, HISTORY) if not seen.tries(name)]
    if 0 < seen.tries(TRIAGE) < _ATTEMPTS_MAX and _has_failed(seen.outputs[TRIAGE][-1]):
        wanted.insert(0, TRIAGE)
    if _is_english(seen):
        if not seen.tries(SEARCH):
            wanted.append(SEARCH)
        found = passages.best(f"{seen.subject}\n{seen.question}", seen.passages)
        if found is not None and seen.tries(REPLY) < _ATTEMPTS_MAX:
            wanted.append(REPLY)
        if seen.tries(SEARCH) < _SEARCHES_MAX:
            wanted.append(SEARCH)
    wanted.append(ESCALATE)
    return next((offered[name] for name in wanted if name in offered), None)


def _calling(function: Function, seen: Seen) -> Answer:
    return Answer(calls=(Call.of(function.name, arguments_for(function, known(seen, function.name))),))


def _words(asked: Asked) -> str:
    outputs = [item.output for item in asked.items if isinstance(item, Returned)]
    said = f"Here is what I found: {outputs[-1]}" if outputs else "Hello! How can I help you today?"
    return json.dumps({"answer": said}) if asked.as_json else said


def _reasons(seen: Seen) -> list[str]:
    fallbacks = ["no_answer_found", "NO_ANSWER_FOUND", "no_answer", "other"]
    return fallbacks if _is_english(seen) else ["language", "LANGUAGE", *fallbacks]


def _summary(seen: Seen) -> str:
    if not _is_english(seen):
        return "The message is not in English."
    if not seen.passages:
        return "The customer's question was searched for, and nothing was found."
    return "The customer's question was searched for, and no passage answers it."


def _is_english(seen: Seen) -> bool:
    said = passages.words(seen.question)
    return len(said) < _LANGUAGE_WORDS_MIN or bool(said & _ENGLISH)


def _has_failed(output: str) -> bool:
    """Whether a function says that it had no effect: in words, or by an error in its JSON."""
    try:
        value = json.loads(output)
    except (ValueError, RecursionError):
        return True
    return isinstance(value, dict) and "error" in value


def _headline(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SUBJECT_CHARACTERS_MAX else line[:_SUBJECT_CHARACTERS_MAX].rsplit(" ", 1)[0]


def _is_conversation(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) and "text" in each for each in value)
