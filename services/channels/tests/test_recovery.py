"""Whoever sends may die at any moment, or wake up late: nothing is lost, and nothing goes out twice."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from services.channels.tests.conftest import Running, StartChannels
from services.channels.tests.scripted import (
    Scripted,
    Step,
    accept,
    accept_then_hang,
    accept_then_reset,
    cannot_be_reached,
    dispatching,
    hang,
    replica,
    reply,
    reset,
    throttle,
)
from services.channels.tests.test_deliveries import apply
from services.channels.tests.test_dispatch import QUICK, ended, states

from channels import store
from channels.model import DeliveryState
from channels.operations import Sending
from channels.providers.base import Accepted, Parcel
from fte.channels.v1 import channels_service_pb2 as pb
from fte.channels.v1.message_pb2 import DELIVERY_STATE_QUEUED, DELIVERY_STATE_SENT
from meshkit.testing import eventually


@pytest.fixture
def provider() -> Scripted:
    return Scripted()


@pytest.fixture
async def channels(start_channels: StartChannels, provider: Scripted) -> Running:
    return await start_channels(outsides=[provider], **QUICK)


async def dies_while_sending(channels: Running, provider: Scripted, step: Step) -> None:
    """A dispatcher ends in the middle of a send, and writes nothing any more."""
    provider.script.append(step)
    await apply(channels, reply(channels))
    asked = len(provider.asked)
    async with dispatching(channels) as task:
        await eventually(lambda: len(provider.asked) > asked)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_message_that_was_taken_when_its_sender_died_is_found_at_once(
    channels: Running, provider: Scripted
) -> None:
    await dies_while_sending(channels, provider, accept_then_hang)
    began = asyncio.get_running_loop().time()
    async with replica(channels, provider) as next_one, dispatching(next_one):
        (sent,) = await ended(channels)
    assert asyncio.get_running_loop().time() - began < 0.45
    assert (sent.state, len(provider.taken)) == (DELIVERY_STATE_SENT, 1)


async def test_a_message_that_was_claimed_and_never_sent_goes_out_once_its_time_is_over(
    channels: Running, provider: Scripted
) -> None:
    await dies_while_sending(channels, provider, hang)
    async with replica(channels, provider) as next_one, dispatching(next_one):
        (sent,) = await ended(channels)
    assert sent.state == DELIVERY_STATE_SENT
    assert (len(provider.taken), len(provider.asked)) == (1, 2)


async def test_only_one_replica_sends_and_the_other_takes_over(channels: Running, provider: Scripted) -> None:
    spare = Scripted(prefix="XX")
    async with replica(channels, spare) as other, dispatching(channels) as leader:
        await apply(channels, reply(channels))
        await ended(channels)
        async with dispatching(other):
            # Queued by the one that stands by, and found by the one that leads.
            await apply(other, reply(other))
            await ended(channels, 2)
            assert (len(provider.taken), len(spare.taken)) == (2, 0)
            leader.cancel()
            await apply(channels, reply(channels))
            await ended(channels, 3)
    assert (len(provider.taken), len(spare.taken)) == (2, 1)


async def test_a_leader_whose_session_ends_stops_and_is_chosen_again(channels: Running, provider: Scripted) -> None:
    async with dispatching(channels):
        await apply(channels, reply(channels))
        await ended(channels)
        async with channels.database.connection() as connection:
            await connection.execute(
                "select pg_terminate_backend(pid) from pg_locks join pg_database on pg_database.oid = database "
                "where locktype = 'advisory' and datname = current_database() and pid <> pg_backend_pid()"
            )
        await apply(channels, reply(channels))
        await ended(channels, 2)
    assert provider.doubled() == 0


async def test_who_wakes_up_late_cannot_write_over_what_others_found_out(
    channels: Running, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    late: asyncio.Event = asyncio.Event()
    written: list[bool] = []
    record = Sending._accepted

    async def sleep_first(self: Sending, delivery: Any, part: Any, accepted: Accepted) -> bool:
        if part.attempts == 1 and not late.is_set() and not provider.looked_up:
            await late.wait()
            written.append(await record(self, delivery, part, Accepted("SM-late")))
            return written[-1]
        return await record(self, delivery, part, accepted)

    monkeypatch.setattr(Sending, "_accepted", sleep_first)
    await apply(channels, reply(channels))
    async with dispatching(channels):
        await eventually(lambda: len(provider.taken) == 1)
        async with replica(channels, provider) as other:
            # Two that both believe they lead, as when the first one's session has ended and it does not know yet.
            sending = other.service.workers[0]._sending  # type: ignore[attr-defined] # the dispatcher's own part
            async with channels.database.connection() as connection:
                (head,) = await store.list_heads(connection, provider.channel, 10)
            await sending.advance(head.delivery_id)
        late.set()
        await eventually(lambda: written)
        (sent,) = await ended(channels)
    assert written == [False]
    assert sent.provider_message_id == "SM1"
    assert await states(channels) == [DELIVERY_STATE_QUEUED, DELIVERY_STATE_SENT]


async def test_a_claim_that_was_slept_through_is_not_acted_on(
    channels: Running, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = store.claim_part
    slept = False

    async def sleep_after(*arguments: Any) -> Any:
        nonlocal slept
        claimed = await claim(*arguments)
        if not slept:
            slept = True
            # As a process that is stopped between its claim and its send.
            await asyncio.sleep(0.2)
        return claimed

    async def look(provider: Scripted, parcel: Parcel) -> Any:
        asked_before.extend(provider.asked)
        return None

    asked_before: list[str] = []
    monkeypatch.setattr(store, "claim_part", sleep_after)
    provider.find_script.append(look)
    await apply(channels, reply(channels))
    async with dispatching(channels):
        await ended(channels)
    assert (len(provider.looked_up), asked_before) == (1, [])
    assert len(provider.taken) == 1


async def test_a_claim_is_given_to_one_only(channels: Running, provider: Scripted) -> None:
    await apply(channels, reply(channels))
    async with channels.database.connection() as connection:
        (head,) = await store.list_heads(connection, provider.channel, 10)
        delivery = await store.get_delivery(connection, head.delivery_id)
    assert delivery is not None
    part = delivery.parts[0]

    async def claim() -> bool:
        async with channels.database.connection() as connection:
            return await store.claim_part(connection, delivery.id, part, 30) is not None

    assert sum(await asyncio.gather(*(claim() for _ in range(8)))) == 1


async def test_a_provider_that_fails_is_left_alone_and_tried_by_one_first(
    start_channels: StartChannels, provider: Scripted
) -> None:
    channels = await start_channels(
        outsides=[provider], **{**QUICK, "breaker_failures": 3, "breaker_open_seconds": 0.6, "send_concurrency": 1}
    )
    provider.script.extend([cannot_be_reached] * 4)
    for number in range(6):
        await apply(channels, reply(channels, to=f"+1415555020{number}"))
    async with dispatching(channels):
        await eventually(lambda: len(provider.asked) == 3)
        await asyncio.sleep(0.3)  # Half of the time that it stays open: that nothing happens has no condition.
        assert len(provider.asked) == 3
        health = await (await channels.stub()).GetHealth(pb.GetHealthRequest())
        assert (health.status, health.checks["whatsapp"], health.checks["web_form"]) == ("degraded", "down", "ok")
        await eventually(lambda: len(provider.asked) == 4)
        await ended(channels, 6)
    assert sorted(provider.texts()) == ["Like so."] * 6
    channels.clock.advance(2)
    health = await (await channels.stub()).GetHealth(pb.GetHealthRequest())
    assert health.status == "ok"


async def test_a_queue_that_nobody_works_through_shows_in_every_replicas_health(channels: Running) -> None:
    await apply(channels, reply(channels))
    async with channels.database.connection() as connection:
        await connection.execute("update deliveries set queue_time = now() - interval '2 minutes'")
    health = await (await channels.stub()).GetHealth(pb.GetHealthRequest())
    assert health.checks["whatsapp"] == "degraded"


# What can happen to a request, how likely it is, and what the provider makes of it.
MISHAPS: list[tuple[Step, float]] = [
    (accept, 0.45),
    (accept_then_reset, 0.12),
    (reset, 0.08),
    (cannot_be_reached, 0.1),
    (throttle(0.02), 0.1),
    (accept_then_hang, 0.08),
    (hang, 0.07),
]


class Chance(Scripted):
    """A provider on a bad day: each request ends as chance has it."""

    dice: random.Random

    async def send(self, parcel: Parcel) -> Accepted:
        self.asked.append(parcel.key)
        (step,) = self.dice.choices([step for step, _ in MISHAPS], [weight for _, weight in MISHAPS])
        return await step(self, parcel)

    async def find(self, parcel: Parcel) -> Accepted | None:
        if self.dice.random() < 0.2:
            return await reset(self, parcel)
        return await super().find(parcel)


@asynccontextmanager
async def stormy(
    start_channels: StartChannels, seed: int
) -> AsyncIterator[tuple[Running, Chance, dict[str, list[str]]]]:
    """Chats that are written to while their dispatchers die; afterwards everything has ended, and so it is judged."""
    provider = Chance()
    provider.dice = dice = random.Random(seed)
    channels = await start_channels(
        outsides=[provider],
        **{**QUICK, "send_deadline_seconds": 0.05, "send_lookup_seconds": 0.15, "send_attempts_max": 50},
    )
    said: dict[str, list[str]] = {f"+1415555{number:04}": [] for number in range(4)}
    deaths = 6
    async with replica(channels, provider) as other:
        for death in range(deaths):
            async with dispatching(channels if death % 2 else other) as task:
                for _ in range(4):
                    chat = dice.choice(list(said))
                    parts = [f"{len(said[chat]) + number}" for number in range(dice.choice([1, 1, 3]))]
                    said[chat] += parts
                    await apply(channels, reply(channels, "\n".join(parts), to=chat))
                await asyncio.sleep(dice.uniform(0, 0.25))
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        async with dispatching(channels):

            async def nothing_waits() -> bool:
                async with channels.database.connection() as connection:
                    return not await store.count_queue(connection)

            await eventually(nothing_waits, 60)
        yield channels, provider, said


def judged(provider: Scripted, said: dict[str, list[str]]) -> tuple[int, int, int]:
    """How many messages were lost, sent twice, and sent out of order."""
    lost = doubled = disordered = 0
    for chat, texts in said.items():
        got = [int(each.text) for each in provider.taken if each.recipient == chat]
        lost += len(set(texts) - {str(number) for number in got})
        doubled += len(got) - len(set(got))
        firsts = list(dict.fromkeys(got))
        disordered += sum(earlier > later for earlier, later in itertools.pairwise(firsts))
    return lost, doubled, disordered


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that only politeness asks for are short."""
    monkeypatch.setattr("channels.operations.send._BACKOFF_SECONDS", 0.02)
    monkeypatch.setattr("channels.operations.dispatch._AILING_SECONDS", 0.05)


