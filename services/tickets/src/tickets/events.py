"""The facts that the desk publishes, each keyed so that what concerns one customer keeps its order."""

from __future__ import annotations

from fte import topics
from fte.tickets.v1 import tickets_events_pb2
from meshkit.envelope import Event
from meshkit.timestamps import timestamp
from tickets import wire
from tickets.model import Case, IncomingMessage, Message


def message_filed(case: Case, message: Message) -> Event:
    """A customer's message lies here, and the agent owes it an ending."""
    conversation, ticket = case.conversation, case.ticket
    customer = wire.CUSTOMERS.format(conversation.customer_id)
    fact = tickets_events_pb2.MessageFiled(
        message=wire.MESSAGES.format(message.id),
        conversation=wire.CONVERSATIONS.format(conversation.id),
        ticket=wire.TICKETS.format(ticket.id),
        customer=customer,
        conversation_version=conversation.version,
        channel=wire.CHANNEL[conversation.channel],
        file_time=timestamp(message.create_time),
        sender_verified=conversation.sender.verified,
    )
    return Event(topics.MESSAGES.name, customer, fact, subject=fact.conversation)


def reply_requested(case: Case, message: Message) -> Event:
    """Something was said to the customer, and has to reach the sender of the message that it answers."""
    conversation, ticket = case.conversation, case.ticket
    fact = tickets_events_pb2.ReplyRequested(
        message=wire.MESSAGES.format(message.id),
        conversation=wire.CONVERSATIONS.format(conversation.id),
        reference=ticket.reference,
        channel=wire.CHANNEL[conversation.channel],
        recipient=wire.sender(conversation.sender),
        thread=wire.thread(conversation.thread),
        subject=conversation.thread.subject or ticket.subject,
        text=message.text,
        author=wire.AUTHOR[message.author],
        create_time=timestamp(message.create_time),
        sender_verified=conversation.sender.verified,
    )
    return Event(topics.OUTGOING.name, wire.CUSTOMERS.format(conversation.customer_id), fact, subject=fact.conversation)


def apology_requested(key: str, incoming: IncomingMessage, apology: Message) -> Event:
    """An apology for a message that could not be filed, under its own key: its customer may not be known.

    It stands in no conversation of the desk, so the conversation it names is its own alone.
    """
    fact = tickets_events_pb2.ReplyRequested(
        message=wire.MESSAGES.format(apology.id),
        conversation=wire.CONVERSATIONS.format(apology.id),
        reference=incoming.reference,
        channel=wire.CHANNEL[incoming.channel],
        recipient=wire.sender(incoming.sender),
        thread=wire.thread(incoming.thread),
        subject=incoming.subject,
        text=apology.text,
        author=wire.AUTHOR[apology.author],
        create_time=timestamp(apology.create_time),
        sender_verified=incoming.sender.verified,
    )
    return Event(topics.OUTGOING.name, key, fact, subject=fact.message)


def ticket_escalated(case: Case) -> Event:
    """The ticket needs a person. Only for a case that was just escalated."""
    ticket = case.ticket
    assert ticket.escalation is not None
    customer = wire.CUSTOMERS.format(ticket.customer_id)
    fact = tickets_events_pb2.TicketEscalated(
        ticket=wire.TICKETS.format(ticket.id),
        reference=ticket.reference,
        customer=customer,
        reason=wire.REASON[ticket.escalation.reason],
        priority=wire.PRIORITY[ticket.priority],
        channel=wire.CHANNEL[ticket.channel],
        escalate_time=timestamp(ticket.escalation.create_time),
        sender_verified=ticket.sender_verified,
    )
    return Event(topics.ESCALATIONS.name, customer, fact, subject=fact.ticket)
