"""How the agent is put together: the only place that constructs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import openai
from pydantic import SecretStr

from agent.api import AgentApi
from agent.clients import SAFE_TO_REPEAT, Desk, Knowledge
from agent.consumers import on_message_filed
from agent.model import Burst
from agent.operations import Answers, Costs, DryRuns, Policies, Records, Replays
from agent.settings import Settings
from agent.thinking import local_rules, rules
from agent.thinking.case import Limits
from agent.thinking.instructions import instructions
from agent.thinking.local_rules import LocalRulesModel, Thresholds
from agent.thinking.meaning import Meaning
from agent.thinking.models import Interface, Models, Patience, endpoint_model
from agent.thinking.spending import MICROS, Spending
from agent.thinking.thinker import Budget, Thinker
from agent.thinking.tracing import trace_runs
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
from meshkit.timers import Timer

# Beside its thinking, a run reads the conversation before and, when it was overtaken, again after.
_CALLS_AROUND_A_RUN = 4
# How late a replica learns what the others have spent.
_COSTS_SECONDS = 5.0
# How late a replica follows when another policy is put in force.
_POLICIES_SECONDS = 2.0


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
    asked = endpoints(settings)
    spending = Spending(round(settings.daily_budget_dollars * MICROS), clock)
    costs = Costs(database, spending, clock)
    desk, library = Desk(tickets), Knowledge(knowledge)
    meaning = Meaning(threads=settings.meaning_threads)
    answering = models(settings, asked, spending, meaning)
    policies = Policies(rules.load(), database, clock)
    is_traced = settings.otel_exporter_otlp_endpoint is not None
    if is_traced:
        trace_runs()
    held, spendable, told = limits(settings), budget(settings), told_by(settings)
    thinker = Thinker(
        answering, spendable, runs_max=settings.runs_max, instructions=told, traced=is_traced, meaning=meaning
    )
    answers = Answers(outbox, clock, desk, library, thinker, policies, held, costs)
    replays = Replays(database, clock, desk, library, answering, spendable, told, policies, held, costs, meaning)
    return Service(
        name="agent",
        settings=settings,
        database=database,
        outbox=outbox,
        doors=[
            Door(
                add_AgentServiceServicer_to_server,
                AgentApi(
                    Records(database),
                    replays,
                    costs,
                    policies,
                    DryRuns(database, desk, policies, meaning),
                    PageTokens(settings.page_token_key),
                ),
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
        timers=[Timer("costs", _COSTS_SECONDS, costs.look), Timer("policies", _POLICIES_SECONDS, policies.look)],
        on_start=[policies.start, costs.look],
        resources=[meaning, tickets, knowledge, *(each.client for each in asked)],
    )


def limits(settings: Settings) -> Limits:
    """What a run may do at most."""
    return Limits(
        searches_max=settings.searches_max,
        reply_words_max=settings.reply_words_max,
        coverage_min=settings.grounding_coverage_min,
        categories=settings.categories,
        hosts=settings.reply_hosts,
    )


def budget(settings: Settings) -> Budget:
    """What a run may spend."""
    return Budget(settings.run_turns_max, settings.run_seconds, settings.openai_output_tokens_max)


def told_by(settings: Settings) -> str:
    """What every run's model is told."""
    return instructions(categories=settings.categories, words_max=settings.reply_words_max)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model of an OpenAI-compatible endpoint, and how it is reached."""

    model: str
    client: openai.AsyncOpenAI
    interface: Interface


def models(
    settings: Settings,
    endpoints: Sequence[Endpoint],
    spending: Spending | None = None,
    meaning: Meaning | None = None,
) -> Models:
    """The models in the order in which they are asked: those of the endpoints, and the local rules.

    Without `meaning`, the local rules go by what the searches tell alone.
    """
    local = LocalRulesModel(Thresholds(fit_min=settings.local_fit_min, words_max=settings.local_words_max), meaning)
    chain = [(each.model, endpoint_model(each.model, each.client, each.interface)) for each in endpoints]
    return Models(
        [*chain, (local_rules.NAME, local)],
        patience=Patience(
            call_seconds=settings.openai_seconds,
            retries=settings.openai_retries,
            failures_max=settings.model_breaker_failures,
            shut_seconds=settings.model_breaker_seconds,
            run_tokens_max=settings.run_tokens_max,
        ),
        prices=settings.model_prices,
        spending=spending,
    )


def endpoints(settings: Settings) -> list[Endpoint]:
    """The endpoints that are set, in the order in which they are asked: none, one, or two."""
    found = []
    key, base_url = settings.openai_api_key, settings.openai_base_url
    if key is not None or base_url is not None:
        found.append(Endpoint(settings.openai_model, _client(key, base_url, settings), settings.openai_api))
    if settings.openai_fallback_model:
        if settings.openai_fallback_base_url is not None:
            # The first one's key is shown to nobody else.
            key, base_url = None, settings.openai_fallback_base_url
        client = _client(settings.openai_fallback_api_key or key, base_url, settings)
        found.append(Endpoint(settings.openai_fallback_model, client, settings.openai_fallback_api))
    return found


def _client(key: SecretStr | None, base_url: str | None, settings: Settings) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(
        # Endpoints of one's own often ask for no key, but the client insists on one.
        api_key="none" if key is None else key.get_secret_value(),
        base_url=base_url or "https://api.openai.com/v1",
        # Attempts are counted and timed where the run's budget is known.
        max_retries=0,
        timeout=settings.openai_seconds,
    )
