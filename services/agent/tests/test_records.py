"""What staff read of runs through the real door: explanations, costs, and how the past would end again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from services.agent.tests.test_api import handle

from agent import store
from agent.model import Ending, Filed, Reason, Run, Sentence, Usage
from agent.operations import Costs
from agent.thinking.spending import Spending
from fte.access import ACCESS
from fte.agent.v1 import agent_events_pb2, agent_service_pb2, run_pb2
from fte.agent.v1.agent_service_pb2_grpc import AgentServiceStub
from fte.tickets.v1 import ticket_pb2
from meshkit.clock import SystemClock
from meshkit.database import Database
from meshkit.errors import Unavailable
from meshkit.ids import uuid7
from meshkit.service import Service
from meshkit.status import from_rpc_error
from meshkit.testing import serve

if TYPE_CHECKING:
    from services.agent.tests.conftest import Neighbours

    from fte.agent.v1.agent_service_pb2_grpc import AgentServiceAsyncStub

QUESTION = "How do I reset my password?"
PASSAGE = "articles/product-docs/versions/1/passages/2"


@pytest.fixture
async def staff(service: Service) -> AsyncIterator[AgentServiceAsyncStub]:
    async with serve(service.doors, ACCESS, service="agent", settings=service.settings, caller="staff") as server:
        yield AgentServiceStub(server.channel)


def run_of(**changes: Any) -> Run:
    now = SystemClock().now()
    filed = Filed(uuid7(), uuid7(), uuid7(), uuid7(), 1)
    return replace(Run(filed, Ending.REPLIED, None, "gpt-4o", "p1", "i1", now, now), **changes)


async def add(database: Database, *runs: Run) -> None:
    async with database.transaction() as connection:
        for run in runs:
            await store.add_run(connection, run)


async def test_a_reply_is_explained_by_the_passage_each_of_its_sentences_stands_on(
    service: Service, staff: AgentServiceAsyncStub, neighbours: Neighbours
) -> None:
    filed = neighbours.desk.file(QUESTION)
    await handle(service, filed)
    reply = neighbours.desk.conversation_of(filed).messages[-1]
    explained = await staff.ExplainReply(agent_service_pb2.ExplainReplyRequest(name=reply.name))
    assert (explained.run, explained.model) == (f"runs/{filed.run_id}", "local-rules-4")
    assert explained.policy_version
    assert explained.instructions_version
    assert len(explained.sentences) > 1
    assert {sentence.passage for sentence in explained.sentences} <= {PASSAGE, ""}
    assert PASSAGE in {sentence.passage for sentence in explained.sentences}
    for sentence in explained.sentences:
        assert sentence.text in reply.text


async def test_a_reply_is_explained_by_quotes_where_it_stands_on_those(
    database: Database, service: Service, staff: AgentServiceAsyncStub
) -> None:
    reply_id = uuid7()
    sentences = (Sentence("Gern!"), Sentence("Der Link gilt 60 Minuten.", PASSAGE, "Reset", "valid for 60 minutes"))
    await add(service.database, run_of(reply_id=reply_id, sentences=sentences))
    explained = await staff.ExplainReply(agent_service_pb2.ExplainReplyRequest(name=f"messages/{reply_id}"))
    assert [(each.text, each.passage, each.heading, each.quote) for each in explained.sentences] == [
        ("Gern!", "", "", ""),
        ("Der Link gilt 60 Minuten.", PASSAGE, "Reset", "valid for 60 minutes"),
    ]


async def test_a_message_that_no_run_wrote_is_said_to_be_none(staff: AgentServiceAsyncStub) -> None:
    name = f"messages/{uuid7()}"
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await staff.ExplainReply(agent_service_pb2.ExplainReplyRequest(name=name))
    failure = from_rpc_error(raised.value)
    assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, "REPLY_NOT_FOUND")
    assert failure.metadata["message"] == name


async def test_a_run_shows_what_all_its_attempts_have_used(service: Service, staff: AgentServiceAsyncStub) -> None:
    run = run_of(usages={"gpt-4o": Usage(4, 4000, 200, 12_000)})
    await add(service.database, run)
    async with service.database.transaction() as connection:
        await store.add_usages(connection, run.filed.run_id, {"gpt-4o": Usage(1, 1000, 50, 3000)}, run.end_time)
    read = await staff.GetRun(agent_service_pb2.GetRunRequest(name=f"runs/{run.filed.run_id}"))
    expected = run_pb2.Usage(requests=5, input_tokens=5000, output_tokens=250, cost_micros=15_000)
    assert read.usage == expected
    [listed] = (await staff.ListRuns(agent_service_pb2.ListRunsRequest())).runs
    assert listed.usage == expected


async def test_costs_are_added_up_by_day_and_model_and_reckoned_for_a_year(
    service: Service, staff: AgentServiceAsyncStub
) -> None:
    now = SystemClock().now()
    before = now - timedelta(days=1)
    ticket = uuid7()
    await add(
        service.database,
        run_of(usages={"gpt-4o": Usage(4, 4000, 200, 12_000)}),
        run_of(usages={"gpt-4o": Usage(2, 2000, 100, 6000)}, model="local-rules-4"),
        run_of(usages={"gpt-4o-mini": Usage(1, 10, 1, 600)}, model="gpt-4o-mini", start_time=before, end_time=before),
        # The second message of a ticket is a run more, and no ticket more.
        run_of(
            model="", ending=Ending.ESCALATED, reason=Reason.LEGAL, filed=Filed(uuid7(), uuid7(), uuid7(), ticket, 1)
        ),
        run_of(
            model="", ending=Ending.ESCALATED, reason=Reason.LEGAL, filed=Filed(uuid7(), uuid7(), uuid7(), ticket, 2)
        ),
        run_of(model="", ending=Ending.SKIPPED),
        run_of(
            usages={"gpt-4o": Usage(9, 9, 9, 999)}, start_time=now - timedelta(days=9), end_time=now - timedelta(days=9)
        ),
    )
    costs = await staff.GetCosts(agent_service_pb2.GetCostsRequest(days=2, tickets_per_week=100))
    assert [(day.date, day.model, day.runs, day.usage.cost_micros) for day in costs.days] == [
        (now.date().isoformat(), "gpt-4o", 1, 18_000),
        (now.date().isoformat(), "local-rules-4", 1, 0),
        (before.date().isoformat(), "gpt-4o-mini", 1, 600),
    ]
    assert costs.mean_run_cost_micros == 18_600 // 5
    assert costs.year_cost_micros == 18_600 // 4 * 100 * 52
    assert costs.spent_today_micros == 18_000
    assert costs.daily_budget_micros == 0


async def test_costs_of_nothing_are_nothing(staff: AgentServiceAsyncStub) -> None:
    costs = await staff.GetCosts(agent_service_pb2.GetCostsRequest())
    assert costs == agent_service_pb2.GetCostsResponse()


async def test_what_other_replicas_spend_counts_against_the_budget(database: Database) -> None:
    clock = SystemClock()
    costs = Costs(database, Spending(10_000, clock), clock)
    await add(database, run_of(usages={"gpt-4o": Usage(4, 4000, 200, 10_000)}))
    assert not costs.spending.is_over
    await costs.look()
    assert costs.spending.is_over


async def test_what_a_failed_attempt_has_cost_is_counted_once(database: Database) -> None:
    clock = SystemClock()
    costs = Costs(database, Spending(10_000, clock), clock)
    costs.spending.spent(4000)
    await costs.record_attempt(uuid7(), {"gpt-4o": Usage(1, 1000, 10, 4000)})
    assert costs.spending.today_micros == 4000
    await costs.look()
    assert costs.spending.today_micros == 4000


async def test_run_finished_tells_what_was_used(service: Service) -> None:
    [subscription] = service.subscriptions
    run = run_of(usages={"gpt-4o": Usage(4, 4000, 200, 12_000)})
    async with service.database.transaction() as connection:
        await subscription.apply(connection, None, run)  # type: ignore[arg-type]  # the record is in the run alone
    async with service.database.connection() as connection:
        row = await connection.fetchval("select value from outbox")
    assert agent_events_pb2.RunFinished.FromString(row).usage.cost_micros == 12_000


async def test_a_replay_says_nothing_and_finds_no_difference_where_nothing_changed(
    service: Service, staff: AgentServiceAsyncStub, neighbours: Neighbours
) -> None:
    answered = neighbours.desk.file(QUESTION)
    escalated = neighbours.desk.file("Do you sponsor the design week in Lisbon again?")
    await handle(service, answered)
    await handle(service, escalated)
    told = len([each for each in neighbours.desk.told if each.method != "GetConversation"])
    replayed = await staff.ReplayConversations(agent_service_pb2.ReplayConversationsRequest())
    assert replayed.replayed == 2
    assert not replayed.differences
    assert len([each for each in neighbours.desk.told if each.method != "GetConversation"]) == told
    async with service.database.connection() as connection:
        assert await connection.fetchval("select count(*) from runs") == 2


async def test_a_replay_finds_no_difference_in_kind_words_for_thanks(
    service: Service, staff: AgentServiceAsyncStub, neighbours: Neighbours
) -> None:
    filed = neighbours.desk.file("Thank you so much, that solved it!")
    await handle(service, filed)
    assert neighbours.desk.endings(filed)
    replayed = await staff.ReplayConversations(agent_service_pb2.ReplayConversationsRequest())
    assert (replayed.replayed, list(replayed.differences)) == (1, [])


async def test_a_replay_shows_what_other_knowledge_would_change(
    service: Service, staff: AgentServiceAsyncStub, neighbours: Neighbours
) -> None:
    filed = neighbours.desk.file(QUESTION)
    await handle(service, filed)
    name = "articles/product-docs/versions/2/passages/2"
    _, heading, text = neighbours.knowledge.passages["password"]
    neighbours.knowledge.passages["password"] = (name, heading, text)
    conversation = f"conversations/{filed.conversation_id}"
    request = agent_service_pb2.ReplayConversationsRequest(conversations=[conversation])
    [difference] = (await staff.ReplayConversations(request)).differences
    assert (difference.conversation, difference.run) == (conversation, f"runs/{filed.run_id}")
    assert (list(difference.passages_lost), list(difference.passages_gained)) == ([PASSAGE], [name])
    assert difference.text_after == ""
    neighbours.knowledge.passages.clear()
    [difference] = (await staff.ReplayConversations(request)).differences
    assert difference.ending_before == run_pb2.ENDING_REPLIED
    assert difference.ending_after == run_pb2.ENDING_ESCALATED
    assert difference.reason_after == ticket_pb2.ESCALATION_REASON_NO_ANSWER_FOUND


async def test_a_replay_runs_a_conversation_as_it_was_when_it_was_asked(
    service: Service, staff: AgentServiceAsyncStub, neighbours: Neighbours
) -> None:
    filed = neighbours.desk.file(QUESTION)
    await handle(service, filed)
    neighbours.desk.goes_on(filed, "Now I want my money back!")
    neighbours.desk.conversation_of(filed).ticket.assignee = "ada"
    assert not (await staff.ReplayConversations(agent_service_pb2.ReplayConversationsRequest())).differences


async def test_a_conversation_without_a_run_on_record_is_shown_as_what_it_would_become(
    staff: AgentServiceAsyncStub, neighbours: Neighbours
) -> None:
    neighbours.desk.file(QUESTION)
    [difference] = (await staff.ReplayConversations(agent_service_pb2.ReplayConversationsRequest())).differences
    assert difference.run == ""
    assert difference.ending_before == run_pb2.ENDING_UNSPECIFIED
    assert difference.ending_after == run_pb2.ENDING_REPLIED
    assert "Forgot password" in difference.text_after


@pytest.mark.parametrize(
    ("request_", "code", "reason", "field"),
    [
        ({"model": "gpt-99"}, grpc.StatusCode.NOT_FOUND, "MODEL_NOT_CONFIGURED", "model"),
        ({"policy": "policies/1999"}, grpc.StatusCode.NOT_FOUND, "POLICY_NOT_FOUND", None),
        ({"policy_content": "version ="}, grpc.StatusCode.INVALID_ARGUMENT, "POLICY_INVALID", "policy_content"),
        (
            {"conversations": [f"conversations/{uuid7()}"]},
            grpc.StatusCode.INVALID_ARGUMENT,
            "INVALID_ARGUMENT",
            "conversations[0]",
        ),
    ],
)
async def test_a_replay_on_terms_that_cannot_be_is_refused_by_name(
    staff: AgentServiceAsyncStub, request_: dict[str, Any], code: grpc.StatusCode, reason: str, field: str | None
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await staff.ReplayConversations(agent_service_pb2.ReplayConversationsRequest(**request_))
    failure = from_rpc_error(raised.value)
    assert (failure.code, failure.reason) == (code, reason)
    assert field is None or failure.violations[0].field == field


async def test_one_replay_runs_at_a_time(staff: AgentServiceAsyncStub, neighbours: Neighbours) -> None:
    neighbours.desk.file(QUESTION)
    request = agent_service_pb2.ReplayConversationsRequest(model="local-rules")
    refused: list[str] = []

    async def replay_too() -> None:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await staff.ReplayConversations(request)
        refused.append(from_rpc_error(raised.value).reason)

    neighbours.knowledge.meanwhile = replay_too
    await staff.ReplayConversations(request)
    assert refused == ["REPLAY_BUSY"]
    neighbours.knowledge.meanwhile = None
    assert (await staff.ReplayConversations(request)).replayed == 1


async def test_a_replay_fails_as_a_whole_when_a_neighbour_is_away_and_can_be_asked_again(
    staff: AgentServiceAsyncStub, neighbours: Neighbours
) -> None:
    neighbours.desk.file(QUESTION)
    neighbours.desk.refuse["GetConversation"] = Unavailable("away")
    request = agent_service_pb2.ReplayConversationsRequest()
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await staff.ReplayConversations(request)
    assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
    neighbours.desk.refuse.clear()
    assert (await staff.ReplayConversations(request)).replayed == 1
