"""What the agent does: think about a filed message, keep the record of it, and read the records."""

import uuid
from datetime import datetime

from agent import events, store
from agent.clients import Desk, Knowledge
from agent.errors import RunNotFound
from agent.model import Conversation, Ending, Filed, Outcome, Reason, Run
from agent.thinking import instructions
from agent.thinking.case import Case, Limits
from agent.thinking.rules import Policy
from agent.thinking.thinker import Thinker
from meshkit.clock import Clock
from meshkit.database import Connection, Database
from meshkit.outbox import Outbox


class Operations:
    """The agent's operations over its own schema and its neighbours."""

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        clock: Clock,
        desk: Desk,
        knowledge: Knowledge,
        thinker: Thinker,
        policy: Policy,
        limits: Limits,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._clock = clock
        self._desk = desk
        self._knowledge = knowledge
        self._thinker = thinker
        self._policy = policy
        self._limits = limits

    async def answer(self, filed: Filed) -> Run:
        """Gives a filed message its one ending at the desk, unless none is owed, and returns the record of the run.

        Safe to repeat: the desk says each reply once, and a repeat finds out what the first attempt did.
        Raises a Failure when a neighbour is away.
        """
        began = self._clock.now()
        conversation = await self._desk.conversation(filed.conversation_id)
        case = Case(filed, conversation, self._desk, self._knowledge, self._policy, self._limits, self._clock)
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

    async def get_run(self, run_id: uuid.UUID) -> Run:
        """Returns one run with its steps. Raises RunNotFound."""
        async with self._database.connection() as connection:
            run = await store.get_run(connection, run_id)
        if run is None:
            raise RunNotFound(run_id)
        return run

    async def list_runs(
        self,
        after: tuple[datetime, uuid.UUID] | None,
        limit: int,
        *,
        ticket_id: uuid.UUID | None,
        ending: Ending | None,
    ) -> list[Run]:
        """Returns up to `limit` runs that come after the given one, newest first, without steps."""
        async with self._database.connection() as connection:
            return await store.list_runs(connection, after, limit, ticket_id=ticket_id, ending=ending)

    def _record(self, case: Case, conversation: Conversation, ending: Ending, model: str, began: datetime) -> Run:
        reason: Reason | None = None
        if ending is Ending.ESCALATED:
            reason = case.progress.reason or conversation.ticket.escalation_reason or Reason.OTHER
        return Run(
            filed=case.filed,
            ending=ending,
            reason=reason,
            model=model,
            policy_version=self._policy.version,
            instructions_version=instructions.VERSION,
            start_time=began,
            end_time=self._clock.now(),
            steps=tuple(case.steps),
        )
