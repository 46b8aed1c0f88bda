"""What a person is handed with a case: what was asked, how it sounded, what was tried and found, and a draft."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from agent.model import Conversation, History, Passage

SAID_CHARACTERS_MAX: Final = 1200
_ASKED_CHARACTERS_MAX: Final = 600
_DRAFT_CHARACTERS_MAX: Final = 900
_PASSAGES_MAX: Final = 5
_TICKETS_MAX: Final = 3


@dataclass(slots=True)
class Handover:
    """Gathers over a run what a person would want to know, so that whoever escalates has it at hand."""

    rules: Sequence[str] = ()
    mood: float | None = None
    queries: list[str] = field(default_factory=list)
    history: History | None = None
    draft: str = ""

    def summary(self, said: str, conversation: Conversation, passages: Iterable[Passage]) -> str:
        """The case as one text, each part in its paragraph. It holds the customer's words: only for the desk."""
        best = sorted(passages, key=lambda passage: -passage.score)[:_PASSAGES_MAX]
        asked = _shortened(" / ".join(text.strip() for text in conversation.unanswered()), _ASKED_CHARACTERS_MAX)
        parts = [said.replace("\0", "").strip()[:SAID_CHARACTERS_MAX]]
        if asked:
            parts.append(f"Asked: “{asked}”")
        if self.rules:
            parts.append("Rules: " + ", ".join(self.rules))
        if self.mood is not None:
            parts.append(f"Mood: {self.mood:.2f} (0 is worst, 1 is best)")
        parts.append(self._customer(conversation))
        if self.queries:
            parts.append("Searched for: " + "; ".join(f"“{query}”" for query in self.queries))
            parts.append("Found: " + ("; ".join(f"{p.heading} ({p.score:.2f})" for p in best) or "nothing"))
        if self.draft:
            parts.append("Suggested reply:\n" + _shortened(self.draft, _DRAFT_CHARACTERS_MAX))
        return "\n".join(part for part in parts if part)

    def _customer(self, conversation: Conversation) -> str:
        known = "verified" if conversation.ticket.sender_verified else "not verified"
        text = f"Customer: by {conversation.channel.lower().replace('_', ' ')}, {known}"
        if self.history is not None and self.history.tickets:
            earlier = "; ".join(
                f"{ticket.subject or 'no subject'} ({ticket.state.lower()})"
                for ticket in self.history.tickets[:_TICKETS_MAX]
            )
            text += f"; earlier tickets: {earlier}"
        return text


def _shortened(text: str, characters_max: int) -> str:
    clean = text.replace("\0", "")
    return clean if len(clean) <= characters_max else clean[: characters_max - 2].rsplit(" ", 1)[0] + " …"
