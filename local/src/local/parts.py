"""A part of the mesh: a program that is started, is ready after a while, and is stopped, crashed and started again."""

import signal
import threading
from abc import ABC, abstractmethod
from pathlib import Path

from local.processes import Child


class Part(ABC):
    """One program. `start` and `stop` may be called from different threads; a `stop` ends a `start` under way."""

    start_seconds: float = 60
    stop_seconds: float = 15
    stop_signal = signal.SIGTERM
    crash_signal = signal.SIGKILL

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log
        self._child: Child | None = None
        self._wanted = False
        self._changing = threading.Lock()

    def start(self) -> None:
        """Start it unless it runs, and return once it is ready.

        Raises `CannotStart` when it cannot, or when it is stopped meanwhile; it does not run then.
        """
        if not self._wanted:
            # What was stopped in good order has not died now that it is wanted again.
            self._child = None
        self._wanted = True
        with self._changing:
            self._start()

    def stop(self) -> None:
        """End it in good order, or kill it after its grace; nothing happens when it is not running."""
        self._wanted = False
        with self._changing:
            if self._child is not None:
                self._child.stop(self.stop_seconds, self.stop_signal)

    def crash(self) -> None:
        """End it at once, as a crash would: it counts as died, so whoever watches it starts it again."""
        if self._child is not None:
            self._child.stop(self.stop_seconds, self.crash_signal)

    def revive(self) -> bool:
        """Start it again if it died, that is, ended without having been stopped. True when it was started."""
        with self._changing:
            if not self.died:
                return False
            self._start()
            return True

    @property
    def died(self) -> bool:
        """Whether it ended without having been stopped."""
        return self._wanted and self._child is not None and not self._child.running

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self._child is not None and self._child.running

    @property
    def wanted(self) -> bool:
        """Whether it was started and not stopped since."""
        return self._wanted

    @property
    def child(self) -> Child:
        """Its process; `RuntimeError` before the first start."""
        if self._child is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._child

    def _start(self) -> None:
        if self.running:
            return
        child = self._child = self._spawn()
        try:
            child.wait_ready(self._ready, self.start_seconds, wanted=lambda: self._wanted)
        except BaseException:
            child.stop(self.stop_seconds, self.stop_signal)
            raise

    @abstractmethod
    def _spawn(self) -> Child:
        """Prepare what the program needs and start it."""

    @abstractmethod
    def _ready(self) -> bool:
        """Whether the running program does its work now."""
