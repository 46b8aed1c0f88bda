"""How the edge is, and what went through it."""

from __future__ import annotations

import dataclasses

from channels.model.vocabulary import Channel, Condition


@dataclasses.dataclass(frozen=True, slots=True)
class ChannelCounts:
    """What went through one channel in a window of time."""

    channel: Channel
    received: int = 0
    deliveries: int = 0
    sent: int = 0
    failed: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class EdgeHealth:
    """Whether messages are taken, and how each part is."""

    status: Condition
    checks: dict[str, Condition]
