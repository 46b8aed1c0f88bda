"""The monolith as a running part: uvicorn with its fastest loop and parser, in a number of processes."""

from __future__ import annotations

import http.client
import sys
from collections.abc import Mapping
from pathlib import Path

from local.parts import Part
from local.ports import HOST
from local.processes import Child, spawn

ROOT = Path(__file__).resolve().parents[2]


class Monolith(Part):
    """Ready when it answers."""

    def __init__(self, port: int, workers: int, environment: Mapping[str, str], log: Path) -> None:
        super().__init__("monolith", log)
        self.port, self.workers = port, workers
        self._environment = environment

    def _spawn(self) -> Child:
        options = ("--loop", "uvloop", "--http", "httptools", "--backlog", "2048", "--no-server-header")
        return spawn(
            self.name,
            [
                *(sys.executable, "-m", "uvicorn", "bench.baseline.app:app"),
                *("--host", HOST, "--port", str(self.port), "--workers", str(self.workers), *options),
            ],
            environment=self._environment,
            log=self.log,
            working_directory=ROOT,
        )

    def _ready(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=1)
        try:
            # Each request may reach another process, and all must be there.
            for _ in range(4 * self.workers):
                connection.request("GET", "/openapi.json")
                answer = connection.getresponse()
                answer.read()
                connection.close()
                if answer.status != http.HTTPStatus.OK:
                    return False
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return True
