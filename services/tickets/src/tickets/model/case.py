"""What may be done to a ticket, and what that leaves: every rule about states and endings is here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from tickets import errors
from tickets.model.messages import Sender, Thread
from tickets.model.tickets import Conversation, Escalation, Ticket
from tickets.model.vocabulary import Actor, EscalationReason, Priority, TicketState


@dataclass(frozen=True, slots=True)
class Case:
    """A conversation and one of its tickets, which always change together.

    Each verb returns the case as it is afterwards, or raises why it may not be. A verb that finds nothing to do
    returns the very same case, so that asking twice is safe and costs nothing.
    """

    conversation: Conversation
    ticket: Ticket

    @property
    def answer_owed(self) -> bool:
        """Whether the agent owes the newest version its ending: it has had none, and no person has the case."""
        ticket = self.ticket
        at_work = ticket.state in (TicketState.NEW, TicketState.OPEN, TicketState.WAITING_ON_CUSTOMER)
        return at_work and not ticket.assignee and not self.is_answered

    @property
    def is_answered(self) -> bool:
        """Whether the customer's newest version has had its ending."""
        return self.conversation.version == self.conversation.answered_version

    def heard(self, sender: Sender, thread: Thread, now: datetime) -> Case:
        """The customer wrote: an answer is owed again, and what was resolved is open again.

        A person who has the case keeps it. Raises TicketClosed: then the message opens the next ticket (`succeeded`).
        """
        state = self.ticket.state
        if state is TicketState.CLOSED:
            raise errors.TicketClosed
        if state in (TicketState.WAITING_ON_CUSTOMER, TicketState.RESOLVED):
            state = TicketState.OPEN
        sequence = self.conversation.last_sequence + 1
        conversation = replace(
            self.conversation, version=sequence, last_sequence=sequence, sender=sender, thread=thread
        )
        return self._changed(now, conversation, state=state)

    def succeeded(self, ticket: Ticket) -> Case:
        """The same conversation with its next ticket in work, after the one before was closed."""
        return Case(replace(self.conversation, ticket_id=ticket.id), ticket)

    def named_by_burst(self, subject: str) -> Case:
        """A NEW ticket is called by what its customer has written so far; whoever sorts it may know better."""
        if self.ticket.state is not TicketState.NEW:
            return self
        return replace(self, ticket=replace(self.ticket, subject=subject))

    def triaged(self, subject: str, category: str, priority: Priority, now: datetime) -> Case:
        """A NEW ticket is OPEN, with what triage found; empty findings keep the customer's own. Later: no change."""
        ticket = self.ticket
        if ticket.state is not TicketState.NEW:
            return self
        found = replace(
            ticket,
            subject=subject or ticket.subject,
            category=category or ticket.category,
            priority=ticket.priority if priority is Priority.UNSPECIFIED else priority,
        )
        return replace(self, ticket=found)._changed(now, self.conversation, state=TicketState.OPEN)

    def said(self, by: Actor, version: int, now: datetime) -> Case:
        """Something is said to the customer, which ends the newest version.

        A person may say something unless the ticket is closed; one who answers an escalated ticket that nobody has
        takes it over by that, so that the agent stays silent until it is handed back. The agent may reply once to a
        version, to a triaged ticket that no person has.
        """
        ticket = self.ticket
        if ticket.state is TicketState.CLOSED:
            raise errors.TicketClosed
        if by.is_staff:
            self._refuse_if_moved(version or self.conversation.version)
        else:
            self._refuse_unless_agents_turn(version)
        assignee = ticket.assignee
        if by.is_staff and ticket.state is TicketState.ESCALATED:
            assignee = assignee or by.name
        return self._changed(now, self._answered(), state=TicketState.WAITING_ON_CUSTOMER, assignee=assignee)

    def escalated(self, by: Actor, reason: EscalationReason, summary: str, version: int, now: datetime) -> Case:
        """A person gets the case, and the customer is told so, which ends the newest version.

        An escalated ticket stays as it is. A person who has taken the ticket over hands it to colleagues by this.
        """
        ticket = self.ticket
        if ticket.state is TicketState.CLOSED:
            raise errors.TicketClosed
        if ticket.state is TicketState.ESCALATED:
            return self
        if ticket.assignee and not (by.is_staff and by.name == ticket.assignee):
            raise errors.TicketTakenOver
        if by.is_staff:
            self._refuse_if_moved(version or self.conversation.version)
        else:
            self._refuse_if_moved(version)
            self._refuse_if_answered()
        return self._changed(
            now,
            self._answered(),
            state=TicketState.ESCALATED,
            assignee="",
            escalation=Escalation(reason, summary, now),
        )

    def undelivered(self, summary: str, now: datetime) -> Case:
        """A person gets the case because something said did not arrive, or may not have. Nothing is said about it to
        the customer, whom it would not reach either, and what is owed stays owed for when the case is handed back.

        Nothing changes if a person has the case already, or it is closed.
        """
        ticket = self.ticket
        if ticket.assignee or ticket.state in (TicketState.ESCALATED, TicketState.CLOSED):
            return self
        return self._changed(
            now,
            self.conversation,
            state=TicketState.ESCALATED,
            escalation=Escalation(EscalationReason.DELIVERY_FAILED, summary, now),
        )

    def taken_over(self, by: Actor, now: datetime) -> Case:
        """That person answers from now on; nothing changes if they did already."""
        ticket = self.ticket
        if ticket.state is TicketState.CLOSED:
            raise errors.TicketClosed
        if ticket.assignee == by.name:
            return self
        if ticket.assignee:
            raise errors.TicketTakenOver
        return self._changed(now, self.conversation, state=ticket.state, assignee=by.name)

    def handed_back(self, now: datetime) -> Case:
        """The agent may answer again; nothing changes if no person has the ticket. `answer_owed` says what it owes."""
        ticket = self.ticket
        if ticket.state is TicketState.CLOSED:
            raise errors.TicketClosed
        if ticket.state is not TicketState.ESCALATED and not ticket.assignee:
            return self
        state = ticket.state
        if state is TicketState.ESCALATED:
            state = TicketState.WAITING_ON_CUSTOMER if self.is_answered else TicketState.OPEN
        return self._changed(now, self.conversation, state=state, assignee="")

    def resolved(self, now: datetime) -> Case:
        """Done, and nothing is owed; the customer's next message opens it again, for the agent."""
        ticket = self.ticket
        if ticket.state is TicketState.CLOSED:
            raise errors.TicketClosed
        if ticket.state is TicketState.RESOLVED and not ticket.assignee:
            return self
        conversation = replace(self.conversation, answered_version=self.conversation.version)
        return self._changed(now, conversation, state=TicketState.RESOLVED, assignee="")

    def _answered(self) -> Conversation:
        conversation = self.conversation
        return replace(
            conversation, answered_version=conversation.version, last_sequence=conversation.last_sequence + 1
        )

    def _refuse_unless_agents_turn(self, version: int) -> None:
        ticket = self.ticket
        if ticket.state is TicketState.RESOLVED:
            raise errors.TicketResolved
        if ticket.state is TicketState.ESCALATED:
            raise errors.TicketEscalated
        if ticket.assignee:
            raise errors.TicketTakenOver
        if ticket.state is TicketState.NEW:
            raise errors.TicketNotTriaged
        self._refuse_if_moved(version)
        self._refuse_if_answered()

    def _refuse_if_moved(self, version: int) -> None:
        if version != self.conversation.version:
            raise errors.ConversationMoved(self.conversation.version, self.conversation.answered_version)

    def _refuse_if_answered(self) -> None:
        if self.is_answered:
            raise errors.ConversationMoved(self.conversation.version, self.conversation.answered_version)

    def _changed(
        self,
        now: datetime,
        conversation: Conversation,
        *,
        state: TicketState,
        assignee: str | None = None,
        escalation: Escalation | None = None,
    ) -> Case:
        ticket = replace(
            self.ticket,
            state=state,
            assignee=self.ticket.assignee if assignee is None else assignee,
            escalation=escalation or self.ticket.escalation,
            revision=self.ticket.revision + 1,
            update_time=now,
        )
        changed = Case(replace(conversation, update_time=now), ticket)
        owed_since = (conversation.owed_since or now) if changed.answer_owed else None
        return replace(changed, conversation=replace(changed.conversation, owed_since=owed_since))
