"""Pytest fixtures: the real PostgreSQL and the real Kafka, started once for each test run that asks for them."""

import itertools
import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

import asyncpg
import pytest

from local.asyncs import run_blocking
from local.kafka import KafkaBroker
from local.ports import SERVICES, free_ports
from local.postgres import WITHOUT_DURABILITY, Postgres
from local.provision import create_database, grant_database, passwords, provision, service_dsn

if TYPE_CHECKING:
    from local.mesh import Mesh

_TEMPLATE = "fte_template"


class MakeDatabase(Protocol):
    """The factory that the fixture `make_database` gives."""

    def __call__(self, service: str, *, beside: str | None = None) -> str:
        """The address of a fresh, provisioned, empty database for a service's own role.

        `beside`: an address this factory gave before; the new one leads to the same database.
        """


@pytest.fixture(scope="session")
def state_folder() -> Iterator[Path]:
    """An empty folder for servers' state, removed after the run.

    Not one of pytest's own: as root they are closed to the account that PostgreSQL runs as.
    """
    with tempfile.TemporaryDirectory(prefix="fte-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture
def seed() -> int:
    """Chance that can be had again: the number is printed with a failure, and FTE_TEST_SEED sets it."""
    number = int(os.environ.get("FTE_TEST_SEED", random.SystemRandom().randrange(10**6)))
    print(f"FTE_TEST_SEED={number}")
    return number


@pytest.fixture(scope="session")
def postgres(state_folder: Path) -> Iterator[Postgres]:
    """A PostgreSQL of this test run alone, without durability."""
    server = Postgres(state_folder / "postgres", free_ports(1)[0], settings=WITHOUT_DURABILITY)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        server.remove()


@pytest.fixture(scope="session")
def make_database(postgres: Postgres) -> MakeDatabase:
    """A factory of fresh databases in which every service has its role and its empty schema.

    A database takes about 40 ms and 8 MB, and goes with the server at the end of the run.
    """
    roles = passwords()
    run_blocking(create_database(postgres.dsn(), _TEMPLATE))
    run_blocking(provision(postgres.dsn(_TEMPLATE), roles))
    numbers = itertools.count(1)

    async def create(name: str) -> None:
        await create_database(postgres.dsn(), name, template=_TEMPLATE)
        connection = await asyncpg.connect(postgres.dsn(name), timeout=10)
        try:
            await grant_database(connection, SERVICES)
        finally:
            await connection.close()

    def make(service: str, *, beside: str | None = None) -> str:
        if beside is not None:
            name = urlsplit(beside).path.removeprefix("/")
        else:
            name = f"test_{next(numbers)}"
            run_blocking(create(name))
        return service_dsn(postgres.dsn(name), service, roles[service])

    return make


@pytest.fixture(scope="session")
def kafka_broker(state_folder: Path) -> Iterator[KafkaBroker]:
    """A Kafka broker of this test run alone, without topics."""
    port, controller_port = free_ports(2)
    broker = KafkaBroker(state_folder / "kafka", port, controller_port)
    broker.start()
    try:
        yield broker
    finally:
        # Its files go with it: nothing has to be put in order, which takes it ten seconds.
        broker.crash()


@pytest.fixture(scope="session")
def mesh(state_folder: Path) -> "Iterator[Mesh]":
    """The whole mesh on free ports, with servers of its own; a test that breaks a part mends it again.

    Nothing that died is started again by itself.
    """
    # Here and not above: most test runs start no mesh, and need not wait for all that it imports.
    from local.mesh import Mesh

    whole = Mesh(state_folder / "mesh", postgres_settings=WITHOUT_DURABILITY)
    whole.start()
    try:
        yield whole
    finally:
        whole.stop()
        if whole.postgres is not None:
            whole.postgres.remove()