@pytest.mark.usefixtures("impatient")
async def test_nothing_is_lost_doubled_or_disordered_on_a_bad_day(start_channels: StartChannels, seed: int) -> None:
    async with stormy(start_channels, seed) as (channels, provider, said):
        async with channels.database.connection() as connection:
            rows = await connection.fetch("select state, count(*) from parts group by state")
        assert {row["state"] for row in rows} == {DeliveryState.SENT}
        assert judged(provider, said) == (0, 0, 0)


@pytest.mark.long
@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("seed", range(1, 21))
async def test_nothing_is_lost_doubled_or_disordered_on_any_bad_day(start_channels: StartChannels, seed: int) -> None:
    async with stormy(start_channels, seed) as (_, provider, said):
        assert judged(provider, said) == (0, 0, 0)


@pytest.mark.usefixtures("impatient")
async def test_a_sender_that_records_only_afterwards_fails_the_same_judgement(
    start_channels: StartChannels, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def send_naively(self: Sending, delivery: Any, part: Any) -> bool:
        # No claim: what is not recorded is sent (again).
        claimed = Parcel(delivery.id, part.number, 1, delivery.recipient, part.content, delivery.create_time)
        async with asyncio.timeout(0.1):
            accepted = await self._provider.send(claimed)
        async with self._database.connection() as connection:
            await store.claim_part(connection, delivery.id, part, 30)
            current = await store.get_delivery(connection, delivery.id)
        assert current is not None
        return await self._accepted(current, current.parts[part.number - 1], accepted)

    monkeypatch.setattr(Sending, "_send", send_naively)
    doubled = 0
    for seed in range(1, 4):
        async with stormy(start_channels, seed) as (_, provider, said):
            doubled += judged(provider, said)[1]
        if doubled:
            break
    assert doubled > 0
