"""Thinking about a filed message, and the record of it."""

from datetime import datetime

from agent import events, store
from agent.clients import Desk, Knowledge
from agent.model import Conversation, Ending, Filed, Outcome, Reason, Run
from agent.operations.policies import Policies
from agent.thinking import instructions
from agent.thinking.case import Case, Limits
from agent.thinking.thinker import Thinker
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
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._desk = desk
        self._knowledge = knowledge
        self._thinker = thinker
        self._policies = policies
        self._limits = limits

    async def answer(self, filed: Filed) -> Run:
        """Gives a filed message its one ending at the desk, unless none is owed, and returns the record of the run.

        Safe to repeat: the desk says each reply once, and a repeat finds out what the first attempt did.
        Raises a Failure when a neighbour is away.
        """
        began = self._clock.now()
        conversation = await self._desk.conversation(filed.conversation_id)
        case = Case(
            filed, conversation, self._desk, self._knowledge, self._policies.current(), self._limits, self._clock
        )
        ended = conversation.ended_by(filed.run_id)
        skipped = conversation.skipped_because(filed)
        model = ""
        if ended is not None:
            case.note("desk", Outcome.OK, {"ended": "before"})
        elif skipped is not None:
            case.note("desk", Outcome.OK, {"skipped": skipped})
        else:
            model = await self._thinker.think(case)
            ended = case.progress.ending
            if case.overtaken:
                # Our own command may have arrived although its answer did not: only the desk knows.
                conversation = await self._desk.conversation(filed.conversation_id)
                ended = conversation.ended_by(filed.run_id)
        return self._record(case, conversation, ended or Ending.SKIPPED, model, began)

    async def record_run(self, connection: Connection, run: Run) -> None:
        """Keeps the record of a run and publishes that it is finished, in the connection's transaction."""
        if await store.add_run(connection, run):
            await self._outbox.publish(connection, events.run_finished(run))

    def _record(self, case: Case, conversation: Conversation, ending: Ending, model: str, began: datetime) -> Run:
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
        )
