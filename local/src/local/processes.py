"""Child processes that never outlive their parent, and stop when they are told to."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from local.errors import CannotStart, PartDied

LOG_BYTES_MAX = 8 * 1024 * 1024
POLL_SECONDS = 0.02

# The kernel sends the death signal when the *thread* that spawned a child ends, not only when the process does
# (prctl(2), PR_SET_PDEATHSIG). So every child is spawned by this one thread, which lives as long as the process.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")


@dataclass(frozen=True)
class User:
    """An account that a child runs as."""

    uid: int
    gid: int


class Child:
    """A process we started."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process

    @property
    def pid(self) -> int:
        """The process id; after the end it may belong to another process."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """The exit code, `-n` after signal n, None while it runs."""
        return self._process.poll()

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens when the process has ended."""
        self._process.send_signal(number)

    def wait(self, timeout_seconds: float | None = None) -> int | None:
        """Wait for the end: the exit code, or None when the time is over first."""
        try:
            return self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self, grace_seconds: float, number: signal.Signals = signal.SIGTERM) -> bool:
        """Ask it to end and wait; after the grace it is killed. True when it ended by itself."""
        self.send_signal(number)
        # A stopped process (SIGSTOP) would take the request only once it goes on.
        self.send_signal(signal.SIGCONT)
        if self.wait(grace_seconds) is not None:
            return True
        self.kill()
        return False

    def wait_ready(
        self, ready: Callable[[], bool], timeout_seconds: float, wanted: Callable[[], bool] = lambda: True
    ) -> None:
        """Wait until `ready()` holds.

        Raises `PartDied` when the process ends first, `CannotStart` after the time, or once `wanted()` no longer holds.
        """
        deadline = time.monotonic() + timeout_seconds
        while not ready():
            if not wanted():
                raise CannotStart(f"{self.name} was stopped before it was ready")
            if not self.running:
                raise PartDied(f"{self.name} ended with exit code {self.exit_code} before it was ready: see {self.log}")
            if time.monotonic() > deadline:
                raise CannotStart(f"{self.name} was not ready within {timeout_seconds:g} s: see {self.log}")
            time.sleep(POLL_SECONDS)


def spawn(
    name: str,
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    log: Path,
    working_directory: Path | str = "/",
    user: User | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
) -> Child:
    """Start a process in its own session, its output appended to `log`; it gets `death_signal` when we die."""
    log.parent.mkdir(parents=True, exist_ok=True)
    rotate(log)
    with log.open("ab") as output:
        process = _spawner.submit(
            subprocess.Popen,
            [*privileges(user, "--pdeathsig", death_signal.name), *map(str, command)],
            cwd=working_directory,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # Away from the terminal's process group: Ctrl-C reaches us alone, and we stop the parts in order.
            start_new_session=True,
        ).result()
    return Child(name, process, log)


def privileges(user: User | None, *more: str) -> list[str]:
    """What to put before a command so that it runs as this account, or as ours; `more` are options of setpriv(1).

    By setpriv, and by neither preexec_fn nor subprocess's own `user`: both make Python fork instead of vfork, and what
    runs between fork and exec beside gRPC's threads deadlocks or crashes.
    """
    account = [f"--reuid={user.uid}", f"--regid={user.gid}", "--clear-groups"] if user else []
    return [find_program("setpriv", package="util-linux"), *account, *more, "--"]


def find_program(name: str, package: str) -> str:
    """The path of an installed program; `CannotStart` names the package that brings it."""
    if found := shutil.which(name):
        return found
    raise CannotStart(f"{name} is missing: install the package {package}")


def rotate(log: Path) -> None:
    """Set a log aside as `<name>.1` once it is larger than 8 MiB, so that two files bound its size."""
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        os.replace(log, log.with_name(log.name + ".1"))
