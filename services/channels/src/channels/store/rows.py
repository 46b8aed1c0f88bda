"""Rows and values: what channels keeps, as it stands in its tables."""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeAlias

import asyncpg

from channels.model import (
    NO_THREAD,
    Channel,
    Content,
    Delivery,
    DeliveryKind,
    DeliveryState,
    InboundMessage,
    Part,
    Sender,
    SenderType,
    Suppression,
    Thread,
)
from meshkit import sql

QUERIES = sql.load("channels")
DELIVERY_QUERIES = sql.load("channels", "deliveries.sql")

Position: TypeAlias = tuple[datetime, uuid.UUID]
"""Where a listing goes on: time and id of the last row before."""


def affected(status: str) -> int:
    """How many rows a statement wrote."""
    return int(status.rpartition(" ")[2])


def inbound_message(row: asyncpg.Record) -> InboundMessage:
    """A message that came in."""
    return InboundMessage(
        id=row["id"],
        channel=Channel(row["channel"]),
        provider_message_id=row["provider_message_id"],
        reference=row["reference"],
        sender_verified=row["sender_verified"],
        receive_time=row["receive_time"],
        suppression=row["suppression"] and Suppression(row["suppression"]),
    )


def delivery(row: asyncpg.Record, parts: Sequence[Part]) -> Delivery:
    """A delivery with its parts."""
    return Delivery(
        id=row["id"],
        channel=Channel(row["channel"]),
        kind=DeliveryKind(row["kind"]),
        message_id=row["message_id"],
        conversation_id=row["conversation_id"],
        reference=row["reference"],
        # Who it went to is not known of what was delivered before there were providers; it was no secret then either.
        recipient=row["recipient"]
        and Sender(SenderType(row["recipient_type"]), row["recipient"], row["recipient_name"], verified=False),
        state=DeliveryState(row["state"]),
        provider_message_id=row["provider_message_id"],
        failure_reason=row["failure_reason"],
        thread=thread(row["thread"]),
        sent_thread=thread(row["sent_thread"]),
        due_time=row["due_time"],
        create_time=row["create_time"],
        update_time=row["update_time"],
        parts=tuple(parts),
    )


def delivery_values(delivery: Delivery) -> tuple[Any, ...]:
    """A delivery in the order of the insert."""
    recipient = delivery.recipient
    return (
        delivery.id,
        delivery.channel,
        delivery.kind,
        delivery.message_id,
        delivery.conversation_id,
        delivery.reference,
        delivery.lane,
        recipient and recipient.type,
        recipient and recipient.value,
        recipient and recipient.display_name,
        delivery.state,
        delivery.provider_message_id,
        delivery.failure_reason,
        thread_value(delivery.thread),
        thread_value(delivery.sent_thread),
        delivery.create_time,
        delivery.update_time,
    )


def part(row: asyncpg.Record) -> Part:
    """One message of a delivery."""
    return Part(
        number=row["number"],
        state=DeliveryState(row["state"]),
        content=row["content"] and Content(**json.loads(row["content"])),
        claims=row["claims"],
        attempts=row["attempts"],
        doubts=row["doubts"],
        first_claim_time=row["first_claim_time"],
        provider_message_id=row["provider_message_id"],
        failure_reason=row["failure_reason"],
    )


def content_value(content: Content | None) -> str | None:
    """What is to be sent, as JSON without what is empty."""
    if content is None:
        return None
    return json.dumps({name: value for name, value in dataclasses.asdict(content).items() if value or name == "text"})


def thread(value: str) -> Thread:
    """A thread from its JSON."""
    fields = json.loads(value)
    return Thread(**{**fields, "references": tuple(fields.get("references", ()))}) if fields else NO_THREAD


def thread_value(thread: Thread) -> str:
    """A thread as JSON without what is empty."""
    return json.dumps({name: value for name, value in dataclasses.asdict(thread).items() if value})
