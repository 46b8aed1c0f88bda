"""What processes use: CPU time and memory, from the kernel's own books."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import psutil

from local.mesh import Mesh

MEBIBYTE = 1024 * 1024


def processes(mesh: Mesh) -> dict[str, psutil.Process]:
    """The mesh's running parts by name."""
    return {part.name: psutil.Process(part.child.pid) for part in mesh.parts if part.running}


def cpu_seconds(named: Mapping[str, psutil.Process]) -> dict[str, float]:
    """User and system time of each, its children counted with it, those that have ended too."""
    return {name: sum(_cpu_seconds(process) for process in _family(process)) for name, process in named.items()}


@dataclass(frozen=True)
class Memory:
    """Resident memory in MiB. Shared pages count whole in `rss` and by their share in `pss`."""

    rss: float
    pss: float


def memory(named: Mapping[str, psutil.Process]) -> dict[str, Memory]:
    """The resident memory of each with its children."""
    result = {}
    for name, process in named.items():
        infos = [info for each in _family(process) if (info := _memory(each)) is not None]
        result[name] = Memory(sum(info.rss for info in infos), sum(info.pss for info in infos))
    return result


def _family(process: psutil.Process) -> Iterable[psutil.Process]:
    return [process, *process.children(recursive=True)]


def _cpu_seconds(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0


def _memory(process: psutil.Process) -> Memory | None:
    with contextlib.suppress(psutil.NoSuchProcess):
        info = process.memory_full_info()
        return Memory(info.rss / MEBIBYTE, info.pss / MEBIBYTE)
    return None
