"""What a service does with one kind of fact."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from meshkit.envelope import Received

if TYPE_CHECKING:
    from meshkit.database import Connection

M = TypeVar("M")
P = TypeVar("P")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription(Generic[M, P]):
    """How a consumer handles one message type of a topic, in two halves.

    `prepare` asks neighbours and models; it holds no transaction and may run again. `apply` then writes the effect and
    publishes what follows from it, in one transaction with the inbox row, and talks to nobody but the database.
    Without `prepare`, `apply` gets None in its place, and events of different keys may share a transaction when there
    is a backlog, up to `batch_max` of them; if one fails, each is applied on its own.

    `message` None takes every record of the topic as bytes, whatever it holds.

    An event that fails is tried `attempts` times, or `neighbour_attempts` (over about a minute) while the reason is a
    neighbour that is away, busy or late; then it goes to `dead_letter_topic`. With None, or on that topic itself, it is
    tried for ever instead: it has nowhere else to go. `on_dead` writes what must still happen, in the same transaction.

    `hold_seconds` says how much longer an event lies once it is its key's turn, as for a burst that may go on.
    What comes after it under the same key waits with it; it takes none of the `concurrency`, and no time of `prepare`.
    """

    topic: str
    message: type[M] | None
    apply: Callable[[Connection, Received[M], P], Awaitable[None]]
    prepare: Callable[[Received[M]], Awaitable[P]] | None = None
    dead_letter_topic: str | None
    on_dead: Callable[[Connection, Received[M]], Awaitable[None]] | None = None
    concurrency: int = 32
    batch_max: int = 64
    hold_seconds: Callable[[Received[M]], float] | None = None
    prepare_timeout_seconds: float = 30.0
    apply_timeout_seconds: float = 10.0
    attempts: int = 5
    neighbour_attempts: int = 10
