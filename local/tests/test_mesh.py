"""The whole mesh: up, hurt, mended and down again."""

import os
import subprocess
import sys
from pathlib import Path

import asyncpg
import psutil
import pytest

from local.mesh import Mesh
from local.ports import OFFSET_MAX, SERVICES, Ports, answers, is_free
from local.postgres import Postgres

pytestmark = pytest.mark.timeout(180)


def test_every_part_answers_once_the_mesh_is_up(mesh: Mesh) -> None:
    assert [part.name for part in mesh.parts] == ["PostgreSQL", "Kafka", "simulators", *SERVICES, "gateway"]
    assert all(part.running for part in mesh.parts)
    # OpenAI is simulated only when somebody asks for it.
    assert all(answers(port) for use, port in mesh.ports.each() if use != "the simulated OpenAI")


def test_a_killed_service_stays_down_until_it_is_restarted(mesh: Mesh) -> None:
    mesh.kill("knowledge")
    assert mesh.services["knowledge"].died
    assert not answers(mesh.ports.grpc["knowledge"])
    mesh.restart("knowledge")
    assert answers(mesh.ports.grpc["knowledge"])


async def test_each_service_is_given_its_own_role(mesh: Mesh) -> None:
    for service in SERVICES:
        assert mesh.services[service].environment["DATABASE_URL"] == mesh.dsn(service)
        connection = await asyncpg.connect(mesh.dsn(service))
        assert await connection.fetchval("SELECT current_user") == service
        await connection.close()


def test_what_an_operator_sets_wins_over_every_default(tmp_path: Path, postgres: Postgres) -> None:
    operated = Mesh(
        tmp_path,
        environment={
            "DATABASE_URL": postgres.dsn("operated_mesh"),
            "KAFKA_BOOTSTRAP_SERVERS": "kafka.example:9092",
            "PUBLIC_URL": "https://support.example",
            "STATUS_TOKEN_KEY": "the-operators-own-status-token-key",
            "LOG_LEVEL": "",
        },
    )
    assert operated.postgres is None
    assert operated.kafka is None
    assert operated.bootstrap_servers == "kafka.example:9092"
    told = operated.environment_of("tickets")
    assert told["PUBLIC_URL"] == "https://support.example"
    assert told["STATUS_TOKEN_KEY"] == "the-operators-own-status-token-key"
    assert told["LOG_LEVEL"] == "INFO"
    assert told["DATABASE_URL"].startswith("postgresql://tickets:")
    assert told["DATABASE_URL"].endswith(f"@127.0.0.1:{postgres.port}/operated_mesh")
    assert told["GRPC_PORT"] == str(operated.ports.grpc["tickets"])


def test_up_behind_the_terminal_and_down_again_leave_nothing_running(state_folder: Path) -> None:
    offset = next(
        offset for offset in range(OFFSET_MAX, 0, -1000) if all(is_free(port) for _, port in Ports.fixed(offset).each())
    )
    state = state_folder / "detached"
    environment = {**os.environ, "FTE_STATE_DIR": str(state), "FTE_PORT_OFFSET": str(offset)}

    def local(*command: str) -> str:
        result = subprocess.run(
            [sys.executable, "-m", "local", *command],
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
            env=environment,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    said = local("up", "--detach")
    try:
        for words in ("PostgreSQL listens on", "Kafka listens on", "channels listens on", "gateway listens on"):
            assert words in said
        assert f"http://127.0.0.1:{8080 + offset}" in said
        assert "curl" in said
        assert f"http://127.0.0.1:{7201 + offset}/_control/" in said
        assert f"http://127.0.0.1:{7202 + offset}/_control/" in said
        assert "make demo" in said
        supervisor = psutil.Process(int((state / "mesh.pid").read_text()))
        parts = supervisor.children()
        assert len(parts) == 9
    finally:
        said = local("down")
    assert said.strip() == "stopped"
    _, left = psutil.wait_procs([supervisor, *parts], timeout=10)
    assert left == []
    assert all(is_free(port) for _, port in Ports.fixed(offset).each())
