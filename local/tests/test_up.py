"""`make up` when it cannot: one sentence that names the mend, exit code 1, and nothing left running."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from local.errors import CannotStart
from local.lock import StateLock
from local.ports import HOST, OFFSET_MAX, Ports, is_free


@pytest.fixture(scope="module")
def offset() -> int:
    """An offset at which no port of the mesh is taken."""
    for candidate in range(OFFSET_MAX, 0, -1000):
        if all(is_free(port) for _, port in Ports.fixed(candidate).each()):
            return candidate
    pytest.fail("no free offset on this machine")


def local(command: str, state: Path, offset: int, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "local", *command.split()],
        check=False,
        capture_output=True,
        text=True,
        timeout=50,
        env={**os.environ, "FTE_STATE_DIR": str(state), "FTE_PORT_OFFSET": str(offset), **environment},
    )


def left_running(state: Path) -> list[psutil.Process]:
    """The processes that have this state folder on their command line."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(state) in argument for argument in process.info["cmdline"] or [])
    ]


def assert_refused(result: subprocess.CompletedProcess[str], state: Path, *words: str) -> None:
    assert result.returncode == 1
    sentence = result.stderr.strip()
    assert "\n" not in sentence, sentence
    for word in words:
        assert word in sentence
    assert left_running(state) == []


@pytest.mark.parametrize("command", ["up", "up --detach"])
def test_a_busy_port_is_named_and_nothing_is_left_running(command: str, tmp_path: Path, offset: int) -> None:
    port = Ports.fixed(offset).grpc["knowledge"]
    with socket.create_server((HOST, port)):
        result = local(command, tmp_path, offset)
    assert_refused(result, tmp_path, f"Port {port}, which knowledge (gRPC) needs, is in use", "FTE_PORT_OFFSET")


def test_a_missing_java_is_named_and_postgresql_does_not_stay_behind(state_folder: Path, offset: int) -> None:
    programs = state_folder / "programs"
    programs.mkdir()
    for name in ("setpriv", "sh"):
        found = shutil.which(name)
        assert found is not None
        (programs / name).symlink_to(found)
    state = state_folder / "without-java"
    result = local("up", state, offset, PATH=str(programs))
    assert_refused(result, state, "java is missing", "openjdk-17-jre-headless")


def test_a_second_mesh_on_the_same_state_is_refused_with_both_ways_out(tmp_path: Path, offset: int) -> None:
    lock = StateLock(tmp_path)
    assert lock.acquire() is True
    result = local("up", tmp_path, offset)
    assert result.returncode == 1
    assert "make down" in result.stderr
    assert "FTE_PORT_OFFSET" in result.stderr
    assert lock.holder() == os.getpid()
    lock.release()
    assert lock.holder() is None


def test_an_offset_that_is_not_in_thousands_is_refused(tmp_path: Path) -> None:
    result = local("up", tmp_path, 0, FTE_PORT_OFFSET="80")
    assert_refused(result, tmp_path, "FTE_PORT_OFFSET is '80'", "multiple of 1000")


def test_stopping_what_does_not_run_is_no_error(tmp_path: Path) -> None:
    result = local("down", tmp_path, 0)
    assert (result.returncode, result.stdout.strip()) == (0, "no mesh is running")


def test_forgetting_removes_the_whole_state(tmp_path: Path) -> None:
    state = tmp_path / "state"
    (state / "logs").mkdir(parents=True)
    assert local("clean", state, 0).returncode == 0
    assert not state.exists()


def test_forgetting_refuses_while_a_shifted_mesh_runs_inside(tmp_path: Path) -> None:
    lock = StateLock(tmp_path / "offset-3000")
    lock.acquire()
    result = local("clean", tmp_path, 0)
    assert_refused(result, tmp_path / "nothing", "make down FTE_PORT_OFFSET=3000")
    assert (tmp_path / "offset-3000").exists()
    lock.release()


def test_a_lock_remembers_that_its_holder_did_not_end_well(tmp_path: Path) -> None:
    lock = StateLock(tmp_path)
    assert lock.acquire() is True
    with pytest.raises(CannotStart):
        StateLock(tmp_path).acquire()
    lock.release()
    (tmp_path / "mesh.pid").write_text("123")
    assert lock.acquire() is False
    lock.release()
    assert lock.wait_released(0) is True
