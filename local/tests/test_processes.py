"""Children that end when they are told to, and when their parent does."""

import os
import signal
import threading
from pathlib import Path

import pytest

from local.errors import CannotStart, PartDied
from local.processes import LOG_BYTES_MAX, Child, User, find_program, rotate, spawn

SLEEPER = ["/bin/sleep", "600"]
# A builtin's wait is interrupted by a trapped signal, so the shell says when it is ready to ignore one.
STUBBORN = ["/bin/sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 1; done"]


def start(command: list[str], folder: Path, name: str = "sleeper") -> Child:
    return spawn(name, command, environment=dict(os.environ), log=folder / "child.log")


def test_a_child_that_ignores_the_request_is_killed_after_its_grace(tmp_path: Path) -> None:
    child = start(STUBBORN, tmp_path)
    child.wait_ready(lambda: "deaf" in child.log.read_text(), timeout_seconds=10)
    assert child.stop(grace_seconds=0.2) is False
    assert child.exit_code == -signal.SIGKILL


def test_a_stopped_child_still_takes_the_request_to_end(tmp_path: Path) -> None:
    child = start(["/bin/sh", "-c", "trap 'exit 7' TERM; echo listening; while :; do sleep 0.05; done"], tmp_path)
    child.wait_ready(lambda: "listening" in child.log.read_text(), timeout_seconds=10)
    child.send_signal(signal.SIGSTOP)
    assert child.stop(grace_seconds=10) is True
    assert child.exit_code == 7


def test_stopping_a_child_that_has_ended_does_nothing(tmp_path: Path) -> None:
    child = start(["/bin/true"], tmp_path)
    assert child.wait(10) == 0
    assert child.stop(grace_seconds=1) is True
    child.kill()
    assert child.exit_code == 0


def test_a_child_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    started: list[Child] = []

    def spawn_and_end() -> None:
        child = start(["/bin/sh", "-c", "echo leashed; exec sleep 600"], tmp_path)
        child.wait_ready(lambda: "leashed" in child.log.read_text(), timeout_seconds=10)
        started.append(child)

    thread = threading.Thread(target=spawn_and_end)
    thread.start()
    thread.join()
    assert started[0].wait(0.3) is None
    started[0].kill()


def test_a_child_is_in_a_session_of_its_own_so_that_ctrl_c_does_not_reach_it(tmp_path: Path) -> None:
    child = start(SLEEPER, tmp_path)
    assert os.getsid(child.pid) == child.pid
    child.kill()


def test_a_child_that_ends_before_it_is_ready_is_named_with_its_log(tmp_path: Path) -> None:
    child = start(["/bin/sh", "-c", "exit 3"], tmp_path, "tickets")
    with pytest.raises(PartDied, match=r"tickets ended with exit code 3 before it was ready: see .*child\.log"):
        child.wait_ready(lambda: False, timeout_seconds=10)


def test_a_child_that_is_never_ready_is_named_after_the_time(tmp_path: Path) -> None:
    child = start(SLEEPER, tmp_path)
    with pytest.raises(CannotStart, match=r"sleeper was not ready within 0\.1 s"):
        child.wait_ready(lambda: False, timeout_seconds=0.1)
    child.kill()


def test_waiting_ends_when_the_child_is_no_longer_wanted(tmp_path: Path) -> None:
    child = start(SLEEPER, tmp_path)
    with pytest.raises(CannotStart, match="stopped before it was ready"):
        child.wait_ready(lambda: False, timeout_seconds=60, wanted=lambda: False)
    child.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a child as somebody else")
def test_a_child_of_another_account_has_no_groups_of_ours(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    child = spawn("id", ["/usr/bin/id"], environment={}, log=log, user=User(65534, 65534))
    assert child.wait(10) == 0
    assert log.read_text().startswith("uid=65534")
    assert "root" not in log.read_text()


def test_a_missing_program_is_named_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotStart, match="setpriv is missing: install the package util-linux"):
        find_program("setpriv", package="util-linux")


def test_a_log_is_set_aside_only_once_it_is_large(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    log.write_bytes(b"x" * LOG_BYTES_MAX)
    rotate(log)
    assert log.exists()
    log.write_bytes(b"x" * (LOG_BYTES_MAX + 1))
    rotate(log)
    assert not log.exists()
    assert (tmp_path / "child.log.1").stat().st_size == LOG_BYTES_MAX + 1
