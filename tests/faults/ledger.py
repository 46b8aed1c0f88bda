"""The books of a run: what every form that was taken became, read from the databases and held against what must be.

Every message that got a 200 is filed exactly once and has exactly one ending; every reply is delivered exactly once;
nothing is left in an outbox, nothing unread in Kafka, nothing among the dead letters.
"""

import asyncio
import time
from collections.abc import Collection
from dataclasses import dataclass, field

import asyncpg

from fte.topics import TOPICS
from local.asyncs import run_blocking
from local.mesh import DATABASE, Mesh

SERVICES = ("identity", "tickets", "knowledge", "agent", "channels")

_BY_TICKET = """
select
    tickets.reference,
    count(*) filter (where messages.author = 'CUSTOMER') as asked,
    count(*) filter (where messages.author <> 'CUSTOMER') as said,
    bool_and(conversations.answered_version = conversations.version) as ended
from tickets.tickets
join tickets.conversations on conversations.id = tickets.conversation_id
join tickets.messages on messages.ticket_id = tickets.id
where tickets.reference = any($1::text[])
group by tickets.reference
"""
_SENT = """
select messages.id, count(deliveries.message_id) as deliveries
from tickets.messages
join tickets.tickets on tickets.id = messages.ticket_id
left join channels.deliveries on deliveries.message_id = messages.id and deliveries.state = 'delivered'
where messages.author <> 'CUSTOMER' and tickets.reference = any($1::text[])
group by messages.id
"""


@dataclass
class Ledger:
    """What does not balance; empty throughout when all is well."""

    lost: list[str] = field(default_factory=list)
    """Taken with a 200, and on no desk."""
    filed_twice: list[str] = field(default_factory=list)
    without_ending: list[str] = field(default_factory=list)
    ended_twice: list[str] = field(default_factory=list)
    undelivered: int = 0
    delivered_twice: int = 0
    pending: int = 0
    """Facts still in an outbox."""
    dead_letters: int = 0

    @property
    def balances(self) -> bool:
        """Whether nothing is wrong."""
        return self == Ledger()


async def _read(mesh: Mesh, references: Collection[str]) -> Ledger:
    assert mesh.postgres is not None
    connection = await asyncpg.connect(mesh.postgres.dsn(DATABASE), timeout=10)
    try:
        tickets = {row["reference"]: row for row in await connection.fetch(_BY_TICKET, list(references))}
        sent = await connection.fetch(_SENT, list(references))
        pending = [
            await connection.fetchval(f"select count(*) from {service}.outbox where published_at is null")
            for service in SERVICES
        ]
        dead = await connection.fetchval("select count(*) from tickets.dead_letters where state = 'WAITING'")
    finally:
        await connection.close()
    return Ledger(
        lost=sorted(set(references) - set(tickets)),
        filed_twice=sorted(reference for reference, row in tickets.items() if row["asked"] > 1),
        without_ending=sorted(reference for reference, row in tickets.items() if not row["ended"] or row["said"] == 0),
        ended_twice=sorted(reference for reference, row in tickets.items() if row["said"] > 1),
        undelivered=sum(row["deliveries"] == 0 for row in sent),
        delivered_twice=sum(row["deliveries"] > 1 for row in sent),
        pending=sum(pending),
        dead_letters=dead,
    )


def read(mesh: Mesh, references: Collection[str]) -> Ledger:
    """The books as they stand."""
    return run_blocking(_read(mesh, references))


def settled(mesh: Mesh, references: Collection[str], within_seconds: float) -> Ledger:
    """The books once they balance, or as they stand when time is up."""
    ends = time.monotonic() + within_seconds
    while True:
        ledger = read(mesh, references)
        if ledger.balances or time.monotonic() > ends:
            return ledger
        time.sleep(0.25)  # between two looks at the books


def quiet(mesh: Mesh, within_seconds: float) -> None:
    """Returns once every consumer has read all there is: what comes twice has come by then."""
    from aiokafka import AIOKafkaConsumer, TopicPartition
    from aiokafka.admin import AIOKafkaAdminClient

    async def lag() -> int:
        admin = AIOKafkaAdminClient(bootstrap_servers=mesh.bootstrap_servers)
        reader = AIOKafkaConsumer(bootstrap_servers=mesh.bootstrap_servers)
        await admin.start()
        await reader.start()
        try:
            total = 0
            for topic in TOPICS.values():
                partitions = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
                ends = await reader.end_offsets(partitions)
                for group in topic.consumers:
                    done = await admin.list_consumer_group_offsets(group)
                    total += sum(
                        ends[each] - (done[each].offset if each in done else 0) for each in partitions if ends[each]
                    )
            return total
        finally:
            await reader.stop()
            await admin.close()

    async def until_none() -> None:
        ends = time.monotonic() + within_seconds
        while (left := await lag()) > 0:
            assert time.monotonic() < ends, f"{left} events are unread after {within_seconds} s"
            await asyncio.sleep(0.2)

    run_blocking(until_none())


def sends_open(mesh: Mesh) -> int:
    """How many replies have neither been sent nor come to a person."""

    async def count() -> int:
        assert mesh.postgres is not None
        connection = await asyncpg.connect(mesh.postgres.dsn(DATABASE), timeout=10)
        try:
            found: int = await connection.fetchval(
                "select count(*) from channels.deliveries where kind = 'reply' and state in ('queued', 'claimed')"
            )
        finally:
            await connection.close()
        return found

    return run_blocking(count())
