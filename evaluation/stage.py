"""The agent as it runs in production, with everything of its own real, and a knowledge service to ask."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import agent.app
import agent.settings
import knowledge.app
import knowledge.settings
from agent.clients import Knowledge
from agent.model import Author, Conversation, Filed, Message, Passage, Reply, Ticket, TicketState, Usage
from agent.thinking import instructions as told
from agent.thinking import local_rules, rules
from agent.thinking.case import Case
from agent.thinking.meaning import Meaning
from agent.thinking.models import Models
from agent.thinking.rules import Judgement, Policy
from agent.thinking.thinker import Thinker
from evaluation import labels, sent
from evaluation.desk import Library, RecordingDesk, RecordingLibrary
from evaluation.questions import Question, Seen, Trial
from fte.access import ACCESS
from local.paths import embedded_ahead
from local.ports import free_ports
from local.postgres import WITHOUT_DURABILITY, Postgres
from local.provision import create_database, passwords, provision, service_dsn
from meshkit.clock import SystemClock
from meshkit.ids import uuid7
from meshkit.migrations import migrate
from meshkit.testing import serve, settings_for

CONTEXT: Final = Path(__file__).resolve().parents[1] / "context"
LOCAL: Final = "local-rules"
"""What the local model is called by whoever names one, whatever its version."""

# An address that a form was given is anybody's; the other channels prove theirs.
_UNVERIFIED: Final = "web_form"


@contextmanager
def database() -> Iterator[str]:
    """The address of a fresh database for knowledge, on a PostgreSQL of its own that goes with it."""
    with tempfile.TemporaryDirectory(prefix="fte-") as folder:
        # PostgreSQL runs as another account than root, which has to get through.
        Path(folder).chmod(0o755)
        server = Postgres(Path(folder) / "postgres", free_ports(1)[0], settings=WITHOUT_DURABILITY)
        server.start()
        try:
            roles = passwords()
            asyncio.run(create_database(server.dsn(), "evaluation"))
            asyncio.run(provision(server.dsn("evaluation"), roles))
            yield service_dsn(server.dsn("evaluation"), "knowledge", roles["knowledge"])
        finally:
            server.stop()


@asynccontextmanager
async def library(dsn: str) -> AsyncIterator[Knowledge]:
    """The knowledge service over that database, with the documents of `context/`, asked over gRPC."""
    await migrate(dsn, schema="knowledge", package="knowledge")
    settings = settings_for(
        knowledge.settings.Settings, database_url=dsn, context_dir=CONTEXT, embedded_ahead=embedded_ahead()
    )
    service = knowledge.app.build(settings)
    await service.database.open()
    try:
        for resource in service.resources:
            await resource.__aenter__()
        for step in service.on_start:
            await step()
        async with serve(service.doors, ACCESS, service="knowledge", settings=settings, caller="agent") as server:
            yield Knowledge(server.channel)
    finally:
        await service.database.close()


class Agent:
    """The agent with the models and limits of its settings, before a desk that only writes down."""

    def __init__(
        self,
        found_in: Library,
        models: Models,
        *,
        policy: Policy | None = None,
        settings: agent.settings.Settings | None = None,
        meaning: Meaning | None = None,
    ) -> None:
        given = settings or agent_settings()
        self.policy = policy or rules.load()
        self.instructions_version = told.VERSION
        self.models = models
        self.library = found_in
        self.limits = agent.app.limits(given)
        self._budget = agent.app.budget(given)
        self._runs_max = given.runs_max
        self._told = agent.app.told_by(given)
        self._sections = labels.passages(CONTEXT)
        self._meaning = meaning or Meaning()
        self._thinker = self._thinker_of(models)

    @property
    def model(self) -> str:
        """The name of the model that is asked first."""
        return self.models.chain[0][0]

    async def try_out(self, question: Question) -> Trial:
        """One run over a question. Raises a Failure when the knowledge service does not answer."""
        desk = RecordingDesk(withheld=question.channel == _UNVERIFIED)
        case = self.case(conversation_of(question), desk)
        asked = self.models.for_run()
        began = time.perf_counter()
        answered_by = await self._thinker.think(case, asked)
        seconds = time.perf_counter() - began
        texts = case.conversation.read_by_rules()
        judged = self.policy.judge(texts, (await self._meaning.read(texts)).reasons)
        return Trial(question, self._seen(case, desk, judged, answered_by, seconds, asked.usage))

    def case(self, conversation: Conversation, desk: RecordingDesk, planted: Sequence[Passage] = ()) -> Case:
        """A new run's case; searches find `planted` before anything else."""
        filed = Filed(uuid7(), uuid7(), conversation.id, conversation.ticket.id, conversation.version)
        asked = RecordingLibrary(self.library, desk, tuple(planted))
        return Case(filed, conversation, desk, asked, self.policy, self.limits, SystemClock())

    async def think(self, case: Case, models: Models | None = None) -> str:
        """Brings a case to its ending, by other models where some are given; the name of the one that answered last."""
        thinker = self._thinker if models is None else self._thinker_of(models)
        return await thinker.think(case)

    def _thinker_of(self, models: Models) -> Thinker:
        return Thinker(models, self._budget, runs_max=self._runs_max, instructions=self._told, meaning=self._meaning)

    def _seen(
        self, case: Case, desk: RecordingDesk, judged: Judgement, model: str, seconds: float, usage: Usage
    ) -> Seen:
        ended = desk.ended
        found = sorted(case.progress.passages.values(), key=lambda passage: -passage.score)
        seen = Seen(
            "none",
            triggers=frozenset(finding.reason.lower() for finding in judged.findings),
            sentiment=judged.sentiment,
            found=tuple(sent.heading_of(each.heading) for each in found),
            category=desk.category,
            model=model,
            seconds=seconds,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cost_micros=usage.cost_micros,
        )
        if ended is None:
            return seen
        if not isinstance(ended, Reply):
            return replace(seen, ending="escalate", reason=ended.reason.value)
        count, without = sent.unsupported(ended, case.sentences, self.limits.coverage_min)
        return replace(
            seen,
            ending="reply" if ended.citations else "close",
            text=ended.text,
            articles=tuple(sent.heading_of(passage.heading) for passage in ended.citations),
            sentences=count,
            unsupported=tuple(each.text for each in without),
            strange=sent.strange(ended, self._sections),
        )


def agent_settings() -> agent.settings.Settings:
    """The agent's settings from the environment, without what only a mesh needs."""
    return settings_for(agent.settings.Settings, tickets_address="127.0.0.1:1", knowledge_address="127.0.0.1:1")


def models_of(settings: agent.settings.Settings, name: str = "", meaning: Meaning | None = None) -> Models:
    """The models of the settings, or the one of them that is named. Raises ModelNotConfigured."""
    every = agent.app.models(settings, agent.app.endpoints(settings), meaning=meaning or Meaning())
    if not name:
        return every
    return every.only(local_rules.NAME if name == LOCAL else name)


def conversation_of(question: Question) -> Conversation:
    """A question as the desk would hand it over."""
    authors = {"customer": Author.CUSTOMER, "agent": Author.AGENT}
    earlier = tuple(Message(authors[author], text) for author, text in question.earlier)
    verified = question.channel != _UNVERIFIED
    state = TicketState.OPEN if earlier else TicketState.NEW
    ticket = Ticket(uuid7(), question.subject, state, sender_verified=verified)
    messages = (*earlier, Message(Author.CUSTOMER, question.text))
    return Conversation(uuid7(), question.channel.upper(), len(messages), 0, ticket, messages)
