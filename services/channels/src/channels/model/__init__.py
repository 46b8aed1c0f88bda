"""Messages, promises and deliveries, and the rules they keep. Pure: no wire, no store."""

from channels.model.counts import ChannelCounts, EdgeHealth
from channels.model.deliveries import Delivery, Outcome, Receipt, Reply
from channels.model.messages import (
    ATTACHMENTS_MAX,
    NO_THREAD,
    REFERENCES_MAX,
    Attachment,
    CustomerMessage,
    Heard,
    Hint,
    InboundMessage,
    Thread,
)
from channels.model.senders import Sender, client_network, sender_hash, sender_key
from channels.model.text import NAME_CHARACTERS_MAX, SUBJECT_CHARACTERS_MAX, TEXT_CHARACTERS_MAX, clean, clean_line
from channels.model.vocabulary import (
    Channel,
    Condition,
    DeliveryKind,
    DeliveryState,
    Priority,
    Reachability,
    SenderType,
    Suppression,
)
from channels.model.web import IDEMPOTENCY_KEY_KEPT, Cap, Claim, Form, NextMessage, Promise, Submission, key_hash

__all__ = [
    "ATTACHMENTS_MAX",
    "IDEMPOTENCY_KEY_KEPT",
    "NAME_CHARACTERS_MAX",
    "NO_THREAD",
    "REFERENCES_MAX",
    "SUBJECT_CHARACTERS_MAX",
    "TEXT_CHARACTERS_MAX",
    "Attachment",
    "Cap",
    "Channel",
    "ChannelCounts",
    "Claim",
    "Condition",
    "CustomerMessage",
    "Delivery",
    "DeliveryKind",
    "DeliveryState",
    "EdgeHealth",
    "Form",
    "Heard",
    "Hint",
    "InboundMessage",
    "NextMessage",
    "Outcome",
    "Priority",
    "Promise",
    "Reachability",
    "Receipt",
    "Reply",
    "Sender",
    "SenderType",
    "Submission",
    "Suppression",
    "Thread",
    "clean",
    "clean_line",
    "client_network",
    "key_hash",
    "sender_hash",
    "sender_key",
]
