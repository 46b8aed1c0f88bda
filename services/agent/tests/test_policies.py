"""Policies through the real door: put on record, read, put in force, followed by every replica."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from services.agent.tests.policies import PACKAGED, policy_with
from services.agent.tests.test_api import handle

from agent import store
from agent.app import build
from agent.model import PolicyRecord
from agent.operations.policies import Policies
from agent.settings import Settings
from agent.thinking import rules
from fte.access import ACCESS
from fte.agent.v1 import run_pb2
from fte.agent.v1.agent_service_pb2 import (
    ActivatePolicyRequest,
    CreatePolicyRequest,
    DryRunPolicyRequest,
    GetPolicyRequest,
    GetRunRequest,
    ListPoliciesRequest,
    ReplayConversationsRequest,
    ValidatePolicyRequest,
)
from fte.agent.v1.agent_service_pb2_grpc import AgentServiceStub
from fte.tickets.v1 import ticket_pb2
from meshkit.clock import SystemClock
from meshkit.database import Database
from meshkit.service import Service
from meshkit.testing import prepare_all, refused, serve

if TYPE_CHECKING:
    from services.agent.tests.conftest import Neighbours

    from fte.agent.v1.agent_service_pb2_grpc import AgentServiceAsyncStub


async def start(service: Service) -> None:
    """What a service does before it serves."""
    for step in service.on_start:
        await step()


async def tick(service: Service, name: str) -> None:
    """One tick of a timer."""
    [timer] = [timer for timer in service.timers if timer.name == name]
    await timer.run()


@asynccontextmanager
async def replica_of(service: Service) -> AsyncIterator[Service]:
    """Another process of the same service: after the end of the first one, it is what a restart finds."""
    assert isinstance(service.settings, Settings)
    other = build(service.settings)
    await other.database.open()
    try:
        await start(other)
        yield other
    finally:
        for resource in reversed(other.resources):
            await resource.__aexit__(None, None, None)
        await other.database.close()


@pytest.fixture
async def started(service: Service) -> Service:
    await start(service)
    return service


@pytest.fixture
async def staff(started: Service) -> AsyncIterator[AgentServiceAsyncStub]:
    async with serve(started.doors, ACCESS, service="agent", settings=started.settings, caller="staff") as server:
        yield AgentServiceStub(server.channel)


async def create(staff: AgentServiceAsyncStub, content: str) -> run_pb2.Policy:
    return await staff.CreatePolicy(CreatePolicyRequest(policy=run_pb2.Policy(content=content)))


async def version_of_run(service: Service, neighbours: Neighbours, staff: AgentServiceAsyncStub) -> str:
    """The policy by which this replica judges a message that comes now."""
    filed = neighbours.desk.file("How do I reset my password?")
    await handle(service, filed)
    run: run_pb2.Run = await staff.GetRun(GetRunRequest(name=f"runs/{filed.run_id}"))
    return run.policy_version


async def test_every_query_of_policies_fits_the_migrated_schema(database: Database) -> None:
    async with database.connection() as connection:
        await prepare_all(store.POLICY_QUERIES, connection)


async def test_the_packaged_policy_is_made_ready_once(database: Database) -> None:
    packaged = rules.load()
    policies = Policies(packaged, database, SystemClock())
    await policies.start()
    assert policies.current() is packaged


async def test_the_packaged_policy_is_on_record_and_in_force_after_the_first_start(
    staff: AgentServiceAsyncStub,
) -> None:
    [policy] = (await staff.ListPolicies(ListPoliciesRequest())).policies
    assert policy.name == f"policies/{PACKAGED.version}"
    assert policy.active
    assert policy.HasField("create_time")
    assert [rule.name for rule in policy.rules] == [rule.name for rule in PACKAGED.rules]
    assert policy.content == ""
    read = await staff.GetPolicy(GetPolicyRequest(name=policy.name))
    assert read.content == PACKAGED.content
    read.content = ""
    assert read == policy


async def test_a_second_start_and_a_second_replica_change_nothing(
    started: Service, staff: AgentServiceAsyncStub
) -> None:
    before = await staff.ListPolicies(ListPoliciesRequest())
    await start(started)
    async with replica_of(started):
        assert await staff.ListPolicies(ListPoliciesRequest()) == before


async def test_replicas_that_start_and_activate_at_once_leave_one_policy_in_force_for_all(
    started: Service, staff: AgentServiceAsyncStub, neighbours: Neighbours
) -> None:
    names = [f"policies/2027-{number}" for number in range(6)]
    created = await asyncio.gather(*(create(staff, policy_with(f"2027-{number}")) for number in range(6) for _ in "ab"))
    assert sorted({policy.name for policy in created}) == names
    async with started.database.connection() as connection:
        await connection.execute("delete from policy_in_force")
    async with replica_of(started) as second, replica_of(started) as third:
        await asyncio.gather(*(start(each) for each in (started, second, third)))
        await asyncio.gather(*(staff.ActivatePolicy(ActivatePolicyRequest(name=name)) for name in names))
        policies = (await staff.ListPolicies(ListPoliciesRequest())).policies
        [active] = [policy.name.removeprefix("policies/") for policy in policies if policy.active]
        for each in (started, second, third):
            await tick(each, "policies")
            assert await version_of_run(each, neighbours, staff) == active


async def test_a_policy_that_was_put_on_record_is_read_as_it_was_written_and_is_not_in_force(
    staff: AgentServiceAsyncStub,
) -> None:
    content = policy_with("2027-1", "wombat")
    created = await create(staff, content)
    assert created.name == "policies/2027-1"
    assert not created.active
    assert created.content == ""
    first = created.rules[0]
    assert first.name == "about_wombat"
    assert first.escalation_reason == ticket_pb2.ESCALATION_REASON_LEGAL
    assert list(first.languages) == ["en"]
    read = await staff.GetPolicy(GetPolicyRequest(name="policies/2027-1"))
    assert read.content == content
    assert list(read.rules) == list(created.rules)


async def test_only_the_content_of_a_policy_that_is_created_is_read(staff: AgentServiceAsyncStub) -> None:
    given = run_pb2.Policy(
        name="policies/other", content=policy_with("2027-1"), active=True, rules=[run_pb2.PolicyRule(name="x")]
    )
    created = await staff.CreatePolicy(CreatePolicyRequest(policy=given))
    assert created.name == "policies/2027-1"
    assert not created.active
    assert len(created.rules) == len(PACKAGED.rules)


async def test_the_same_policy_again_changes_nothing_and_another_of_its_version_is_refused(
    staff: AgentServiceAsyncStub,
) -> None:
    created = await create(staff, policy_with("2027-1"))
    assert await create(staff, policy_with("2027-1")) == created
    refusal = await refused(create(staff, policy_with("2027-1", "wombat")))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ALREADY_EXISTS, "POLICY_EXISTS")
    assert refusal.metadata["policy"] == "policies/2027-1"
    assert (await staff.GetPolicy(GetPolicyRequest(name="policies/2027-1"))).content == policy_with("2027-1")


async def test_policies_are_listed_newest_first_page_by_page(staff: AgentServiceAsyncStub) -> None:
    for number in range(4):
        await create(staff, policy_with(f"2027-{number}"))
    names: list[str] = []
    token = ""
    while True:
        page = await staff.ListPolicies(ListPoliciesRequest(page_size=2, page_token=token))
        assert len(page.policies) <= 2
        assert not any(policy.content for policy in page.policies)
        names += [policy.name for policy in page.policies]
        token = page.next_page_token
        if not token:
            break
    assert names == [*(f"policies/2027-{number}" for number in (3, 2, 1, 0)), f"policies/{PACKAGED.version}"]
    refusal = await refused(staff.ListPolicies(ListPoliciesRequest(page_token="AAAA")))
    assert (refusal.code, refusal.violations[0].field) == (grpc.StatusCode.INVALID_ARGUMENT, "page_token")


async def test_runs_that_begin_after_an_activation_are_judged_by_that_policy_and_an_older_one_may_come_back(
    started: Service, staff: AgentServiceAsyncStub, neighbours: Neighbours
) -> None:
    await create(staff, policy_with("2027-1", "wombat", "LEGAL"))
    active = await staff.ActivatePolicy(ActivatePolicyRequest(name="policies/2027-1"))
    assert active.active
    assert active.content == ""
    filed = neighbours.desk.file("Does a wombat count as a guest?")
    await handle(started, filed)
    run = await staff.GetRun(GetRunRequest(name=f"runs/{filed.run_id}"))
    assert (run.policy_version, run.escalation_reason) == ("2027-1", ticket_pb2.ESCALATION_REASON_LEGAL)
    listed = (await staff.ListPolicies(ListPoliciesRequest())).policies
    assert [policy.name for policy in listed if policy.active] == ["policies/2027-1"]
    await staff.ActivatePolicy(ActivatePolicyRequest(name=f"policies/{PACKAGED.version}"))
    assert await version_of_run(started, neighbours, staff) == PACKAGED.version


async def test_another_replica_follows_with_its_next_look(
    started: Service, staff: AgentServiceAsyncStub, neighbours: Neighbours
) -> None:
    await create(staff, policy_with("2027-1"))
    async with replica_of(started) as other:
        await staff.ActivatePolicy(ActivatePolicyRequest(name="policies/2027-1"))
        assert await version_of_run(other, neighbours, staff) == PACKAGED.version
        await tick(other, "policies")
        assert await version_of_run(other, neighbours, staff) == "2027-1"
        assert next(timer.every_seconds for timer in other.timers if timer.name == "policies") <= 5


async def test_a_restart_keeps_the_policy_in_force(
    started: Service, staff: AgentServiceAsyncStub, neighbours: Neighbours
) -> None:
    await create(staff, policy_with("2027-1"))
    await staff.ActivatePolicy(ActivatePolicyRequest(name="policies/2027-1"))
    async with replica_of(started) as restarted:
        assert await version_of_run(restarted, neighbours, staff) == "2027-1"


async def test_a_run_keeps_the_policy_it_began_with(
    started: Service, staff: AgentServiceAsyncStub, neighbours: Neighbours
) -> None:
    await create(staff, policy_with("2027-1"))

    async def activate() -> None:
        await staff.ActivatePolicy(ActivatePolicyRequest(name="policies/2027-1"))

    neighbours.knowledge.meanwhile = activate
    assert await version_of_run(started, neighbours, staff) == PACKAGED.version
    neighbours.knowledge.meanwhile = None
    assert await version_of_run(started, neighbours, staff) == "2027-1"


async def test_a_policy_of_the_packaged_version_with_other_content_keeps_its_meaning(
    service: Service, neighbours: Neighbours
) -> None:
    recorded = policy_with(PACKAGED.version, "wombat")
    async with service.database.transaction() as connection:
        await store.add_policy(connection, PolicyRecord(PACKAGED.version, recorded, (), SystemClock().now()))
    await start(service)
    filed = neighbours.desk.file("Does a wombat count as a guest?")
    await handle(service, filed)
    async with service.database.connection() as connection:
        run = await store.get_run(connection, filed.run_id)
    assert run is not None
    assert run.reason == "LEGAL"


async def test_a_policy_that_this_version_cannot_read_is_neither_followed_nor_put_in_force(
    started: Service, staff: AgentServiceAsyncStub, neighbours: Neighbours
) -> None:
    newer = policy_with("2099-1").replace("version =", "from_the_future = 1\nversion =", 1)
    now = SystemClock().now()
    async with started.database.transaction() as connection:
        await store.add_policy(connection, PolicyRecord("2099-1", newer, (), now))
    refusal = await refused(staff.ActivatePolicy(ActivatePolicyRequest(name="policies/2099-1")))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "POLICY_INVALID")
    # A replica of the newer version has put it in force.
    async with started.database.transaction() as connection:
        await store.put_in_force(connection, "2099-1", now)
    await tick(started, "policies")
    assert await version_of_run(started, neighbours, staff) == PACKAGED.version
    await staff.ActivatePolicy(ActivatePolicyRequest(name=f"policies/{PACKAGED.version}"))
    assert (await staff.GetPolicy(GetPolicyRequest(name=f"policies/{PACKAGED.version}"))).active


async def test_a_sound_policy_is_shown_as_it_would_be_put_on_record_and_is_not(staff: AgentServiceAsyncStub) -> None:
    shown = (await staff.ValidatePolicy(ValidatePolicyRequest(content=policy_with("2027-1", "wombat")))).policy
    assert shown.name == "policies/2027-1"
    assert shown.rules[0].name == "about_wombat"
    assert not shown.HasField("create_time")
    refusal = await refused(staff.GetPolicy(GetPolicyRequest(name="policies/2027-1")))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "POLICY_NOT_FOUND")
    again = (await staff.ValidatePolicy(ValidatePolicyRequest(content=PACKAGED.content))).policy
    assert again.active


UNSOUND = {
    "no TOML": ("version =", "TOML"),
    "nested beyond reading": ("a = " + "[" * 50_000, "nested too deep"),
    "a number beyond reading": ("a = " + "1" * 5000, "number is too long"),
    "a rule of no reason": (policy_with("2027-1", "wombat", "BECAUSE"), "rules.0.reason"),
    "a pattern that is none": (policy_with("2027-1", "wombat").replace("'wombat'", "'(wombat'"), "about_wombat"),
    "no kind words": (policy_with("2027-1").split("[words.en]")[0], "words"),
    "its version is on record": (policy_with(PACKAGED.version, "wombat"), "version"),
}


@pytest.mark.parametrize(("content", "names"), UNSOUND.values(), ids=UNSOUND)
async def test_a_policy_that_is_not_sound_is_refused_by_its_entry(
    staff: AgentServiceAsyncStub, content: str, names: str
) -> None:
    refusal = await refused(staff.ValidatePolicy(ValidatePolicyRequest(content=content)))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "POLICY_INVALID")
    [violation] = refusal.violations
    assert violation.field == "content"
    assert names in violation.description


async def test_an_unsound_or_endless_policy_is_not_put_on_record(staff: AgentServiceAsyncStub) -> None:
    for content in ("", "version =", policy_with("2027-1") + "#" * 300_000):
        refusal = await refused(create(staff, content))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "POLICY_INVALID")
        assert refusal.violations[0].field == "policy.content"
    assert len((await staff.ListPolicies(ListPoliciesRequest())).policies) == 1


async def test_a_policy_that_is_not_there_is_said_to_be_not_found(staff: AgentServiceAsyncStub) -> None:
    name = "policies/1999-1"
    for call in (
        staff.GetPolicy(GetPolicyRequest(name=name)),
        staff.ActivatePolicy(ActivatePolicyRequest(name=name)),
        staff.DryRunPolicy(DryRunPolicyRequest(policy=name)),
        staff.ReplayConversations(ReplayConversationsRequest(policy=name)),
    ):
        refusal = await refused(call)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "POLICY_NOT_FOUND")
        assert refusal.metadata["policy"] == name


async def test_a_name_that_is_none_is_refused_by_its_field(staff: AgentServiceAsyncStub) -> None:
    for call, field in (
        (staff.GetPolicy(GetPolicyRequest(name="2027-1")), "name"),
        (staff.ActivatePolicy(ActivatePolicyRequest(name="policies/a b")), "name"),
        (staff.DryRunPolicy(DryRunPolicyRequest(policy="2027-1")), "policy"),
        (staff.ReplayConversations(ReplayConversationsRequest(policy="policies/")), "policy"),
    ):
        refusal = await refused(call)
        assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
        assert refusal.violations[0].field == field


async def test_a_replay_is_judged_by_the_policy_on_record_that_it_names(
    started: Service, staff: AgentServiceAsyncStub, neighbours: Neighbours
) -> None:
    filed = neighbours.desk.file("How do I reset my password for the wombat?")
    await handle(started, filed)
    await create(staff, policy_with("2027-1", "wombat"))
    answer = await staff.ReplayConversations(ReplayConversationsRequest(policy="policies/2027-1"))
    [difference] = answer.differences
    assert difference.reason_after == ticket_pb2.ESCALATION_REASON_LEGAL


CALLS: dict[str, Callable[[AgentServiceAsyncStub], Awaitable[Any]]] = {
    "GetPolicy": lambda stub: stub.GetPolicy(GetPolicyRequest(name="policies/1")),
    "ListPolicies": lambda stub: stub.ListPolicies(ListPoliciesRequest()),
    "CreatePolicy": lambda stub: create(stub, "x"),
    "ActivatePolicy": lambda stub: stub.ActivatePolicy(ActivatePolicyRequest(name="policies/1")),
    "ValidatePolicy": lambda stub: stub.ValidatePolicy(ValidatePolicyRequest(content="x")),
    "DryRunPolicy": lambda stub: stub.DryRunPolicy(DryRunPolicyRequest(content="x")),
}


@pytest.mark.parametrize(
    ("caller", "code"),
    [("public", grpc.StatusCode.UNAUTHENTICATED), ("tickets", grpc.StatusCode.PERMISSION_DENIED)],
)
async def test_only_staff_may_see_or_change_policies(service: Service, caller: str, code: grpc.StatusCode) -> None:
    async with serve(service.doors, ACCESS, service="agent", settings=service.settings, caller=caller) as server:
        stub = AgentServiceStub(server.channel)
        for call in CALLS.values():
            assert (await refused(call(stub))).code == code
