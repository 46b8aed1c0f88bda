"""What other channels feel of a provider that is away: replies while Gmail answers 503, and while it is well.

Replies for all three channels come in an open loop, as the desk publishes them; only channels and the simulated
providers run. A reply on WhatsApp counts from when it was due until Twilio has it, by the simulator's clock, one on the
web form until its delivery is committed, by PostgreSQL's (`track_commit_timestamp`); all read the same clock. Rounds
alternate, well and away, and each ends with Gmail well again and its queue worked off, which is not counted. So that
this does not take minutes, sends and look-ups are given up sooner than by default, and the breaker tries again sooner.

    python -m bench breaker
"""

from __future__ import annotations

import asyncio
import json
import re
import time
import urllib.request
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer

from bench import stage
from bench.arithmetic import median, percentile, percentiles, schedule
from fte.channels.v1.message_pb2 import CHANNEL_EMAIL, CHANNEL_WEB_FORM, CHANNEL_WHATSAPP, Sender
from fte.identity.v1.customer_pb2 import IDENTIFIER_TYPE_EMAIL, IDENTIFIER_TYPE_PHONE
from fte.tickets.v1.ticket_pb2 import AUTHOR_AGENT
from fte.tickets.v1.tickets_events_pb2 import ReplyRequested
from fte.topics import OUTGOING
from local.mesh import Mesh
from meshkit.envelope import Event
from meshkit.ids import uuid7
from meshkit.outbox import Outbox
from meshkit.timestamps import timestamp

ROUNDS = 4
WARM_SECONDS = 4.0
ROUND_SECONDS = 8.0
CUSTOMERS = 40
# A second, of each channel; little enough that nobody waits for the cores: each WhatsApp message has three receipts.
RATES = {"whatsapp": 15, "web_form": 30, "email": 5}
DONE_SECONDS_MAX = 60.0
CALL_SECONDS_MAX = 30.0
PATIENCE = {"SEND_DEADLINE_SECONDS": "1", "SEND_LOOKUP_SECONDS": "1.5", "BREAKER_OPEN_SECONDS": "1"}
TEXT = "You can export a board from its menu: open Settings, choose Export and pick CSV. It takes a minute at most."
_CHANNELS = {"whatsapp": CHANNEL_WHATSAPP, "web_form": CHANNEL_WEB_FORM, "email": CHANNEL_EMAIL}
_COMMITTED = """
select message_id, extract(epoch from pg_xact_commit_timestamp(xmin))::float8 as committed
from channels.deliveries
where message_id = any($1::uuid[])
"""
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_WAITING = "select count(*) from channels.deliveries where channel = 'email' and state in ('queued', 'claimed')"


@dataclass(frozen=True)
class Asked:
    """A reply that was published, and the wall-clock time when it was due."""

    message_id: uuid.UUID
    channel: str
    due: float


def measure(rounds: int = ROUNDS) -> dict[str, Any]:
    """Percentiles of each channel while Gmail is well and while it is away, and the p95 of one by the other's."""
    with stage.mesh(
        services=("channels",), environment=PATIENCE, postgres_settings={"track_commit_timestamp": "on"}
    ) as mesh:
        return asyncio.run(_Measurement(mesh).taken(rounds))


