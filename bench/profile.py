"""Where a process's Python time goes: samples of py-spy, added up by the package that was at work."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

RATE = 100
STARTED_SECONDS_MAX = 30
_PLACE = re.compile(r"\(([^()]+\.py|<[^()]+>):\d+\)$")
LOOP = "event loop, grpc's core and system calls"


class Profile:
    """Samples a process from its making for so many seconds; `shares` waits for the end."""

    def __init__(self, pid: int, seconds: float) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="fte-bench-")
        self._seconds = seconds
        self._samples = Path(self._folder.name) / "samples"
        options = ["--gil", "--rate", str(RATE), "--duration", str(round(seconds)), "--format", "raw"]
        self._process = subprocess.Popen(
            [
                Path(sys.executable).with_name("py-spy"),
                "record",
                *options,
                "--output",
                self._samples,
                "--pid",
                str(pid),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    @classmethod
    @contextlib.contextmanager
    def taken(cls, pids: Mapping[str, int], seconds: float) -> Iterator[dict[str, dict[str, float]]]:
        """Samples these processes meanwhile; what comes is filled in at the end."""
        profiles = {name: cls(pid, seconds) for name, pid in pids.items()}
        found: dict[str, dict[str, float]] = {}
        yield found
        found.update({name: profile.shares() for name, profile in profiles.items()})

    def shares(self) -> dict[str, float]:
        """The share of each package in the samples that held the interpreter's lock; empty where nobody may sample."""
        try:
            self._process.wait(self._seconds + STARTED_SECONDS_MAX)
            lines = self._samples.read_text().splitlines()
        except (subprocess.TimeoutExpired, FileNotFoundError):
            self._process.kill()
            return {}
        finally:
            self._folder.cleanup()
        return shares(lines)


def shares(lines: list[str]) -> dict[str, float]:
    """By collapsed stacks (`outer;inner 3`), the share of each package, the largest first."""
    counted: Counter[str] = Counter()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        counted[_package(stack.split(";"))] += int(count)
    total = counted.total()
    return {name: round(count / total, 3) for name, count in counted.most_common() if count / total >= 0.01}


def _package(frames: list[str]) -> str:
    """Whose code was at work: that of the innermost frame; the standard library works for whoever called it."""
    for frame in reversed(frames):
        place = _PLACE.search(frame)
        if place is None:
            continue
        path = place[1]
        if path.startswith(("asyncio/runners", "uvloop/")):
            return LOOP
        top = path.partition("/")[0]
        if "/" in path and top not in {"asyncio", "json", "collections", "email", "concurrent", "importlib"}:
            return top
    return LOOP
