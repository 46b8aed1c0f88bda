"""How the agent is put together: the only place that constructs."""

from __future__ import annotations

import openai
from agents import Model

from agent.api import AgentApi
from agent.clients import SAFE_TO_REPEAT, Desk, Knowledge
from agent.consumers import on_message_filed
from agent.model import Burst
from agent.operations import Answers, Policies, Records
from agent.settings import Settings
from agent.thinking import local_rules, rules
from agent.thinking.case import Limits
from agent.thinking.instructions import instructions
from agent.thinking.local_rules import LocalRulesModel, Thresholds
from agent.thinking.models import Models, endpoint_model
from agent.thinking.thinker import Budget, Thinker
from fte import descriptors
from fte.access import ACCESS
from fte.agent.v1 import agent_service_pb2
from fte.agent.v1.agent_service_pb2_grpc import add_AgentServiceServicer_to_server
from meshkit.callers import TokenSource
from meshkit.channel import connect
from meshkit.clock import SystemClock
from meshkit.database import Database
from meshkit.outbox import Outbox
from meshkit.pages import PageTokens
from meshkit.server import Door
from meshkit.service import Service

# Beside its thinking, a run reads the conversation before and, when it was overtaken, again after.
_CALLS_AROUND_A_RUN = 4


def build(settings: Settings) -> Service:
    """Returns the agent, ready to run."""
    database = Database.of(settings)
    outbox = Outbox("/fte/agent")
    clock = SystemClock()
    tokens = TokenSource(settings, "agent")
    tickets, knowledge = (
        connect(
            address,
            settings=settings,
            service="agent",
            tokens=tokens,
            safe_to_repeat=[method for method in SAFE_TO_REPEAT if method.startswith(package)],
            deadline_seconds=settings.neighbour_seconds,
        )
        for address, package in (
            (settings.tickets_address, "/fte.tickets.v1."),
            (settings.knowledge_address, "/fte.knowledge.v1."),
        )
    )
    client = _endpoint(settings)
    answers = Answers(
        outbox,
        clock,
        Desk(tickets),
        Knowledge(knowledge),
        Thinker(
            models(settings, client),
            Budget(turns=settings.run_turns_max, seconds=settings.run_seconds),
            runs_max=settings.runs_max,
            instructions=instructions(categories=settings.categories, words_max=settings.reply_words_max),
        ),
        Policies(rules.load()),
        Limits(
            searches_max=settings.searches_max,
            reply_words_max=settings.reply_words_max,
            coverage_min=settings.grounding_coverage_min,
            categories=settings.categories,
        ),
    )
    return Service(
        name="agent",
        settings=settings,
        database=database,
        outbox=outbox,
        doors=[
            Door(
                add_AgentServiceServicer_to_server,
                # Policies have no door yet: those methods answer UNIMPLEMENTED.
                AgentApi(Records(database), PageTokens(settings.page_token_key)),  # type: ignore[abstract]
                agent_service_pb2.DESCRIPTOR.services_by_name["AgentService"],
            )
        ],
        access=ACCESS,
        contracts=descriptors.load(),
        migrations="agent",
        subscriptions=[
            on_message_filed(
                answers,
                Burst(settings.burst_seconds),
                clock,
                concurrency=settings.runs_max,
                prepare_timeout_seconds=settings.run_seconds + _CALLS_AROUND_A_RUN * settings.neighbour_seconds,
            )
        ],
        resources=[tickets, knowledge, *([] if client is None else [client])],
    )


def models(settings: Settings, client: openai.AsyncOpenAI | None) -> Models:
    """The models of the settings: the endpoint first where there is one, the local rules always."""
    local = LocalRulesModel(Thresholds(fit_min=settings.local_fit_min, words_max=settings.local_words_max))
    chain: list[tuple[str, Model]] = [(local_rules.NAME, local)]
    if client is not None:
        chain.insert(0, (settings.openai_model, endpoint_model(settings.openai_model, client, settings.openai_api)))
    return Models(chain, call_seconds=settings.openai_seconds)


def _endpoint(settings: Settings) -> openai.AsyncOpenAI | None:
    key, base_url = settings.openai_api_key, settings.openai_base_url
    if key is None and base_url is None:
        return None
    return openai.AsyncOpenAI(
        # Endpoints of one's own often ask for no key, but the client insists on one.
        api_key="none" if key is None else key.get_secret_value(),
        base_url=base_url or "https://api.openai.com/v1",
        # A retry would spend the run's budget where the local model can already answer.
        max_retries=0,
        timeout=settings.openai_seconds,
    )
