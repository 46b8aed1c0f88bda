"""What identity does. Each operation owns one transaction, events included."""

import uuid
from datetime import datetime

from identity import events, store
from identity.errors import CustomerNotFound
from identity.model import Claim, Customer, Identifier, Reachability
from meshkit.clock import Clock
from meshkit.database import Connection, Database
from meshkit.ids import uuid7
from meshkit.outbox import Outbox


class Operations:
    """Identity's operations over its own schema."""

    def __init__(self, database: Database, outbox: Outbox, clock: Clock) -> None:
        self._database = database
        self._outbox = outbox
        self._clock = clock

    async def resolve_customer(self, claim: Claim) -> tuple[Customer, bool]:
        """Returns the customer behind an identifier, and whether it was created by this call."""
        async with self._database.connection() as connection:
            known = await store.find_customer_of(connection, claim.identifier)
        if known is not None and not known.learns_from(claim):
            # By far the most calls: nothing to write, so nothing to lock.
            return known, False
        async with self._database.transaction() as connection:
            return await self._write_claim(connection, claim)

    async def mark_identifier(self, identifier: Identifier, reachability: Reachability, since: datetime) -> None:
        """Notes whether an identifier can be reached since then; of several notes, the one with the latest time stands.

        A time that has not come yet counts as now: no wrong clock elsewhere makes its note stand for ever.
        """
        now = self._clock.now()
        async with self._database.transaction() as connection:
            await store.mark_identifier(connection, identifier, reachability, min(since, now), now)

    async def get_customer(self, customer_id: uuid.UUID) -> Customer:
        """Returns one customer. Raises CustomerNotFound."""
        async with self._database.connection() as connection:
            customer = await store.get_customer(connection, customer_id)
        if customer is None:
            raise CustomerNotFound(customer_id)
        return customer

    async def find_customers(self, identifier: Identifier) -> list[Customer]:
        """Returns the customer with this identifier, or none."""
        async with self._database.connection() as connection:
            customer = await store.find_customer_of(connection, identifier)
        return [] if customer is None else [customer]

    async def list_customers(self, after: tuple[datetime, uuid.UUID] | None, limit: int) -> list[Customer]:
        """Returns up to `limit` customers that come after the given one, newest first."""
        async with self._database.connection() as connection:
            return await store.list_customers(connection, after, limit)

    async def _write_claim(self, connection: Connection, claim: Claim) -> tuple[Customer, bool]:
        now = self._clock.now()
        newcomer = uuid7()
        # The identifier's key decides: of many callers at once, one claims it and the others wait here for its commit.
        owner = await store.claim_identifier(connection, claim.identifier, newcomer, now)
        created = owner == newcomer
        if created:
            await store.add_customer(connection, owner, claim.display_name, now)
        else:
            await store.learn_about_customer(connection, owner, claim.display_name, now)
        customer = await store.get_customer(connection, owner)
        if customer is None:
            raise CustomerNotFound(owner)
        if created:
            await self._outbox.publish(connection, events.customer_created(customer))
        return customer, created
