"""AgentService behind its real server, on a real database, moved by what the desk files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest

from agent import store
from agent.model import Ending, Filed, Outcome, Reason, Run, Step
from fte.access import ACCESS
from fte.agent.v1 import agent_events_pb2, agent_service_pb2, run_pb2
from fte.agent.v1.agent_service_pb2_grpc import AgentServiceStub
from fte.tickets.v1 import ticket_pb2
from fte.tickets.v1.tickets_events_pb2 import MessageFiled
from meshkit.clock import SystemClock
from meshkit.database import Database
from meshkit.envelope import Received
from meshkit.errors import InvalidArgument
from meshkit.ids import uuid7
from meshkit.service import Service
from meshkit.status import from_rpc_error
from meshkit.testing import prepare_all, serve

if TYPE_CHECKING:
    from services.agent.tests.conftest import Neighbours

    from fte.agent.v1.agent_service_pb2_grpc import AgentServiceAsyncStub


def run_of(ending: Ending = Ending.REPLIED, *, reason: Reason | None = None, filed: Filed | None = None) -> Run:
    now = SystemClock().now()
    return Run(
        filed=filed or Filed(uuid7(), uuid7(), uuid7(), uuid7(), 3),
        ending=ending,
        reason=reason,
        model="local-rules-4",
        policy_version="p1",
        instructions_version="i1",
        start_time=now,
        end_time=now,
        steps=(
            Step("rules", Outcome.OK, {}, 0.1),
            Step("search_knowledge_base", Outcome.OK, {"attempt": "1", "passages": "a b"}, 2.5),
        ),
    )


def received(filed: Filed) -> Received[MessageFiled]:
    """The desk's event as the consumer hands it on."""
    message = MessageFiled(
        message=f"messages/{filed.message_id}",
        conversation=f"conversations/{filed.conversation_id}",
        ticket=f"tickets/{filed.ticket_id}",
        conversation_version=filed.version,
    )
    return Received(
        id=filed.run_id,
        type=MessageFiled.DESCRIPTOR.full_name,
        source="/fte/tickets",
        time=None,
        subject="",
        key="",
        message=message,
        traceparent=None,
        request_id="r",
        sequence=None,
        redrive=0,
        topic="",
        partition=0,
        offset=0,
    )


async def handle(service: Service, filed: Filed) -> None:
    """Both halves of the consumer, as the kit runs them."""
    [subscription] = service.subscriptions
    assert subscription.prepare is not None
    event = received(filed)
    prepared = await subscription.prepare(event)
    async with service.database.transaction() as connection:
        await subscription.apply(connection, event, prepared)


@pytest.fixture
async def staff(service: Service) -> Any:
    async with serve(service.doors, ACCESS, service="agent", settings=service.settings, caller="staff") as server:
        yield AgentServiceStub(server.channel)


async def test_every_query_fits_the_migrated_schema(database: Database) -> None:
    async with database.connection() as connection:
        await prepare_all(store.QUERIES, connection)


async def test_a_run_comes_back_as_it_was_written(database: Database) -> None:
    run = run_of(Ending.ESCALATED, reason=Reason.LEGAL)
    async with database.transaction() as connection:
        assert await store.add_run(connection, run)
        assert not await store.add_run(connection, run)
        assert await store.get_run(connection, run.filed.run_id) == run


async def test_a_filed_message_is_answered_recorded_and_published(
    service: Service, staff: AgentServiceAsyncStub, neighbours: Neighbours
) -> None:
    filed = neighbours.desk.file("How do I reset my password?")
    await handle(service, filed)
    run = await staff.GetRun(agent_service_pb2.GetRunRequest(name=f"runs/{filed.run_id}"))
    assert run.ending == run_pb2.ENDING_REPLIED
    assert run.message == f"messages/{filed.message_id}"
    assert run.ticket == f"tickets/{filed.ticket_id}"
    assert run.model == "local-rules-4"
    assert run.policy_version
    assert run.instructions_version
    assert [step.name for step in run.steps][-1] == "send_response"
    assert neighbours.desk.endings(filed)[0].request.run == run.name
    async with service.database.connection() as connection:
        row = await connection.fetchrow("select topic, value from outbox")
    assert row is not None
    assert row["topic"] == "fte.metrics.agent"
    event = agent_events_pb2.RunFinished.FromString(row["value"])
    assert (event.run, event.ending, event.model) == (run.name, run_pb2.ENDING_REPLIED, "local-rules-4")


async def test_an_event_that_is_handled_twice_leaves_one_record_one_fact_and_one_reply(
    service: Service, neighbours: Neighbours
) -> None:
    filed = neighbours.desk.file("How do I reset my password?")
    await handle(service, filed)
    await handle(service, filed)
    async with service.database.connection() as connection:
        assert await connection.fetchval("select count(*) from outbox") == 1
        assert await connection.fetchval("select ending from runs") == "REPLIED"
    assert len(neighbours.desk.endings(filed)) == 1


