"""One mesh for each state folder: whose it is, and whether the last one ended in good order."""

import fcntl
import os
import time
from pathlib import Path

from local.errors import CannotStart

LOOK_SECONDS = 0.1


class StateLock:
    """Held by a running mesh; its file names the process. The kernel gives it up when that process ends."""

    def __init__(self, state: Path) -> None:
        self._file = state / "mesh.pid"
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take the lock. True when the mesh before this one ended in good order. `CannotStart` when one runs."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise CannotStart(
                f"A mesh is running already with its state in {self._file.parent}: "
                "stop it with make down, or set FTE_PORT_OFFSET (for example 1000) for a second one"
            ) from None
        ended_well = os.pread(descriptor, 20, 0) == b""
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        self._descriptor = descriptor
        return ended_well

    def release(self) -> None:
        """Give the lock up after everything has stopped in good order."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def holder(self) -> int | None:
        """The process that holds the lock, None when nobody does."""
        try:
            descriptor = os.open(self._file, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(os.pread(descriptor, 20, 0) or 0) or None
        else:
            return None
        finally:
            os.close(descriptor)

    def wait_released(self, timeout_seconds: float) -> bool:
        """Wait until nobody holds the lock; False when the time is over first."""
        deadline = time.monotonic() + timeout_seconds
        while self.holder() is not None:
            if time.monotonic() > deadline:
                return False
            time.sleep(LOOK_SECONDS)
        return True
