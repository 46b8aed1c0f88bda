"""The five services as processes: `python -m <service>`, told everything by their environment."""

import sys
from collections.abc import Mapping
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from local.parts import Part
from local.ports import HOST, answers
from local.processes import Child, spawn

HEALTH_SECONDS = 1


class Service(Part):
    """One service; ready when its gRPC health says SERVING."""

    stop_seconds = 15

    def __init__(self, name: str, port: int, environment: Mapping[str, str], log: Path) -> None:
        super().__init__(name, log)
        self.port = port
        self.environment = environment

    @property
    def address(self) -> str:
        """Where it serves gRPC."""
        return f"{HOST}:{self.port}"

    def _spawn(self) -> Child:
        return spawn(
            self.name,
            [sys.executable, "-m", self.name],
            environment=self.environment,
            log=self.log,
            working_directory=self.log.parent,
        )

    def _ready(self) -> bool:
        if not answers(self.port):
            return False
        with grpc.insecure_channel(self.address) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            try:
                answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=HEALTH_SECONDS)
            except grpc.RpcError:
                return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
