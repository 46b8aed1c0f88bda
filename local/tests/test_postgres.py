"""The embedded PostgreSQL: kept apart, kept safe, never left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from local.ports import free_ports
from local.postgres import WITHOUT_DURABILITY, Postgres

START_AND_WAIT = """
import sys
from pathlib import Path
from local.postgres import Postgres, WITHOUT_DURABILITY

server = Postgres(Path(sys.argv[1]), int(sys.argv[2]), settings=WITHOUT_DURABILITY)
server.start()
print(server.child.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def second(state_folder: Path) -> Iterator[Postgres]:
    server = Postgres(state_folder / "second", free_ports(1)[0], settings={**WITHOUT_DURABILITY, "fsync": "on"})
    server.start()
    try:
        yield server
    finally:
        server.stop()
        server.remove()


async def test_two_servers_run_side_by_side_and_share_nothing(postgres: Postgres, second: Postgres) -> None:
    connections = [await asyncpg.connect(server.dsn()) for server in (postgres, second)]
    await connections[0].execute("CREATE TABLE only_here ()")
    with pytest.raises(asyncpg.UndefinedTableError):
        await connections[1].execute("SELECT FROM only_here")
    identifiers = {await each.fetchval("SELECT system_identifier FROM pg_control_system()") for each in connections}
    assert len(identifiers) == 2
    for each in connections:
        await each.close()


@pytest.mark.parametrize("end", [Postgres.stop, Postgres.crash])
async def test_committed_rows_are_there_after_a_restart(second: Postgres, end: Callable[[Postgres], None]) -> None:
    connection = await asyncpg.connect(second.dsn())
    await connection.execute("CREATE TABLE IF NOT EXISTS kept (how text)")
    await connection.execute("INSERT INTO kept VALUES ($1)", end.__name__)
    connection.terminate()
    end(second)
    assert not second.running
    assert second.died == (end is Postgres.crash)
    second.start()
    connection = await asyncpg.connect(second.dsn())
    assert await connection.fetchval("SELECT count(*) FROM kept WHERE how = $1", end.__name__) == 1
    await connection.close()


async def test_no_connection_is_trusted(second: Postgres) -> None:
    for password in ("", "wrong"):
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(host="127.0.0.1", port=second.port, user="postgres", password=password)


async def test_customers_words_in_a_failed_statement_do_not_reach_the_log(second: Postgres) -> None:
    connection = await asyncpg.connect(second.dsn())
    await connection.execute("CREATE TABLE addresses (address text PRIMARY KEY)")
    await connection.execute("INSERT INTO addresses VALUES ($1)", "ada@customer.example")
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute("INSERT INTO addresses VALUES ($1)", "ada@customer.example")
    await connection.close()
    log = second.log.read_text()
    assert "duplicate key" in log
    assert "ada@customer.example" not in log


def test_the_server_never_runs_as_root(second: Postgres) -> None:
    assert psutil.Process(second.child.pid).uids().real != 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has folders that the server's account cannot enter")
def test_in_a_folder_closed_to_its_account_the_server_works_behind_a_link(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = Postgres(closed / "postgres", free_ports(1)[0], settings=WITHOUT_DURABILITY)
    server.start()
    try:
        assert (closed / "postgres").is_symlink()
        assert server.running
    finally:
        server.stop()
        server.remove()


def test_the_server_ends_when_its_parent_is_killed(state_folder: Path) -> None:
    folder = state_folder / "orphan"
    parent = subprocess.Popen(
        [sys.executable, "-c", START_AND_WAIT, str(folder), str(free_ports(1)[0])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    server = psutil.Process(int(parent.stdout.readline()))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 10
    while server.is_running() and server.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "PostgreSQL outlived its parent"
        time.sleep(0.02)
