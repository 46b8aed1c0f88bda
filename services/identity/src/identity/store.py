"""Identity's tables. Every query stands in `store.sql`."""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby

from asyncpg import Record

from identity.model import Customer, Identifier, IdentifierType, Reachability
from meshkit import sql
from meshkit.database import Connection

QUERIES = sql.load("identity")


async def find_customer_of(connection: Connection, identifier: Identifier) -> Customer | None:
    """Returns the customer whose identifier this is."""
    customer_id = await connection.fetchval(QUERIES.find_customer_of, identifier.type, identifier.value)
    return None if customer_id is None else await get_customer(connection, customer_id)


async def claim_identifier(
    connection: Connection, identifier: Identifier, customer_id: uuid.UUID, now: datetime
) -> uuid.UUID:
    """Returns whose identifier it is from now on: the given new customer's, or that of whoever came first."""
    owner: uuid.UUID = await connection.fetchval(
        QUERIES.claim_identifier, identifier.type, identifier.value, customer_id, identifier.verified, now
    )
    return owner


async def mark_identifier(
    connection: Connection, identifier: Identifier, reachability: Reachability, since: datetime, now: datetime
) -> None:
    """Notes what is known since then, unless as late a note stands; leaves an identifier that nobody has alone."""
    await connection.execute(QUERIES.mark_identifier, identifier.type, identifier.value, reachability, since, now)


async def add_customer(connection: Connection, customer_id: uuid.UUID, display_name: str, now: datetime) -> None:
    """Writes a new customer."""
    await connection.execute(QUERIES.add_customer, customer_id, display_name, now)


async def learn_about_customer(
    connection: Connection, customer_id: uuid.UUID, display_name: str, now: datetime
) -> None:
    """Keeps the name if there was none, and dates the change."""
    await connection.execute(QUERIES.learn_about_customer, customer_id, display_name, now)


async def get_customer(connection: Connection, customer_id: uuid.UUID) -> Customer | None:
    """Returns one customer."""
    customers = await get_customers(connection, [customer_id])
    return customers[0] if customers else None


async def get_customers(connection: Connection, customer_ids: Sequence[uuid.UUID]) -> list[Customer]:
    """Returns these customers, newest first."""
    rows = await connection.fetch(QUERIES.get_customers, customer_ids)
    return [_customer(list(group)) for _, group in groupby(rows, key=lambda row: row["customer_id"])]


async def list_customers(
    connection: Connection, after: tuple[datetime, uuid.UUID] | None, limit: int
) -> list[Customer]:
    """Returns up to `limit` customers that come after the given one, newest first."""
    time, customer_id = after or (None, None)
    rows = await connection.fetch(QUERIES.list_customers, time, customer_id, limit)
    return await get_customers(connection, [row["customer_id"] for row in rows])


def _customer(rows: Sequence[Record]) -> Customer:
    return Customer(
        id=rows[0]["customer_id"],
        display_name=rows[0]["display_name"],
        identifiers=tuple(_identifiers(rows)),
        create_time=rows[0]["create_time"],
        update_time=rows[0]["update_time"],
    )


def _identifiers(rows: Iterable[Record]) -> Iterable[Identifier]:
    for row in rows:
        yield Identifier(IdentifierType(row["type"]), row["value"], row["verified"], Reachability(row["reachability"]))
