"""Reading the records of runs."""

import uuid
from datetime import datetime

from agent import store
from agent.errors import ReplyNotFound, RunNotFound
from agent.model import Ending, Run
from meshkit.database import Database


class Records:
    """The records of runs, for people."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get_run(self, run_id: uuid.UUID) -> Run:
        """Returns one run with its steps. Raises RunNotFound."""
        async with self._database.connection() as connection:
            run = await store.get_run(connection, run_id)
        if run is None:
            raise RunNotFound(run_id)
        return run

    async def explain_reply(self, message_id: uuid.UUID) -> Run:
        """Returns the run that wrote a message, with the sentences of it. Raises ReplyNotFound."""
        async with self._database.connection() as connection:
            run = await store.find_run_of_reply(connection, message_id)
        if run is None:
            raise ReplyNotFound(message_id)
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
