"""The agent's gRPC door: wire in, one operation, wire out."""

from datetime import datetime
from typing import Any

from agent import wire
from agent.operations import Costs, DryRuns, Policies, Records, Replays
from agent.operations.costs import DAYS_DEFAULT, TICKETS_PER_WEEK_DEFAULT
from agent.operations.dry_run import MESSAGES_DEFAULT
from agent.operations.replay import LIMIT_DEFAULT
from fte.agent.v1 import agent_service_pb2, run_pb2
from fte.agent.v1.agent_service_pb2_grpc import AgentServiceServicer
from meshkit.pages import PageTokens, page_size


class AgentApi(AgentServiceServicer):
    """Serves `fte.agent.v1.AgentService`."""

    def __init__(
        self,
        records: Records,
        replays: Replays,
        costs: Costs,
        policies: Policies,
        dry_runs: DryRuns,
        pages: PageTokens,
    ) -> None:
        self._records = records
        self._replays = replays
        self._costs = costs
        self._policies = policies
        self._dry_runs = dry_runs
        self._pages = pages

    async def GetRun(self, request: agent_service_pb2.GetRunRequest, context: Any) -> run_pb2.Run:
        """Reads one run with its steps."""
        return wire.run_to_wire(await self._records.get_run(wire.RUNS.parse(request.name)))

    async def ListRuns(
        self, request: agent_service_pb2.ListRunsRequest, context: Any
    ) -> agent_service_pb2.ListRunsResponse:
        """Reads a page of runs."""
        ticket_id = wire.TICKETS.parse(request.ticket, field="ticket") if request.ticket else None
        scope = f"ListRuns:{request.ticket}:{request.ending}"
        size = page_size(request.page_size)
        after = self._pages.decode_place(request.page_token, scope=scope)
        runs = await self._records.list_runs(
            after, size + 1, ticket_id=ticket_id, ending=wire.ending_from_wire(request.ending)
        )
        page, more = runs[:size], len(runs) > size
        return agent_service_pb2.ListRunsResponse(
            runs=[wire.run_to_wire(run) for run in page],
            next_page_token=(
                self._pages.encode_place(page[-1].start_time, page[-1].filed.run_id, scope=scope) if more else ""
            ),
        )

    async def ExplainReply(
        self, request: agent_service_pb2.ExplainReplyRequest, context: Any
    ) -> agent_service_pb2.ExplainReplyResponse:
        """Tells what the sentences of a reply stand on."""
        return wire.explanation_to_wire(await self._records.explain_reply(wire.MESSAGES.parse(request.name)))

    async def ReplayConversations(
        self, request: agent_service_pb2.ReplayConversationsRequest, context: Any
    ) -> agent_service_pb2.ReplayConversationsResponse:
        """Runs past conversations again, and shows what would be different."""
        conversations = [
            wire.CONVERSATIONS.parse(name, field=f"conversations[{place}]")
            for place, name in enumerate(request.conversations)
        ]
        terms = wire.terms_from_wire(request)
        return wire.replayed_to_wire(await self._replays.replay(conversations, request.limit or LIMIT_DEFAULT, terms))

    async def GetPolicy(self, request: agent_service_pb2.GetPolicyRequest, context: Any) -> run_pb2.Policy:
        """Reads one policy with its content."""
        policy = await self._policies.get(wire.policy_version_from_wire(request.name))
        return wire.policy_to_wire(policy, with_content=True)

    async def ListPolicies(
        self, request: agent_service_pb2.ListPoliciesRequest, context: Any
    ) -> agent_service_pb2.ListPoliciesResponse:
        """Reads a page of policies."""
        size = page_size(request.page_size)
        after = None
        if request.page_token:
            time, version = self._pages.decode(request.page_token, scope="ListPolicies")
            after = datetime.fromisoformat(time), version
        policies = await self._policies.list(after, size + 1)
        page, more = policies[:size], len(policies) > size
        token = ""
        if more and page[-1].create_time is not None:
            cursor = [page[-1].create_time.isoformat(), page[-1].version]
            token = self._pages.encode(cursor, scope="ListPolicies")
        return agent_service_pb2.ListPoliciesResponse(
            policies=[wire.policy_to_wire(policy) for policy in page], next_page_token=token
        )

    async def CreatePolicy(self, request: agent_service_pb2.CreatePolicyRequest, context: Any) -> run_pb2.Policy:
        """Puts a policy on record."""
        return wire.policy_to_wire(await self._policies.create(request.policy.content, field="policy.content"))

    async def ActivatePolicy(self, request: agent_service_pb2.ActivatePolicyRequest, context: Any) -> run_pb2.Policy:
        """Puts a policy in force."""
        return wire.policy_to_wire(await self._policies.activate(wire.policy_version_from_wire(request.name)))

    async def ValidatePolicy(
        self, request: agent_service_pb2.ValidatePolicyRequest, context: Any
    ) -> agent_service_pb2.ValidatePolicyResponse:
        """Tells whether a policy could be put on record."""
        policy = await self._policies.validate(request.content, field="content")
        return agent_service_pb2.ValidatePolicyResponse(policy=wire.policy_to_wire(policy))

    async def DryRunPolicy(
        self, request: agent_service_pb2.DryRunPolicyRequest, context: Any
    ) -> agent_service_pb2.DryRunPolicyResponse:
        """Judges past messages by another policy."""
        version = wire.policy_version_from_wire(request.policy, field="policy") if request.policy else ""
        return wire.dry_run_to_wire(
            await self._dry_runs.dry_run(version, request.content, request.limit or MESSAGES_DEFAULT)
        )

    async def GetCosts(
        self, request: agent_service_pb2.GetCostsRequest, context: Any
    ) -> agent_service_pb2.GetCostsResponse:
        """Adds up what the models cost."""
        report = await self._costs.report(
            request.days or DAYS_DEFAULT, request.tickets_per_week or TICKETS_PER_WEEK_DEFAULT
        )
        return wire.costs_to_wire(report)
