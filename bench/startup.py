"""`make up` in a fresh clone, cold and warm, and what the running mesh holds in memory.

Cold: a clone of the committed state in a folder of its own, and empty caches for uv, pip, npm and Maven, so that
everything is fetched and installed. What cannot be emptied here: the kernel's page cache, what the registries' mirrors
in between keep, and Python, Node, Java and Maven themselves, which have to be installed. Warm: the same again after
`make down`, from what is there.

    python -m bench startup
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil

from bench import stage, usage
from bench.arithmetic import median
from local.lock import StateLock
from local.paths import ROOT
from local.ports import OFFSET_MAX, Ports, is_free

COLD_SECONDS_MAX = 420
WARM_SECONDS_MAX = 120
DOWN_SECONDS_MAX = 120
WARM_STARTS = 3
_STEP = re.compile(r"^\s*([0-9.]+) s  (.+)$", re.MULTILINE)


def measure() -> dict[str, Any]:
    """Seconds of a cold and of warm starts, the steps of each, and the memory of every process in MiB."""
    with stage.folder() as folder:
        clone = folder / "fte"
        subprocess.run(["git", "clone", "--quiet", "--no-local", ROOT, clone], check=True, timeout=120)
        environment, offset = _environment(folder / "caches"), _free_offset()
        environment["FTE_PORT_OFFSET"] = str(offset)
        state = clone / ".local" / f"offset-{offset}"
        try:
            cold = _up(clone, environment, COLD_SECONDS_MAX)
            warm = []
            for _ in range(WARM_STARTS):
                _down(clone, environment)
                warm.append(_up(clone, environment, WARM_SECONDS_MAX))
            memory = _memory(state)
        finally:
            _down(clone, environment)
    return {
        "cold_seconds": cold["seconds"],
        "cold_steps": cold["steps"],
        "warm_seconds": median([each["seconds"] for each in warm]),
        "warm_steps": warm[-1]["steps"],
        "memory_mib": memory,
        "memory_mib_in_all": round(sum(each["pss"] for each in memory.values())),
    }


def _environment(caches: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL"}}
    return {
        **kept,
        # Without ours, which `make bench` put before it.
        "PATH": os.pathsep.join(each for each in os.environ["PATH"].split(os.pathsep) if ".venv" not in each),
        "UV_CACHE_DIR": str(caches / "uv"),
        "PIP_CACHE_DIR": str(caches / "pip"),
        "npm_config_cache": str(caches / "npm"),
        "MAVEN_OPTS": f"{os.environ.get('MAVEN_OPTS', '')} -Dmaven.repo.local={caches / 'maven'}".strip(),
        "DETACH": "1",
    }


def _free_offset() -> int:
    for offset in range(1000, OFFSET_MAX + 1, 1000):
        if all(is_free(port) for _, port in Ports.fixed(offset).each()):
            return offset
    raise RuntimeError("no FTE_PORT_OFFSET has all its ports free")


def _up(clone: Path, environment: dict[str, str], seconds_max: float) -> dict[str, Any]:
    began = time.monotonic()
    result = subprocess.run(
        ["make", "up"],
        cwd=clone,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds_max,
        check=False,
    )
    seconds = time.monotonic() - began
    if result.returncode != 0:
        raise RuntimeError(f"make up ended with {result.returncode}:\n{result.stdout[-3000:]}")
    steps = {re.sub(r"\d{4,}", "…", step): float(took) for took, step in _STEP.findall(result.stdout)}
    steps["before these: installing, building"] = round(seconds - _ready_seconds(result.stdout), 1)
    return {"seconds": round(seconds, 1), "steps": steps}


def _ready_seconds(output: str) -> float:
    found = re.search(r"Ready after ([0-9.]+) s", output)
    return float(found[1]) if found else 0.0


def _down(clone: Path, environment: dict[str, str]) -> None:
    subprocess.run(
        ["make", "down"], cwd=clone, env=environment, timeout=DOWN_SECONDS_MAX, check=True, stdout=subprocess.DEVNULL
    )


def _memory(state: Path) -> dict[str, dict[str, int]]:
    holder = StateLock(state).holder()
    if holder is None:
        raise RuntimeError("the mesh that was just started does not run any more")
    supervisor = psutil.Process(holder)
    named = {_name(child): child for child in supervisor.children()}
    used = usage.memory(named)
    alone = supervisor.memory_full_info()
    result = {name: {"rss": round(each.rss), "pss": round(each.pss)} for name, each in sorted(used.items())}
    result["supervisor"] = {"rss": round(alone.rss / usage.MEBIBYTE), "pss": round(alone.pss / usage.MEBIBYTE)}
    return result


def _name(process: psutil.Process) -> str:
    command = process.cmdline()
    if "-m" in command:
        return command[command.index("-m") + 1]
    program = Path(command[0]).name
    return {"postgres": "PostgreSQL", "java": "Kafka", "envoy": "gateway"}.get(program, program)
