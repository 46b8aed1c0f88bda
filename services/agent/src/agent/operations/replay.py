"""Running past conversations again, under other rules, words, models or knowledge, without saying anything."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from agent import store
from agent.clients import Desk, Knowledge
from agent.errors import NeighbourRefused, ReplayBusy
from agent.model import (
    Conversation,
    Difference,
    Ending,
    Escalation,
    Filed,
    History,
    Outcome,
    Reason,
    Replayed,
    Reply,
    Run,
    Terms,
    Tool,
    Triage,
    Usage,
)
from agent.operations.costs import Costs
from agent.operations.policies import Policies
from agent.thinking import local_rules
from agent.thinking.case import Case, Limits
from agent.thinking.meaning import Meaning
from agent.thinking.models import Models
from agent.thinking.rules import Policy
from agent.thinking.thinker import Budget, Thinker
from meshkit.clock import Clock
from meshkit.database import Database
from meshkit.errors import Failure, InvalidArgument
from meshkit.ids import uuid7

Result = TypeVar("Result")

LIMIT_DEFAULT: Final = 20
LOCAL: Final = "local-rules"
"""What callers call the local model, whatever its version."""
# Enough to end within a call's deadline with an endpoint that takes its time, too few for customers to feel.
_AT_ONCE: Final = 4


class Replays:
    """Runs past conversations again, one replay at a time in each process."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        desk: Desk,
        knowledge: Knowledge,
        models: Models,
        budget: Budget,
        instructions: str,
        policies: Policies,
        limits: Limits,
        costs: Costs,
        meaning: Meaning,
    ) -> None:
        self._database = database
        self._clock = clock
        self._desk = desk
        self._knowledge = knowledge
        self._models = models
        self._budget = budget
        self._instructions = instructions
        self._policies = policies
        self._limits = limits
        self._costs = costs
        self._meaning = meaning
        self._busy = False

    async def replay(self, conversations: Sequence[uuid.UUID], limit: int, terms: Terms) -> Replayed:
        """Runs these conversations again, or the newest `limit` where none are named, each as it was when it was asked.

        Reads are real, at the desk and in the knowledge base as it is today; nothing is said and nothing is changed.
        Raises PolicyNotFound, PolicyInvalid, ModelNotConfigured, ReplayBusy, and InvalidArgument for a conversation
        that is not there.
        """
        policy = await self._policies.chosen(terms.policy_version, terms.policy_content)
        name = local_rules.NAME if terms.model == LOCAL else terms.model
        models = self._models.only(name) if name else self._models
        instructions = terms.instructions or self._instructions
        thinker = Thinker(models, self._budget, runs_max=_AT_ONCE, instructions=instructions, meaning=self._meaning)
        async with self._alone():
            chosen = conversations or await self._desk.newest_conversations(limit)
            slots = asyncio.Semaphore(_AT_ONCE)

            async def one(place: int, conversation_id: uuid.UUID) -> tuple[Difference | None, Usage] | None:
                async with slots:
                    return await self._rehearse(place, conversation_id, policy, thinker)

            found = await _all(one(place, each) for place, each in enumerate(chosen))
        rehearsed = [each for each in found if each is not None]
        return Replayed(
            len(rehearsed),
            tuple(difference for difference, _ in rehearsed if difference is not None),
            sum((usage for _, usage in rehearsed), Usage()),
        )

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        if self._busy:
            raise ReplayBusy
        self._busy = True
        try:
            yield
        finally:
            self._busy = False

    async def _rehearse(
        self, place: int, conversation_id: uuid.UUID, policy: Policy, thinker: Thinker
    ) -> tuple[Difference | None, Usage] | None:
        """The difference, if there is one; None for a conversation in which a customer's question is not found."""
        try:
            conversation = await self._desk.conversation(conversation_id)
        except NeighbourRefused as error:
            if error.facts["reason"] != "CONVERSATION_NOT_FOUND":
                raise
            raise InvalidArgument.of(f"conversations[{place}]", "there is no such conversation") from error
        async with self._database.connection() as connection:
            before = await store.find_run_of_conversation(connection, conversation_id)
        message_id = conversation.last_question() if before is None else before.filed.message_id
        asked = None if message_id is None else conversation.as_asked(message_id)
        if asked is None or message_id is None:
            return None
        filed = Filed(uuid7(), message_id, conversation_id, conversation.ticket.id, asked.version)
        desk = _Rehearsal(self._desk)
        case = Case(filed, asked, desk, self._knowledge, policy, self._limits, self._clock)
        model = thinker.models.for_run()
        try:
            await thinker.think(case, model)
        finally:
            await self._costs.record_attempt(filed.run_id, model.usages)
        return _difference(conversation, before, case, desk), model.usage


class _Rehearsal:
    """The desk of a run that is only tried: what it reads is real, and what it would say is kept."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.reply_kept: Reply | None = None

    async def history(self, ticket_id: uuid.UUID, /) -> History:
        return await self._desk.history(ticket_id)

    async def triage(self, ticket_id: uuid.UUID, triage: Triage, /) -> None:
        return None

    async def reply(self, reply: Reply, /) -> None:
        self.reply_kept = reply

    async def escalate(self, escalation: Escalation, /) -> Reason:
        return escalation.reason


def _difference(conversation: Conversation, before: Run | None, case: Case, desk: _Rehearsal) -> Difference | None:
    ending = case.progress.ending or Ending.SKIPPED
    reply_before = None if before is None else conversation.reply_of(before.filed.run_id)
    cited_before = _cited(before)
    text, cited = "", tuple[str, ...]()
    if desk.reply_kept is not None:
        text = desk.reply_kept.text
        cited = tuple(passage.name for passage in desk.reply_kept.citations)
    difference = Difference(
        conversation.id,
        None if before is None else before.filed.run_id,
        None if before is None else before.ending,
        ending,
        None if before is None else before.reason,
        case.progress.reason,
        tuple(name for name in cited_before if name not in cited),
        tuple(name for name in cited if name not in cited_before),
        "" if reply_before is not None and text == reply_before.text else text,
    )
    same_ending = (difference.ending_before, difference.reason_before) == (ending, difference.reason_after)
    if same_ending and not (difference.passages_lost or difference.passages_gained or difference.text_after):
        return None
    return difference


def _cited(run: Run | None) -> tuple[str, ...]:
    steps = () if run is None else run.steps
    said = [step for step in steps if step.name == Tool.SEND_RESPONSE and step.outcome is Outcome.OK]
    return tuple(said[-1].facts.get("passages", "").split()) if said else ()


async def _all(work: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """What all of them return, in their order. The first that fails ends the others, and is what is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in work]
    # Not `except*`: until Python 3.11.4 what is raised in there comes out in a group of its own.
    except ExceptionGroup as group_of_failures:
        failures, others = group_of_failures.split(Failure)
        if failures is None or others is not None:
            raise
        raise failures.exceptions[0] from group_of_failures
    return [task.result() for task in tasks]
