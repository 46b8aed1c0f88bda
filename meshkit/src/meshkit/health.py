"""gRPC health (`grpc.health.v1`): NOT_SERVING until a server is ready, and again while it drains."""

from __future__ import annotations

from collections.abc import Sequence

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

SERVICE_NAME: str = health.SERVICE_NAME


class Health:
    """The health of a server as a whole (the empty name) and of each service on it; all of them change together."""

    def __init__(self, server: grpc.aio.Server, services: Sequence[str]) -> None:
        self._servicer = health.aio.HealthServicer()
        self._names = ("", *services)
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    async def set(self, *, serving: bool) -> None:
        """Tells whoever checks or watches."""
        status = health_pb2.HealthCheckResponse
        for name in self._names:
            await self._servicer.set(name, status.SERVING if serving else status.NOT_SERVING)

    async def drain(self) -> None:
        """NOT_SERVING for good: nothing that happens later makes this server ready again."""
        await self._servicer.enter_graceful_shutdown()
