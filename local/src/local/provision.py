"""One login role and one schema for each service, in one database, so that no service can read another's tables.

Works on the embedded server and on any PostgreSQL 16 or later that an operator names. Every statement may be
repeated; running it again mends what was changed by hand.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from local.errors import CannotStart
from local.ports import SERVICES

EXTENSIONS_SCHEMA = "ext"
CONNECT_SECONDS = 10
COMMAND_SECONDS = 30
SCRAM_ITERATIONS = 4096
# Held while we provision: two supervisors on one server would meet in the catalogs ("tuple concurrently updated").
_LOCK = int.from_bytes(hashlib.sha256(b"fte provision").digest()[:8], signed=True)


async def provision(admin_dsn: str, passwords: Mapping[str, str]) -> None:
    """Make the role, the schema and the grants of every service named in `passwords`, in the database of `admin_dsn`.

    The admin must be allowed to create roles and schemas, and to create the extension `vector` where it is not there
    yet. `CannotStart` says which of these is missing.
    """
    connection = await _connect(admin_dsn)
    try:
        await connection.execute("SELECT pg_advisory_lock($1::bigint)", _LOCK)
        await _create_extension(connection)
        for service, password in passwords.items():
            await _create_role(connection, service, password)
        await grant_database(connection, passwords)
        async with connection.transaction():
            for service in passwords:
                await _create_schema(connection, service)
    except asyncpg.InsufficientPrivilegeError as error:
        raise CannotStart(
            "The user of DATABASE_URL may not create roles and schemas: "
            "name one that has CREATEROLE and owns the database"
        ) from error
    finally:
        await connection.close()


async def grant_database(connection: asyncpg.Connection, services: Mapping[str, str] | tuple[str, ...]) -> None:
    """Let only these services connect to the current database: such grants do not come along from a template."""
    database = _quoted(await connection.fetchval("SELECT current_database()"))
    roles = ", ".join(_quoted(service) for service in services)
    await connection.execute(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")
    await connection.execute(f"GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {roles}")


async def create_database(server_dsn: str, name: str, template: str = "template1") -> None:
    """Make a database unless it is there."""
    connection = await _connect(server_dsn)
    try:
        if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
            await connection.execute(f"CREATE DATABASE {_quoted(name)} TEMPLATE {_quoted(template)}")
    finally:
        await connection.close()


def service_dsn(admin_dsn: str, service: str, password: str) -> str:
    """The address of the same database for a service's own role."""
    parts = urlsplit(admin_dsn)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{service}:{quote(password, safe='')}@{host}"))


def passwords() -> dict[str, str]:
    """A new random password for every service."""
    return {service: secrets.token_urlsafe(24) for service in SERVICES}


async def _connect(dsn: str) -> asyncpg.Connection:
    try:
        return await asyncpg.connect(dsn, timeout=CONNECT_SECONDS, command_timeout=COMMAND_SECONDS)
    except (OSError, TimeoutError) as error:
        raise CannotStart("PostgreSQL at DATABASE_URL does not answer: check its host and port") from error
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        raise CannotStart("PostgreSQL refuses the user of DATABASE_URL: check its name and password") from error
    except asyncpg.InvalidCatalogNameError as error:
        raise CannotStart("The database that DATABASE_URL names does not exist: create it") from error


async def _create_extension(connection: asyncpg.Connection) -> None:
    await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {EXTENSIONS_SCHEMA}")
    found = await connection.fetchval(
        "SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector'"
    )
    if found == EXTENSIONS_SCHEMA:
        return
    if found is not None:
        raise CannotStart(
            f"The extension vector is in the schema {found}: move it with ALTER EXTENSION vector SET SCHEMA ext"
        )
    try:
        await connection.execute(f"CREATE EXTENSION vector SCHEMA {EXTENSIONS_SCHEMA}")
    except asyncpg.InsufficientPrivilegeError as error:
        raise CannotStart(
            "The user of DATABASE_URL may not create the extension vector: "
            "have a superuser run CREATE EXTENSION vector SCHEMA ext in that database"
        ) from error
    except (asyncpg.UndefinedFileError, asyncpg.FeatureNotSupportedError) as error:
        raise CannotStart("This PostgreSQL has no pgvector: install its package pgvector on the server") from error


async def _create_role(connection: asyncpg.Connection, service: str, password: str) -> None:
    role = _quoted(service)
    # From PostgreSQL 16 on, an admin who is no superuser may hand a schema to a role only as its member.
    await connection.execute("SET createrole_self_grant = 'set, inherit'")
    if not await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", service):
        await connection.execute(f"CREATE ROLE {role}")
    # The verifier and not the password: a statement may be logged.
    await connection.execute(f"ALTER ROLE {role} LOGIN PASSWORD '{scram_verifier(password)}'")
    await connection.execute(f"ALTER ROLE {role} SET search_path = {role}, {EXTENSIONS_SCHEMA}")


async def _create_schema(connection: asyncpg.Connection, service: str) -> None:
    name = _quoted(service)
    await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {name} AUTHORIZATION {name}")
    await connection.execute(f"REVOKE ALL ON SCHEMA {name} FROM PUBLIC")
    await connection.execute(f"GRANT USAGE ON SCHEMA {EXTENSIONS_SCHEMA} TO {name}")


def scram_verifier(password: str) -> str:
    """What PostgreSQL stores of a password (RFC 5803, SCRAM-SHA-256), for an ASCII password."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, SCRAM_ITERATIONS)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    keys = f"{base64.b64encode(stored_key).decode()}:{base64.b64encode(server_key).decode()}"
    return f"SCRAM-SHA-256${SCRAM_ITERATIONS}:{base64.b64encode(salt).decode()}${keys}"


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
