"""A provider of the test's own, which keeps its own truth of what it took, and does what a script says.

It stands for somebody else's side: the real ones are tried against simulators in folders of their own.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

from services.channels.tests.conftest import Running

from channels.app import build
from channels.model import Channel, Condition, Content, DeliveryKind, Sender, SenderType, Thread
from channels.providers.base import Accepted, Letter, Parcel, Refused, Throttled, Unclear, Unreachable
from channels.settings import Settings
from fte.channels.v1.message_pb2 import CHANNEL_EMAIL, CHANNEL_WHATSAPP
from fte.channels.v1.message_pb2 import Sender as WireSender
from fte.identity.v1.customer_pb2 import IDENTIFIER_TYPE_EMAIL, IDENTIFIER_TYPE_PHONE
from fte.tickets.v1.tickets_events_pb2 import ReplyRequested
from meshkit.ids import uuid7
from meshkit.timestamps import timestamp

Step = Callable[["Scripted", Parcel], Awaitable[Accepted]]

BOB = "+14155550111"


@dataclass
class Taken:
    """A message that the provider has."""

    id: str
    key: str
    recipient: str
    text: str


@dataclass
class Scripted:
    """Accepts what the script says nothing of. `parts` splits a reply at its line breaks."""

    channel: Channel = Channel.WHATSAPP
    messages_per_second: float = 1000.0
    lists_by_recipient: bool = True
    script: deque[Step] = field(default_factory=deque)
    find_script: deque[Step] = field(default_factory=deque)
    taken: list[Taken] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    looked_up: list[Parcel] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    refuses: Refused | None = None
    well: Condition = Condition.OK
    prefix: str = "SM"

    def condition(self) -> Condition:
        return self.well

    def compose(self, letter: Letter) -> Sequence[Content]:
        self.letters.append(letter)
        if self.refuses is not None:
            raise self.refuses
        if letter.kind is not DeliveryKind.REPLY:
            return [Content(f"{letter.kind} {letter.status_url}", subject=letter.reference)]
        return [Content(line) for line in letter.text.split("\n")]

    async def send(self, parcel: Parcel) -> Accepted:
        self.asked.append(parcel.key)
        step = self.script.popleft() if self.script else accept
        return await step(self, parcel)

    async def find(self, parcel: Parcel) -> Accepted | None:
        self.looked_up.append(parcel)
        if self.find_script:
            return await self.find_script.popleft()(self, parcel)
        found = next((each for each in self.taken if each.key == parcel.key), None)
        return None if found is None else self.answer(found)

    def take(self, parcel: Parcel) -> Taken:
        """Keeps the message, as a provider does before it answers."""
        taken = Taken(f"{self.prefix}{len(self.taken) + 1}", parcel.key, parcel.recipient.value, parcel.content.text)
        self.taken.append(taken)
        return taken

    def answer(self, taken: Taken) -> Accepted:
        """How it says that it has a message."""
        if self.channel is Channel.WHATSAPP:
            return Accepted(taken.id)
        return Accepted(taken.id, thread=Thread(f"thread-{taken.id}", f"<{taken.id}@mail.test>"))

    def texts(self) -> list[str]:
        """What it has, in the order in which it came."""
        return [each.text for each in self.taken]

    def doubled(self) -> int:
        """How many messages it has more than once."""
        return sum(count - 1 for count in Counter(each.key for each in self.taken).values())


async def accept(provider: Scripted, parcel: Parcel) -> Accepted:
    return provider.answer(provider.take(parcel))


async def accept_then_reset(provider: Scripted, parcel: Parcel) -> Accepted:
    provider.take(parcel)
    raise Unclear


async def reset(provider: Scripted, parcel: Parcel) -> Accepted:
    raise Unclear


async def cannot_be_reached(provider: Scripted, parcel: Parcel) -> Accepted:
    raise Unreachable


async def accept_then_hang(provider: Scripted, parcel: Parcel) -> Accepted:
    provider.take(parcel)
    return await hang(provider, parcel)


async def hang(provider: Scripted, parcel: Parcel) -> Accepted:
    await asyncio.get_running_loop().create_future()
    raise AssertionError


def throttle(seconds: float) -> Step:
    async def step(provider: Scripted, parcel: Parcel) -> Accepted:
        raise Throttled(seconds)

    return step


def refuse(refused: Refused) -> Step:
    async def step(provider: Scripted, parcel: Parcel) -> Accepted:
        raise refused

    return step


def reply(channels: Running, text: str = "Like so.", *, to: str = BOB, conversation: str = "") -> ReplyRequested:
    """What the desk says to a customer, on WhatsApp to a number and by e-mail to an address."""
    is_mail = "@" in to
    return ReplyRequested(
        message=f"messages/{uuid7()}",
        conversation=conversation or f"conversations/{uuid7()}",
        reference="TKT-7K3Q9V",
        channel=CHANNEL_EMAIL if is_mail else CHANNEL_WHATSAPP,
        recipient=WireSender(type=IDENTIFIER_TYPE_EMAIL if is_mail else IDENTIFIER_TYPE_PHONE, value=to, verified=True),
        subject="Export",
        text=text,
        create_time=timestamp(channels.clock.now()),
    )


def sender(value: str = BOB, *, verified: bool = True) -> Sender:
    """Whoever writes from this number or address."""
    return Sender(SenderType.EMAIL if "@" in value else SenderType.PHONE, value, "Bob", verified=verified)


@asynccontextmanager
async def dispatching(channels: Running) -> AsyncIterator[asyncio.Task[None]]:
    """The first worker at work, which is the dispatcher of the only provider; cancelling the task is its death."""
    worker = channels.service.workers[0]
    task = asyncio.create_task(worker.run())
    try:
        yield task
    finally:
        if not task.done():
            worker.stop()
            await asyncio.wait([task], timeout=2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def replica(channels: Running, provider: Scripted) -> AsyncIterator[Running]:
    """Another process of channels on the same database."""
    service = build(cast(Settings, channels.service.settings), channels.clock, [provider])
    await service.database.open()
    try:
        yield Running(service, channels.server, channels.clock)
    finally:
        await service.database.close()
