"""What happens to a part that dies while nobody watches the terminal."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local import supervision
from local.parts import Part
from local.processes import Child, spawn
from local.supervision import Supervision


class Sleeper(Part):
    """A program that is ready at once and runs for ten minutes, or for no time at all once `broken`."""

    stop_seconds = 5
    broken = False

    def _spawn(self) -> Child:
        command = ["/bin/false"] if self.broken else ["/bin/sleep", "600"]
        return spawn(self.name, command, environment=dict(os.environ), log=self.log)

    def _ready(self) -> bool:
        return not self.broken


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Sleeper]:
    part = Sleeper("sleeper", tmp_path / "sleeper.log")
    part.start()
    yield part
    part.stop()


@pytest.fixture
def said(sleeper: Sleeper, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The lines of a supervision that watches the sleeper and does not wait long."""
    monkeypatch.setattr(supervision, "BACKOFF_SECONDS_MIN", 0.01)
    monkeypatch.setattr(supervision, "BACKOFF_SECONDS_MAX", 0.04)
    monkeypatch.setattr(supervision, "LOOK_SECONDS", 0.01)
    lines: list[str] = []
    watching = Supervision([sleeper], lines.append)
    watching.start()
    yield lines
    watching.stop()


def eventually(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_part_that_died_is_started_again_and_both_is_said(sleeper: Sleeper, said: list[str]) -> None:
    first = sleeper.child.pid
    sleeper.crash()
    eventually(lambda: "sleeper is back" in said)
    assert sleeper.running
    assert sleeper.child.pid != first
    assert said[0].startswith("sleeper died (exit code -9); starting it again in ")


def test_a_part_that_was_stopped_stays_stopped_until_it_is_started(sleeper: Sleeper, said: list[str]) -> None:
    sleeper.stop()
    assert not sleeper.revive()
    assert not sleeper.running
    sleeper.start()
    assert sleeper.running
    assert said == []


def test_a_part_that_dies_again_and_again_stays_down_in_the_end_and_that_is_said(
    sleeper: Sleeper, said: list[str]
) -> None:
    sleeper.broken = True
    sleeper.crash()
    eventually(lambda: bool(said) and "stays down" in said[-1])
    assert sum("starting it again" in line for line in said) == supervision.DEATHS_MAX
    assert not sleeper.running


def test_a_part_can_be_stopped_while_it_is_being_started(tmp_path: Path) -> None:
    class Slow(Sleeper):
        def _ready(self) -> bool:
            # Called by the start under way: the stop must end it rather than wait for it.
            self._wanted = False
            return False

    slow = Slow("slow", tmp_path / "slow.log")
    with pytest.raises(Exception, match="stopped before it was ready"):
        slow.start()
    assert not slow.running


def test_starting_a_part_that_runs_changes_nothing(sleeper: Sleeper) -> None:
    first = sleeper.child.pid
    sleeper.start()
    assert sleeper.child.pid == first
