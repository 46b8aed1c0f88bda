"""The agent's gRPC door: wire in, one operation, wire out."""

from typing import Any

from agent import wire
from agent.operations import Costs, Records, Replays
from agent.operations.costs import DAYS_DEFAULT, TICKETS_PER_WEEK_DEFAULT
from agent.operations.replay import LIMIT_DEFAULT
from fte.agent.v1 import agent_service_pb2, run_pb2
from fte.agent.v1.agent_service_pb2_grpc import AgentServiceServicer
from meshkit.pages import PageTokens, page_size


class AgentApi(AgentServiceServicer):
    """Serves `fte.agent.v1.AgentService`."""

    def __init__(self, records: Records, replays: Replays, costs: Costs, pages: PageTokens) -> None:
        self._records = records
        self._replays = replays
        self._costs = costs
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

    async def GetCosts(
        self, request: agent_service_pb2.GetCostsRequest, context: Any
    ) -> agent_service_pb2.GetCostsResponse:
        """Adds up what the models cost."""
        report = await self._costs.report(
            request.days or DAYS_DEFAULT, request.tickets_per_week or TICKETS_PER_WEEK_DEFAULT
        )
        return wire.costs_to_wire(report)
