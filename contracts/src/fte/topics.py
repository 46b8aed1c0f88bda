"""The topics of the mesh: the one table that the code, the docs and the deployment share.

A topic stands here from the day something is published on it, not before.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_DAY_MS: Final = 24 * 60 * 60 * 1000


@dataclass(frozen=True)
class Topic:
    """One topic, and what is known of it.

    `key` says what events are keyed by: all events of one key keep their order. `retention_ms` is how long the broker
    keeps an event.
    """

    name: str
    fact: str
    producer: str
    consumers: tuple[str, ...]
    key: str
    partitions: int = 12
    retention_ms: int = 7 * _DAY_MS


INCOMING: Final = Topic("fte.tickets.incoming", "fte.channels.v1.MessageReceived", "channels", ("tickets",), "sender")
MESSAGES: Final = Topic("fte.tickets.messages", "fte.tickets.v1.MessageFiled", "tickets", ("agent",), "customer")
OUTGOING: Final = Topic("fte.tickets.outgoing", "fte.tickets.v1.ReplyRequested", "tickets", ("channels",), "customer")
DELIVERIES: Final = Topic(
    "fte.channels.deliveries", "fte.channels.v1.DeliveryChanged", "channels", ("tickets",), "conversation"
)
ESCALATIONS: Final = Topic("fte.escalations", "fte.tickets.v1.TicketEscalated", "tickets", (), "customer")
IDENTITY_CHANGES: Final = Topic("fte.identity.changes", "fte.identity.v1.CustomerCreated", "identity", (), "customer")
KNOWLEDGE_CHANGES: Final = Topic(
    "fte.knowledge.changes", "fte.knowledge.v1.ArticlePublished", "knowledge", (), "article"
)
AGENT_METRICS: Final = Topic("fte.metrics.agent", "fte.agent.v1.RunFinished", "agent", (), "run")
# Any event may end here, with its own type: the fact is what the headers say. Kept a month, for people.
DEAD_LETTERS: Final = Topic("fte.tickets.dlq", "*", "*", ("tickets",), "the event's own", retention_ms=30 * _DAY_MS)

TOPICS: Final[Mapping[str, Topic]] = {
    topic.name: topic
    for topic in (
        INCOMING,
        MESSAGES,
        OUTGOING,
        DELIVERIES,
        ESCALATIONS,
        IDENTITY_CHANGES,
        KNOWLEDGE_CHANGES,
        AGENT_METRICS,
        DEAD_LETTERS,
    )
}
"""Every topic, by name."""
