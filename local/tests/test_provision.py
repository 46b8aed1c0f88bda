"""One role and one schema for each service, and no way from one to another."""

import itertools
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from local.asyncs import run_blocking
from local.errors import CannotStart
from local.fixtures import MakeDatabase
from local.ports import SERVICES, free_ports
from local.postgres import Postgres
from local.provision import create_database, passwords, provision, service_dsn

NEIGHBOURS = list(itertools.permutations(SERVICES, 2))


@pytest.fixture(scope="module")
def database(make_database: MakeDatabase) -> dict[str, str]:
    """One database in which every service has a table `letters`; each service's address of it."""
    first = make_database(SERVICES[0])
    return {service: make_database(service, beside=first) for service in SERVICES}


@pytest.fixture(scope="module")
def with_tables(database: dict[str, str]) -> dict[str, str]:
    async def fill(dsn: str) -> None:
        connection = await asyncpg.connect(dsn)
        await connection.execute("CREATE TABLE letters (body text); INSERT INTO letters VALUES ('private')")
        await connection.close()

    for service in SERVICES:
        run_blocking(fill(database[service]))
    return database


@pytest.mark.parametrize(("service", "neighbour"), NEIGHBOURS)
async def test_a_role_is_refused_every_table_of_every_other_schema(
    service: str, neighbour: str, with_tables: dict[str, str]
) -> None:
    connection = await asyncpg.connect(with_tables[service])
    for statement in (
        f"SELECT body FROM {neighbour}.letters",
        f"INSERT INTO {neighbour}.letters VALUES ('forged')",
        f"DELETE FROM {neighbour}.letters",
        f"DROP TABLE {neighbour}.letters",
        f"CREATE TABLE {neighbour}.mine ()",
        f"SET ROLE {neighbour}",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    assert await connection.fetchval("SELECT body FROM letters") == "private"
    await connection.close()


@pytest.mark.parametrize("schema", ["public", "ext"])
async def test_a_role_can_make_nothing_outside_its_own_schema(schema: str, database: dict[str, str]) -> None:
    connection = await asyncpg.connect(database["agent"])
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(f"CREATE TABLE {schema}.mine ()")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("CREATE SCHEMA mine")
    await connection.close()


async def test_provisioning_again_keeps_the_data_and_mends_what_was_changed(postgres: Postgres) -> None:
    roles = {service: f"{password}-again" for service, password in passwords().items()}
    renamed = {f"again_{service}": password for service, password in roles.items()}
    await create_database(postgres.dsn(), "again")
    await provision(postgres.dsn("again"), renamed)
    connection = await asyncpg.connect(service_dsn(postgres.dsn("again"), "again_agent", renamed["again_agent"]))
    await connection.execute("CREATE TABLE kept (fact text); INSERT INTO kept VALUES ('here')")
    await connection.close()
    admin = await asyncpg.connect(postgres.dsn("again"))
    await admin.execute("ALTER ROLE again_agent NOLOGIN; ALTER ROLE again_agent SET search_path = public")
    await admin.execute("GRANT CONNECT ON DATABASE again TO PUBLIC")
    await admin.close()

    await create_database(postgres.dsn(), "again")
    await provision(postgres.dsn("again"), renamed)

    connection = await asyncpg.connect(service_dsn(postgres.dsn("again"), "again_agent", renamed["again_agent"]))
    assert await connection.fetchval("SELECT fact FROM kept") == "here"
    assert await connection.fetchval("SHOW search_path") == "again_agent, ext"
    await connection.close()
    # The other databases' roles are strangers here.
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(await _stranger(postgres))


async def _stranger(postgres: Postgres) -> str:
    admin = await asyncpg.connect(postgres.dsn())
    await admin.execute("CREATE ROLE stranger LOGIN PASSWORD 'stranger'")
    await admin.close()
    return service_dsn(postgres.dsn("again"), "stranger", "stranger")


async def test_an_admin_who_is_no_superuser_can_provision_once_the_extension_is_there(postgres: Postgres) -> None:
    admin = await asyncpg.connect(postgres.dsn())
    await admin.execute("CREATE ROLE operator LOGIN CREATEROLE PASSWORD 'operator'")
    await admin.execute("CREATE DATABASE operated OWNER operator")
    await admin.close()
    operator = service_dsn(postgres.dsn("operated"), "operator", "operator")
    roles = {"operated_agent": "one", "operated_tickets": "two"}

    with pytest.raises(CannotStart, match="CREATE EXTENSION vector SCHEMA ext"):
        await provision(operator, roles)

    superuser = await asyncpg.connect(postgres.dsn("operated"))
    await superuser.execute("CREATE EXTENSION vector SCHEMA ext")
    await superuser.close()
    await provision(operator, roles)
    connection = await asyncpg.connect(service_dsn(operator, "operated_agent", "one"))
    await connection.execute("CREATE TABLE mine (embedding vector(3))")
    await connection.close()


async def test_an_admin_who_may_not_make_roles_is_told_what_is_missing(postgres: Postgres) -> None:
    admin = await asyncpg.connect(postgres.dsn())
    await admin.execute("CREATE ROLE guest LOGIN PASSWORD 'guest'")
    await admin.execute("CREATE DATABASE visited")
    await admin.close()
    with pytest.raises(CannotStart, match="CREATEROLE"):
        await provision(service_dsn(postgres.dsn("visited"), "guest", "guest"), {"visited_agent": "x"})


async def test_an_extension_in_another_schema_is_named_with_its_mend(postgres: Postgres) -> None:
    await create_database(postgres.dsn(), "elsewhere")
    admin = await asyncpg.connect(postgres.dsn("elsewhere"))
    await admin.execute("CREATE EXTENSION vector SCHEMA public")
    await admin.close()
    with pytest.raises(CannotStart, match="ALTER EXTENSION vector SET SCHEMA ext"):
        await provision(postgres.dsn("elsewhere"), {})


async def test_what_is_wrong_with_database_url_is_named_without_its_password(postgres: Postgres) -> None:
    good = urlsplit(postgres.dsn())
    nobody_there = urlunsplit(good._replace(netloc=f"postgres:tell-nobody@127.0.0.1:{free_ports(1)[0]}"))
    wrong_password = urlunsplit(good._replace(netloc=f"postgres:tell-nobody@127.0.0.1:{good.port}"))
    for dsn, mend in (
        (nobody_there, "check its host and port"),
        (wrong_password, "check its name and password"),
        (postgres.dsn("nowhere"), "create it"),
    ):
        with pytest.raises(CannotStart, match=mend) as refused:
            await provision(dsn, {})
        assert "tell-nobody" not in str(refused.value)
