"""What a sender left behind in the databases: nothing, where a form was refused."""

from typing import Any

import asyncpg

from local.asyncs import run_blocking
from local.mesh import DATABASE, Mesh

# A published event stays in its outbox for hours, so that one which should not have been sent is found there.
_LEFT_BY_SENDER = """
select
    (select count(*) from channels.inbound where sender = $1)
    + (select count(*) from channels.outbox where position(convert_to($1, 'UTF8') in value) > 0)
    + (select count(*) from identity.identifiers where value = $1)
    + (select count(*) from tickets.conversations where sender_value = $1)
"""


async def _fetch_value(mesh: Mesh, query: str, *arguments: Any) -> Any:
    assert mesh.postgres is not None
    connection = await asyncpg.connect(mesh.postgres.dsn(DATABASE), timeout=10)
    try:
        return await connection.fetchval(query, *arguments, timeout=10)
    finally:
        await connection.close()


def value_of(mesh: Mesh, query: str, *arguments: Any) -> Any:
    """The one value that a query answers, asked by the owner of all schemas."""
    return run_blocking(_fetch_value(mesh, query, *arguments))


def left_by(mesh: Mesh, email: str) -> int:
    """How many rows there are of this sender, in the tables and outboxes of all services."""
    return int(value_of(mesh, _LEFT_BY_SENDER, email))


def taken_in(mesh: Mesh, email: str) -> int:
    """How many messages of this sender were taken in."""
    return int(value_of(mesh, "select count(*) from channels.inbound where sender = $1", email))
