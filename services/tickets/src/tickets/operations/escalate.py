"""A case goes to a person, because somebody says so or because nobody ended it in time; the customer is told."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from meshkit.database import Connection
from meshkit.ids import uuid7
from tickets import events, store
from tickets.model import DESK, Actor, Author, Case, EscalationReason, Message, Ticket, TimelineKind
from tickets.operations.desk import Desk, TicketName, happened

_OVERDUE_SUMMARY = "The customer's message had no ending in time: nobody answered it and nobody escalated it."


@dataclass(frozen=True, slots=True)
class Handover:
    """The case for the person who takes it; `message` is what the customer is told, empty for the desk's own words."""

    reason: EscalationReason
    summary: str
    message: str = ""
    version: int = 0
    run_id: uuid.UUID | None = None


async def escalate(desk: Desk, by: Actor, name: TicketName, handover: Handover) -> Ticket:
    """The ticket, with a person from now on; as it stands if it was escalated before, and then nothing is said.

    Raises TicketNotFound, and why the case refuses (see `Case.escalated`).
    """
    async with desk.changing(name) as (connection, case):
        case = await _hand_over(desk, connection, case, by, handover)
        return case.ticket


async def escalate_overdue(desk: Desk) -> None:
    """Escalates what has been owed an ending for too long, the longest first, one transaction each.

    Any number of replicas may do so at once. One case that fails does not hold up the others: its error is raised at
    the end.
    """
    before = desk.clock.now() - desk.overdue_after
    async with desk.database.connection() as connection:
        overdue = await store.find_overdue(connection, before, desk.overdue_batch_max)
    failures: list[Exception] = []
    for conversation_id in overdue:
        try:
            async with desk.database.transaction() as connection:
                case = await store.claim_overdue(connection, conversation_id, before)
                if case is not None:
                    handover = Handover(
                        EscalationReason.ANSWER_OVERDUE, _OVERDUE_SUMMARY, version=case.conversation.version
                    )
                    await _hand_over(desk, connection, case, DESK, handover)
        except Exception as error:
            failures.append(error)
    if failures:
        raise ExceptionGroup("some overdue cases could not be escalated", failures)


async def _hand_over(desk: Desk, connection: Connection, before: Case, by: Actor, handover: Handover) -> Case:
    case = before.escalated(by, handover.reason, handover.summary, handover.version, desk.clock.now())
    if case is before:
        return before
    message = Message(
        id=uuid7(),
        # Also when a person escalates: these are not that person's own words.
        author=Author.AGENT,
        text=handover.message or desk.escalation_message,
        create_time=case.conversation.update_time,
        conversation_id=case.conversation.id,
        ticket_id=case.ticket.id,
        sequence=case.conversation.last_sequence,
        run_id=None if by.is_staff else handover.run_id,
    )
    await store.save_case(connection, case)
    facts = {"reason": handover.reason.value}
    entry = happened(case, TimelineKind.ESCALATED, by, message_id=message.id, facts=facts)
    await store.add_message(connection, message, entry)
    await desk.outbox.publish(connection, events.reply_requested(case, message))
    await desk.outbox.publish(connection, events.ticket_escalated(case))
    return case