class _Measurement:
    def __init__(self, mesh: Mesh) -> None:
        assert mesh.postgres is not None
        assert mesh.providers.twilio_url is not None
        assert mesh.providers.google_url is not None
        self._dsn = mesh.postgres.dsn("fte")
        self._bootstrap_servers = mesh.bootstrap_servers
        self._twilio, self._google = mesh.providers.twilio_url, mesh.providers.google_url
        self._outbox = Outbox("/fte/tickets")

    async def taken(self, rounds: int) -> dict[str, Any]:
        for number in range(CUSTOMERS):
            # WhatsApp lets us write to whoever wrote within a day.
            await _control("POST", f"{self._twilio}/_control/inbound", {"from": _number(number), "body": "Hello"})
        taken: dict[str, dict[str, list[list[float]]]] = {
            state: {"whatsapp": [], "web_form": []} for state in ("well", "away")
        }
        waiting = []
        async with AIOKafkaProducer(
            bootstrap_servers=self._bootstrap_servers, acks="all", enable_idempotence=True
        ) as producer:
            await self._round(producer, WARM_SECONDS)
            await self._drained()
            for number in range(rounds):
                for state in ("well", "away") if number % 2 else ("away", "well"):
                    if state == "away":
                        fault = {"kind": "status", "status": 503, "times": 0}
                        await _control("POST", f"{self._google}/_control/faults", fault)
                    seconds = await self._round(producer, ROUND_SECONDS)
                    waiting.append(await self._fetchval(_WAITING))
                    await _control("DELETE", f"{self._google}/_control/faults")
                    await self._drained()
                    for channel, found in taken[state].items():
                        found.append(seconds[channel])
        figures = {
            state: {
                channel: percentiles([each for one in found for each in one]) for channel, found in channels.items()
            }
            for state, channels in taken.items()
        }
        return {
            **figures,
            "p95_ratio": {
                channel: _ratio(taken["away"][channel], taken["well"][channel]) for channel in ("whatsapp", "web_form")
            },
            "replies_per_second": RATES,
            "mails_waiting_at_most": max(waiting),
        }

    async def _round(self, producer: Any, seconds: float) -> Mapping[str, list[float]]:
        """Seconds from due to done of every reply, by channel."""
        due = sorted((at, channel) for channel, rate in RATES.items() for at in schedule(rate, seconds))
        began, wall = time.perf_counter(), time.time()
        asked = []
        for number, (at, channel) in enumerate(due):
            if (pause := began + at - time.perf_counter()) > 0:
                await asyncio.sleep(pause)
            reply = _reply(channel, number)
            row = self._outbox.row(Event(topic=OUTGOING.name, key=reply.conversation, message=reply))
            headers = list(zip(row.header_names, row.header_values, strict=True))
            # Not waited for: the next one is due whatever becomes of this one.
            await producer.send(row.topic, row.value, key=row.key, headers=headers)
            asked.append(Asked(uuid.UUID(reply.message.rpartition("/")[2]), channel, wall + at))
        return await self._times(asked)

    async def _times(self, asked: Sequence[Asked]) -> Mapping[str, list[float]]:
        """Waits until all are done that do not go by mail."""
        ends = time.monotonic() + DONE_SECONDS_MAX
        while True:
            done = {**await self._accepted_by_twilio(), **await self._committed(asked)}
            missing = Counter(each.channel for each in asked if each.channel != "email" and each.message_id not in done)
            if not missing:
                break
            if time.monotonic() > ends:
                raise TimeoutError(f"replies not delivered within {DONE_SECONDS_MAX:g} s: {dict(missing)}")
            await asyncio.sleep(0.5)
        return {
            channel: [done[each.message_id] - each.due for each in asked if each.channel == channel]
            for channel in ("whatsapp", "web_form")
        }

    async def _accepted_by_twilio(self) -> dict[uuid.UUID, float]:
        truth = await _control("GET", f"{self._twilio}/_control/messages")
        return {
            uuid.UUID(found.group()): datetime.fromisoformat(message["createTime"]).timestamp()
            for message in truth["messages"]
            if (found := _ID.search(message["body"]))
        }

    async def _committed(self, asked: Sequence[Asked]) -> dict[uuid.UUID, float]:
        connection = await asyncpg.connect(self._dsn)
        try:
            ids = [each.message_id for each in asked if each.channel == "web_form"]
            rows = await connection.fetch(_COMMITTED, ids)
            return {row["message_id"]: row["committed"] for row in rows}
        finally:
            await connection.close()

    async def _drained(self) -> None:
        """Waits until no mail waits any more."""
        async with asyncio.timeout(DONE_SECONDS_MAX):
            while True:
                if not await self._fetchval(_WAITING):
                    return
                await asyncio.sleep(0.5)

    async def _fetchval(self, query: str) -> int:
        connection = await asyncpg.connect(self._dsn)
        try:
            found: int = await connection.fetchval(query)
            return found
        finally:
            await connection.close()


def _ratio(away: Sequence[Sequence[float]], well: Sequence[Sequence[float]]) -> float:
    """Of the p95 of neighbouring rounds, so that a slow second counts on both sides."""
    pairs = zip(away, well, strict=True)
    return round(median([percentile(one, 0.95) / percentile(other, 0.95) for one, other in pairs]), 3)


def _reply(channel: str, number: int) -> ReplyRequested:
    message_id = uuid7()
    if channel == "whatsapp":
        recipient = Sender(type=IDENTIFIER_TYPE_PHONE, value=_number(number % CUSTOMERS), verified=True)
    else:
        recipient = Sender(type=IDENTIFIER_TYPE_EMAIL, value=f"customer-{message_id}@example.com")
    return ReplyRequested(
        message=f"messages/{message_id}",
        conversation=f"conversations/{uuid7()}",
        reference="TKT-7K3Q9V",
        channel=_CHANNELS[channel],
        recipient=recipient,
        subject="Export",
        # What Twilio has of it tells which one it was.
        text=f"{TEXT} {message_id}",
        author=AUTHOR_AGENT,
        create_time=timestamp(datetime.now(UTC)),
    )


def _number(customer: int) -> str:
    # Of the range that is kept for fiction (Ofcom).
    return f"+447700900{customer:03d}"


async def _control(method: str, url: str, content: Mapping[str, Any] | None = None) -> Any:
    def call() -> Any:
        request = urllib.request.Request(url, None if content is None else json.dumps(content).encode(), method=method)
        # Not by an operator's proxy: it is on this machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=CALL_SECONDS_MAX) as answer:
            return json.loads(answer.read())

    return await asyncio.to_thread(call)
