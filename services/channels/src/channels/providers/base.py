"""What every channel can do, and what the operations know of it."""

from __future__ import annotations

from typing import Protocol

from channels.model import Channel, Condition, Outcome, Reply


class Provider(Protocol):
    """A channel's mouth.

    Its ear is as different as the channels are (a form, a signed webhook, a mailbox that is walked), so each provider
    offers functions of its own for that; they all end in a `CustomerMessage`, which is filed in the same way.
    """

    @property
    def channel(self) -> Channel:
        """The channel that this provider serves."""
        ...

    def deliver(self, reply: Reply) -> Outcome:
        """Hands the reply over within our own walls, and says how that ended.

        Called once for each reply, after its delivery is claimed and in the same transaction: nothing may leave the
        house here, which is why it is not a coroutine. What leaves it must be claimed in a transaction of its own
        before, and looked up at the other side before any second attempt.
        """
        ...

    def condition(self) -> Condition:
        """How the channel is, by what is known without asking anybody."""
        ...
