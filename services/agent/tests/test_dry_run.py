"""What another policy would have done with past messages, through the real door and over a real desk's contract."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import grpc
import pytest
from services.agent.tests.conftest import refusal
from services.agent.tests.policies import policy_with, policy_without_rules
from services.agent.tests.test_api import handle
from services.agent.tests.test_policies import create, start

from fte.access import ACCESS
from fte.agent.v1.agent_service_pb2 import ActivatePolicyRequest, DryRunPolicyRequest, DryRunPolicyResponse
from fte.agent.v1.agent_service_pb2_grpc import AgentServiceStub
from fte.tickets.v1 import ticket_pb2
from meshkit.errors import Kind, Unavailable
from meshkit.service import Service
from meshkit.testing import refused, serve

if TYPE_CHECKING:
    from services.agent.tests.conftest import Neighbours

    from fte.agent.v1.agent_service_pb2_grpc import AgentServiceAsyncStub

WOMBAT = "Does a wombat count as a guest?"
RESET = "How do I reset my password?"


@pytest.fixture
async def staff(service: Service) -> AsyncIterator[AgentServiceAsyncStub]:
    await start(service)
    async with serve(service.doors, ACCESS, service="agent", settings=service.settings, caller="staff") as server:
        yield AgentServiceStub(server.channel)


async def dry_run(
    stub: AgentServiceAsyncStub, content: str = "", *, policy: str = "", limit: int = 0
) -> DryRunPolicyResponse:
    return await stub.DryRunPolicy(DryRunPolicyRequest(content=content, policy=policy, limit=limit))


async def test_messages_that_another_policy_would_judge_otherwise_are_shown_newest_first(
    staff: AgentServiceAsyncStub,
    neighbours: Neighbours,
) -> None:
    first = neighbours.desk.file(WOMBAT)
    neighbours.desk.file(RESET)
    second = neighbours.desk.file("Where does a wombat sleep?")
    answer = await dry_run(staff, policy_with("2027-1", "wombat"))
    assert answer.judged == 3
    assert [each.message for each in answer.differences] == [
        f"messages/{second.message_id}",
        f"messages/{first.message_id}",
    ]
    for difference in answer.differences:
        assert difference.before == ticket_pb2.ESCALATION_REASON_UNSPECIFIED
        assert difference.after == ticket_pb2.ESCALATION_REASON_LEGAL
        assert list(difference.rules) == ["about_wombat"]


async def test_a_rule_that_is_left_out_is_shown_by_what_it_did(
    staff: AgentServiceAsyncStub,
    neighbours: Neighbours,
) -> None:
    neighbours.desk.file("I want a refund for last month.")
    await create(staff, policy_without_rules("2027-1", "refund", "refund_meant"))
    [difference] = (await dry_run(staff, policy="policies/2027-1")).differences
    assert difference.before == ticket_pb2.ESCALATION_REASON_REFUND_REQUEST
    assert difference.after == ticket_pb2.ESCALATION_REASON_UNSPECIFIED
    assert list(difference.rules) == []


async def test_a_message_is_held_against_the_policy_that_judged_it_then(
    service: Service,
    staff: AgentServiceAsyncStub,
    neighbours: Neighbours,
) -> None:
    judged = neighbours.desk.file(WOMBAT)
    await handle(service, judged)
    await create(staff, policy_with("2027-1", "wombat"))
    await staff.ActivatePolicy(ActivatePolicyRequest(name="policies/2027-1"))
    neighbours.desk.file(WOMBAT)
    # No run of the second one is on record: the policy in force calls a person for it, as this one does.
    [difference] = (await dry_run(staff, policy_with("2027-2", "wombat"))).differences
    assert difference.message == f"messages/{judged.message_id}"
    assert difference.before == ticket_pb2.ESCALATION_REASON_UNSPECIFIED


async def test_a_dry_run_says_and_changes_nothing(
    staff: AgentServiceAsyncStub,
    neighbours: Neighbours,
) -> None:
    neighbours.desk.file(WOMBAT)
    await dry_run(staff, policy_with("2027-1", "wombat"))
    assert {told.method for told in neighbours.desk.told} == {"GetConversation"}
    name = "policies/2027-1"
    assert (await refused(dry_run(staff, policy=name))).reason == "POLICY_NOT_FOUND"


async def test_each_message_is_judged_with_what_the_rules_would_have_read_when_it_came(
    staff: AgentServiceAsyncStub,
    neighbours: Neighbours,
) -> None:
    filed = neighbours.desk.file(RESET, subject="About my wombat")
    conversation = neighbours.desk.conversation_of(filed)
    conversation.messages.append(ticket_pb2.Message(author=ticket_pb2.AUTHOR_STAFF, text="Which wombat?"))
    neighbours.desk.goes_on(filed, "Never mind.")
    answer = await dry_run(staff, policy_with("2027-1", "wombat"))
    assert answer.judged == 2
    assert [each.message for each in answer.differences] == [f"messages/{filed.message_id}"]


async def test_a_dry_run_reads_no_more_than_it_was_asked_for(
    staff: AgentServiceAsyncStub,
    neighbours: Neighbours,
) -> None:
    for _ in range(30):
        neighbours.desk.file([WOMBAT, WOMBAT])
    answer = await dry_run(staff, policy_with("2027-1", "wombat"), limit=3)
    assert (answer.judged, len(answer.differences)) == (3, 3)
    assert len([told for told in neighbours.desk.told if told.method == "GetConversation"]) <= 8


async def test_a_dry_run_goes_on_over_the_desks_pages(
    staff: AgentServiceAsyncStub,
    neighbours: Neighbours,
) -> None:
    oldest = neighbours.desk.file(WOMBAT)
    for _ in range(230):
        neighbours.desk.file(RESET)
    answer = await dry_run(staff, policy_with("2027-1", "wombat"), limit=1000)
    assert answer.judged == 231
    assert [each.message for each in answer.differences] == [f"messages/{oldest.message_id}"]
    assert [page.page_size for page in neighbours.desk.pages_asked] == [200, 200]


async def test_a_dry_run_over_an_empty_desk_judges_nothing(
    staff: AgentServiceAsyncStub,
) -> None:
    assert await dry_run(staff, policy_with("2027-1")) == DryRunPolicyResponse()


async def test_a_conversation_that_was_erased_meanwhile_is_passed_over(
    staff: AgentServiceAsyncStub,
    neighbours: Neighbours,
) -> None:
    neighbours.desk.file(WOMBAT)
    neighbours.desk.refuse["GetConversation"] = refusal("CONVERSATION_NOT_FOUND", Kind.NOT_FOUND)
    assert (await dry_run(staff, policy_with("2027-1", "wombat"))).judged == 0


async def test_a_dry_run_fails_when_the_desk_is_away(
    staff: AgentServiceAsyncStub,
    neighbours: Neighbours,
) -> None:
    neighbours.desk.file(WOMBAT)
    neighbours.desk.refuse["GetConversation"] = Unavailable("away")
    failure = await refused(dry_run(staff, policy_with("2027-1", "wombat")))
    assert failure.code == grpc.StatusCode.UNAVAILABLE


async def test_a_caller_in_a_hurry_is_answered_with_what_was_judged_until_then(
    staff: AgentServiceAsyncStub,
    neighbours: Neighbours,
) -> None:
    for _ in range(20):
        neighbours.desk.file(WOMBAT)
    neighbours.desk.reads_max = 10
    request = DryRunPolicyRequest(content=policy_with("2027-1", "wombat"))
    began = time.monotonic()
    answer = await staff.DryRunPolicy(request, timeout=3.0)
    assert 1 <= answer.judged <= 10
    assert time.monotonic() - began < 3.0
    neighbours.desk.reads_max = 0
    failure = await refused(staff.DryRunPolicy(request, timeout=1.0))
    assert failure.code == grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize(
    ("request_", "reason", "field"),
    [
        (DryRunPolicyRequest(), "INVALID_ARGUMENT", "policy"),
        (DryRunPolicyRequest(policy="policies/1", content="version ="), "INVALID_ARGUMENT", "policy"),
        (DryRunPolicyRequest(content="version ="), "POLICY_INVALID", "content"),
        (DryRunPolicyRequest(policy="policies/1", limit=1001), "INVALID_ARGUMENT", "limit"),
        (DryRunPolicyRequest(content="#" * 300_001), "INVALID_ARGUMENT", "content"),
    ],
)
async def test_a_dry_run_on_terms_that_cannot_be_is_refused_by_field(
    staff: AgentServiceAsyncStub,
    request_: DryRunPolicyRequest,
    reason: str,
    field: str,
) -> None:
    failure = await refused(staff.DryRunPolicy(request_))
    assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
    assert failure.violations[0].field == field
