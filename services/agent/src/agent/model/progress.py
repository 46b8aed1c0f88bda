"""How far a run has come, and what it may do next."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.model.conversation import Passage
from agent.model.vocabulary import Ending, Reason, Tool


@dataclass(slots=True)
class Progress:
    """How far a run has come, and therefore what it may do next: the one authority that every guard asks."""

    searches_max: int = 2
    triaged: bool = False
    history_read: bool = False
    searches: int = 0
    passages: dict[str, Passage] = field(default_factory=dict)
    must_escalate: Reason | None = None
    asks_nothing: bool = False
    ending: Ending | None = None
    reason: Reason | None = None
    stopped: bool = False

    @property
    def over(self) -> bool:
        """Whether nothing more may be done: it has its ending, or was stopped without one."""
        return self.stopped or self.ending is not None

    def allowed(self) -> frozenset[Tool]:
        """The tools whose turn it is now."""
        if self.over:
            return frozenset()
        if not self.triaged:
            return frozenset({Tool.CREATE_TICKET})
        if self.must_escalate is not None:
            return frozenset({Tool.ESCALATE_TO_HUMAN})
        if self.asks_nothing:
            return frozenset({Tool.SEND_RESPONSE})
        tools = {Tool.ESCALATE_TO_HUMAN}
        if not self.history_read:
            tools.add(Tool.GET_CUSTOMER_HISTORY)
        elif self.searches < self.searches_max:
            tools.add(Tool.SEARCH_KNOWLEDGE_BASE)
        if self.passages:
            tools.add(Tool.SEND_RESPONSE)
        return frozenset(tools)

    def found(self, passages: tuple[Passage, ...]) -> None:
        """Keeps what a search found. The last search that leaves nothing to answer from calls for a person."""
        for passage in passages:
            known = self.passages.get(passage.name)
            if known is None or passage.score > known.score:
                self.passages[passage.name] = passage
        if not self.passages and self.searches >= self.searches_max:
            self.must_escalate = Reason.NO_ANSWER_FOUND