async def test_an_event_with_a_name_that_is_none_is_refused_by_its_field(service: Service) -> None:
    [subscription] = service.subscriptions
    assert subscription.prepare is not None
    event = received(Filed(uuid7(), uuid7(), uuid7(), uuid7(), 1))
    event.message.conversation = "conversations/1"
    with pytest.raises(InvalidArgument) as raised:
        await subscription.prepare(event)
    assert raised.value.violations[0].field == "conversation"


async def test_runs_are_listed_newest_first_page_by_page_without_steps(
    service: Service, staff: AgentServiceAsyncStub
) -> None:
    runs = [run_of() for _ in range(5)]
    async with service.database.transaction() as connection:
        for run in runs:
            await store.add_run(connection, run)
    names: list[str] = []
    token = ""
    while True:
        page = await staff.ListRuns(agent_service_pb2.ListRunsRequest(page_size=2, page_token=token))
        assert len(page.runs) <= 2
        names += [run.name for run in page.runs]
        assert not any(run.steps for run in page.runs)
        token = page.next_page_token
        if not token:
            break
    assert names == [f"runs/{run.filed.run_id}" for run in reversed(runs)]


async def test_runs_are_listed_by_ticket_and_by_ending(service: Service, staff: AgentServiceAsyncStub) -> None:
    mine = run_of(Ending.ESCALATED, reason=Reason.OTHER)
    skipped = run_of(Ending.SKIPPED, filed=Filed(uuid7(), uuid7(), uuid7(), mine.filed.ticket_id, 4))
    async with service.database.transaction() as connection:
        for run in (mine, skipped, run_of()):
            await store.add_run(connection, run)
    ticket = f"tickets/{mine.filed.ticket_id}"
    by_ticket = await staff.ListRuns(agent_service_pb2.ListRunsRequest(ticket=ticket))
    assert {run.name for run in by_ticket.runs} == {f"runs/{run.filed.run_id}" for run in (mine, skipped)}
    by_both = await staff.ListRuns(agent_service_pb2.ListRunsRequest(ticket=ticket, ending=run_pb2.ENDING_ESCALATED))
    [only] = by_both.runs
    assert only.escalation_reason == ticket_pb2.ESCALATION_REASON_OTHER
    by_ending = await staff.ListRuns(agent_service_pb2.ListRunsRequest(ending=run_pb2.ENDING_SKIPPED))
    assert [run.name for run in by_ending.runs] == [f"runs/{skipped.filed.run_id}"]


async def test_a_page_token_of_another_query_is_refused(service: Service, staff: AgentServiceAsyncStub) -> None:
    async with service.database.transaction() as connection:
        for _ in range(2):
            await store.add_run(connection, run_of())
    page = await staff.ListRuns(agent_service_pb2.ListRunsRequest(page_size=1))
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await staff.ListRuns(
            agent_service_pb2.ListRunsRequest(page_token=page.next_page_token, ending=run_pb2.ENDING_REPLIED)
        )
    failure = from_rpc_error(raised.value)
    assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT")
    assert failure.violations[0].field == "page_token"


async def test_a_run_that_is_not_there_is_said_to_be_not_found(staff: AgentServiceAsyncStub) -> None:
    name = f"runs/{uuid7()}"
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await staff.GetRun(agent_service_pb2.GetRunRequest(name=name))
    failure = from_rpc_error(raised.value)
    assert (failure.code, failure.reason, failure.domain) == (grpc.StatusCode.NOT_FOUND, "RUN_NOT_FOUND", "agent.fte")
    assert failure.metadata["run"] == name


@pytest.mark.parametrize("name", ["", "runs/1", "tickets/00000000-0000-7000-8000-000000000000"])
async def test_a_name_that_is_none_is_refused_by_its_field(staff: AgentServiceAsyncStub, name: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await staff.GetRun(agent_service_pb2.GetRunRequest(name=name))
    failure = from_rpc_error(raised.value)
    assert failure.code == grpc.StatusCode.INVALID_ARGUMENT
    assert failure.violations[0].field == "name"


@pytest.mark.parametrize(
    ("caller", "code"),
    [
        ("public", grpc.StatusCode.UNAUTHENTICATED),
        ("tickets", grpc.StatusCode.PERMISSION_DENIED),
        ("agent", grpc.StatusCode.PERMISSION_DENIED),
    ],
)
async def test_only_staff_read_the_records(service: Service, caller: str, code: grpc.StatusCode) -> None:
    async with serve(service.doors, ACCESS, service="agent", settings=service.settings, caller=caller) as server:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await AgentServiceStub(server.channel).ListRuns(agent_service_pb2.ListRunsRequest())
    assert raised.value.code() == code
