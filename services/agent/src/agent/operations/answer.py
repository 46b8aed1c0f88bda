"""Thinking about a filed message, and the record of it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import datetime

from agent import events, store
from agent.clients import Desk, Knowledge
from agent.errors import NeighbourRefused
from agent.model import Conversation, Ending, Filed, Outcome, Reason, Run, Sentence, Usage
from agent.operations.costs import Costs
from agent.operations.policies import Policies
from agent.thinking import grounding, instructions
from agent.thinking.case import Case, Limits
from agent.thinking.thinker import Thinker
from meshkit import crashpoints
from meshkit.clock import Clock
from meshkit.database import Connection
from meshkit.outbox import Outbox


class Answers:
    """Brings filed messages to their endings, and keeps the records."""

    def __init__(
        self,
        outbox: Outbox,
        clock: Clock,
        desk: Desk,
        knowledge: Knowledge,
        thinker: Thinker,
        policies: Policies,
        limits: Limits,
        costs: Costs,
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._desk = desk
        self._knowledge = knowledge
        self._thinker = thinker
        self._policies = policies
        self._limits = limits
        self._costs = costs

    async def answer(self, filed: Filed) -> Run:
        """Gives a filed message its one ending at the desk, unless none is owed, and returns the record of the run.

        Safe to repeat: the desk says each reply once, and a repeat finds out what the first attempt did.
        Raises a Failure when a neighbour is away.
        """
        began = self._clock.now()
        conversation = await self._desk.conversation(filed.conversation_id)
        policy = self._policies.current()
        case = Case(filed, conversation, self._desk, self._knowledge, policy, self._limits, self._clock)
        model = self._thinker.models.for_run()
        ended = conversation.ended_by(filed.run_id)
        skipped = conversation.skipped_because(filed)
        if ended is not None:
            case.note("desk", Outcome.OK, {"ended": "before"})
            await self._judge_again(case)
        elif skipped is not None:
            case.note("desk", Outcome.OK, {"skipped": skipped})
        else:
            try:
                await self._thinker.think(case, model)
            except Exception:
                # The event is tried again as a whole; what this attempt has cost is spent all the same.
                await self._costs.record_attempt(filed.run_id, model.usages)
                raise
            ended = case.progress.ending
            if case.overtaken:
                # Our own command may have arrived although its answer did not: only the desk knows.
                conversation = await self._desk.conversation(filed.conversation_id)
                ended = conversation.ended_by(filed.run_id)
        crashpoints.reached("agent.before_record")
        return self._record(case, conversation, ended or Ending.SKIPPED, model.answered_by, model.usages, began)

    async def record_run(self, connection: Connection, run: Run) -> None:
        """Keeps the record of a run and publishes that it is finished, in the connection's transaction."""
        if await store.add_run(connection, run):
            await self._outbox.publish(connection, events.run_finished(run))
            self._costs.recorded_on_commit(run.usages)

    def _record(
        self,
        case: Case,
        conversation: Conversation,
        ending: Ending,
        model: str,
        usages: Mapping[str, Usage],
        began: datetime,
    ) -> Run:
        reply = conversation.reply_of(case.filed.run_id)
        reply_id = case.reply_id or (None if reply is None else reply.id)
        reason: Reason | None = None
        if ending is Ending.ESCALATED:
            reason = case.progress.reason or conversation.ticket.escalation_reason or Reason.OTHER
        return Run(
            filed=case.filed,
            ending=ending,
            reason=reason,
            model=model,
            policy_version=case.policy.version,
            instructions_version=instructions.VERSION,
            start_time=began,
            end_time=self._clock.now(),
            steps=tuple(case.steps),
            usages=dict(usages),
            reply_id=reply_id if ending is Ending.REPLIED else None,
            sentences=case.sentences if ending is Ending.REPLIED else (),
        )

    async def _judge_again(self, case: Case) -> None:
        """Finds out what the reply of an earlier attempt stands on, that was said and could not be recorded."""
        reply = case.conversation.reply_of(case.filed.run_id)
        if reply is None:
            return
        passages = []
        for name in reply.citations:
            # One that knowledge has no more explains nothing, and is no reason to try the event again.
            with contextlib.suppress(NeighbourRefused):
                passages.append(await self._knowledge.passage(name))
        verdict = grounding.check(reply.text, passages, coverage_min=self._limits.coverage_min)
        case.sentences = tuple(
            Sentence(judged.text)
            if judged.passage is None
            else Sentence(judged.text, judged.passage.name, judged.passage.heading, judged.quote)
            for judged in verdict.sentences
            if judged.text
        )
