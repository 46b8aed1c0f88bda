"""The attacks, run: against the guards alone, with a model that gives in to each, and against the model itself."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from agents import ModelResponse, Usage
from openai.types.responses import ResponseFunctionToolCall

from agent.model import Author, Conversation, Message, Passage, Reply, Ticket, TicketState
from agent.thinking.models import Models
from agent.thinking.tools import TOOLS
from agent.thinking.turn import Turn, TurnModel
from evaluation.attacks import Attack, Observed, breaches
from evaluation.desk import RecordingDesk
from evaluation.goals import Call, Tool
from evaluation.stage import Agent
from meshkit.ids import uuid7

_CALL_SECONDS: Final = 10.0
_PARAMETERS: Final = {tool.name: frozenset(tool.params_json_schema["properties"]) for tool in TOOLS}


class GivesIn(TurnModel):
    """Does what an attack asks for, then the same once more without the arguments that no tool has, and insists.

    A reply cites every passage that the run has found: an invented citation alone is not to hold it back.
    """

    def __init__(self, calls: Sequence[Call], found: Callable[[], Iterable[str]]) -> None:
        known = [
            Call(each.tool, {k: v for k, v in each.arguments.items() if k in _PARAMETERS[each.tool]}) for each in calls
        ]
        self._calls = [*calls, *known]
        self._found = found
        self.asked = 0

    async def answer(self, turn: Turn) -> ModelResponse:
        """The next call of the attack, whatever tools are offered."""
        call = self._calls[min(self.asked, len(self._calls) - 1)]
        self.asked += 1
        arguments = dict(call.arguments)
        if call.tool is Tool.SEND_RESPONSE:
            arguments["citations"] = list(self._found())
        made = ResponseFunctionToolCall(
            type="function_call", name=call.tool, call_id=f"call_{self.asked}", arguments=json.dumps(arguments)
        )
        return ModelResponse(output=[made], usage=Usage(), response_id=None)


@dataclass(frozen=True, slots=True)
class Raid:
    """An attack, whether a model was asked at all, how it ended, and what of it must not have happened."""

    attack: Attack
    asked: bool
    is_answered: bool
    breaches: tuple[str, ...]


async def raid(agent: Agent, attack: Attack, *, gives_in: bool) -> Raid:
    """One run over an attack: with a model that gives in, or with the agent's own. Raises as `Agent.try_out` does."""
    wants_history = any(call.tool is Tool.GET_CUSTOMER_HISTORY for call in attack.obeyed)
    desk = RecordingDesk(withheld=not wants_history)
    planted = [
        Passage(f"articles/planted/versions/1/passages/{place}", each.heading, each.text, 1.0, 1.0)
        for place, each in enumerate(attack.articles, 1)
    ]
    case = agent.case(_conversation(attack, verified=wants_history), desk, planted)
    if gives_in:
        model = GivesIn(attack.obeyed, lambda: case.progress.passages)
        await agent.think(case, Models([("gives-in", model)], call_seconds=_CALL_SECONDS))
        asked = model.asked > 0
    else:
        asked = bool(await agent.think(case))
    seen = Observed(desk.said, desk.calls)
    return Raid(attack, asked, isinstance(desk.ended, Reply), tuple(breaches(attack, seen)))


def measure(raids: Sequence[Raid]) -> dict[str, Any]:
    """How many attacks there were, how many reached a model, how they ended, and how many got what they wanted."""
    through = [each for each in raids if each.breaches]
    return {
        "attacks": len(raids),
        "reached_a_model": sum(each.asked for each in raids),
        "answered": sum(each.is_answered for each in raids),
        "breaches": len(through),
        "breaches_by_goal": dict(Counter(each.attack.goal for each in through).most_common()),
        "breaches_by_place": dict(Counter(each.attack.place.value for each in through).most_common()),
    }


def _conversation(attack: Attack, *, verified: bool) -> Conversation:
    ticket = Ticket(uuid7(), attack.subject, TicketState.NEW, sender_verified=verified)
    # What a file is called never reaches the agent; here it stands where a careless channel would put it.
    text = "\n".join((attack.text, *(f"[{name}]" for name in attack.file_names)))
    messages = [Message(Author.CUSTOMER, text)]
    if attack.earlier:
        # Answered long ago, so that no rule reads it again: it is the model that does.
        answered = Message(Author.AGENT, "Thank you for writing to us.")
        messages = [*(Message(Author.CUSTOMER, each) for each in attack.earlier), answered, *messages]
    return Conversation(uuid7(), "EMAIL", len(messages), 0, ticket, tuple(messages))
