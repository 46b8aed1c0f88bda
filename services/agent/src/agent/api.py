"""The agent's gRPC door: wire in, one operation, wire out."""

from typing import Any

from agent import wire
from agent.operations import Records
from fte.agent.v1 import agent_service_pb2, run_pb2
from fte.agent.v1.agent_service_pb2_grpc import AgentServiceServicer
from meshkit.pages import PageTokens, page_size


class AgentApi(AgentServiceServicer):
    """Serves `fte.agent.v1.AgentService`."""

    def __init__(self, records: Records, pages: PageTokens) -> None:
        self._records = records
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
