"""Something is said to a customer, once for each request id, if it may be said at all."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass

from meshkit.database import Connection
from meshkit.ids import uuid7
from tickets import events, store
from tickets.errors import RequestIdReused
from tickets.model import Actor, Author, Case, Citation, Message, TimelineKind
from tickets.operations.desk import Desk, TicketName, happened


@dataclass(frozen=True, slots=True)
class Reply:
    """What to say, and what it answers: `version` is the conversation's, 0 where a person leaves it open."""

    request_id: str
    text: str
    version: int = 0
    citations: tuple[Citation, ...] = ()
    run_id: uuid.UUID | None = None

    def fingerprint(self, case: Case) -> bytes:
        """What makes a repeat the same request."""
        return hashlib.sha256(case.ticket.id.bytes + self.text.encode()).digest()


async def say(desk: Desk, by: Actor, name: TicketName, reply: Reply) -> Message:
    """The message as filed, on its way to the customer; on a repeat of its request id, the first one.

    Raises TicketNotFound, RequestIdReused, and why the case refuses (see `Case.said`).
    """
    async with desk.changing(name) as (connection, case):
        now = desk.clock.now()
        message_id = uuid7()
        fingerprint = reply.fingerprint(case)
        if not await store.claim_request(connection, by.label, reply.request_id, fingerprint, message_id, now):
            return await _said_before(connection, by, reply.request_id, fingerprint)
        case = case.said(by, reply.version, now)
        message = Message(
            id=message_id,
            author=Author.STAFF if by.is_staff else Author.AGENT,
            text=reply.text,
            create_time=now,
            conversation_id=case.conversation.id,
            ticket_id=case.ticket.id,
            sequence=case.conversation.last_sequence,
            citations=reply.citations,
            run_id=None if by.is_staff else reply.run_id,
        )
        await store.save_case(connection, case)
        await store.add_message(connection, message, happened(case, TimelineKind.REPLIED, by, message_id=message.id))
        await desk.outbox.publish(connection, events.reply_requested(case, message))
        return message


async def _said_before(connection: Connection, by: Actor, request_id: str, fingerprint: bytes) -> Message:
    known = await store.find_request(connection, by.label, request_id)
    if known is None or known[0] != fingerprint:
        raise RequestIdReused
    message = await store.find_message(connection, known[1])
    # The request was recorded together with its message, and neither is ever deleted.
    assert message is not None
    return message
