"""What the desk and the knowledge base tell the agent, and what it tells the desk."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import datetime

from agent.model.vocabulary import Author, Ending, Priority, Reason, TicketState


@dataclass(frozen=True, slots=True)
class Filed:
    """The desk's word that a message waits for an answer; `run_id` is the run that this begins.

    The run has the id of the event: handled again after a crash, it is the same run.
    """

    run_id: uuid.UUID
    message_id: uuid.UUID
    conversation_id: uuid.UUID
    ticket_id: uuid.UUID
    version: int


@dataclass(frozen=True, slots=True)
class Burst:
    """Where people send one question in several short messages, and how long to wait whether another one follows.

    Each message waits for itself, so the newest is answered that long after it came, and those before find that the
    conversation has moved on.
    """

    seconds: float
    channels: frozenset[str] = frozenset({"WHATSAPP"})

    def hold_seconds(self, channel: str, file_time: datetime, now: datetime) -> float:
        """How much longer a message lies before anybody thinks about it: `seconds` at most, whatever the clocks say."""
        if channel not in self.channels:
            return 0.0
        return min(max(0.0, self.seconds - (now - file_time).total_seconds()), self.seconds)


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation; `run_id` is the run that wrote it, None unless the agent did.

    `cited` says that it stands on passages: of what the agent says, only answers do. `id` is the desk's.
    """

    author: Author
    text: str
    run_id: uuid.UUID | None = None
    cited: bool = False
    id: uuid.UUID | None = None
    citations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ticket:
    """The desk's ticket, as far as a run needs it. `category` is empty and `priority` None until somebody chose."""

    id: uuid.UUID
    subject: str
    state: TicketState
    category: str = ""
    priority: Priority | None = None
    sender_verified: bool = False
    taken_over: bool = False
    escalation_reason: Reason | None = None

    @property
    def history_withheld(self) -> bool:
        """Whether the desk will not tell what this customer asked before: an address that anybody could have typed."""
        return not self.sender_verified


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation as the desk had it when it was read, messages oldest first."""

    id: uuid.UUID
    channel: str
    version: int
    answered_version: int
    ticket: Ticket
    messages: tuple[Message, ...]

    def skipped_because(self, filed: Filed) -> str | None:
        """Why this run owes no answer, in one lower-case word; None when it does."""
        if self.version > filed.version or self.ticket.id != filed.ticket_id:
            # The newer message has an event of its own, and its run answers both.
            return "moved"
        if self.answered_version >= filed.version:
            return "answered"
        if self.ticket.taken_over:
            return "taken_over"
        if self.ticket.state in (TicketState.ESCALATED, TicketState.RESOLVED, TicketState.CLOSED):
            return self.ticket.state.lower()
        return None

    def ended_by(self, run_id: uuid.UUID) -> Ending | None:
        """How this very run ended before, when an earlier attempt of it got as far as its command to the desk."""
        for message in self.messages:
            if message.run_id == run_id:
                return Ending.REPLIED if self._is_reply(message) else Ending.ESCALATED
        return None

    def reply_of(self, run_id: uuid.UUID) -> Message | None:
        """The message that a run replied with; None when it did not."""
        said = (message for message in self.messages if message.run_id == run_id)
        return next(filter(self._is_reply, said), None)

    def _is_reply(self, said: Message) -> bool:
        """Whether what a run said was its reply, and not the words by which it handed over to a person."""
        # Kind words that answer thanks stand on no passage either, but nobody has been called.
        return said.cited or self.ticket.escalation_reason is None

    def last_question(self) -> uuid.UUID | None:
        """The customer's newest message; None when there is none."""
        customers = (message.id for message in reversed(self.messages) if message.author is Author.CUSTOMER)
        return next(customers, None)

    def as_asked(self, message_id: uuid.UUID) -> Conversation | None:
        """The conversation as it was when this message had just come; None when it is not among the messages.

        The ticket is open and nobody's again. Its category and priority stay as they are now: what they were is not
        known here.
        """
        place = next((place for place, message in enumerate(self.messages) if message.id == message_id), None)
        if place is None:
            return None
        ticket = replace(self.ticket, state=TicketState.NEW, taken_over=False, escalation_reason=None)
        return replace(self, ticket=ticket, answered_version=0, messages=self.messages[: place + 1])

    def unanswered(self) -> tuple[str, ...]:
        """What the customer has said since anybody last spoke to them, oldest first."""
        texts: list[str] = []
        for message in reversed(self.messages):
            if message.author is not Author.CUSTOMER:
                break
            texts.append(message.text)
        return tuple(reversed(texts))

    def read_by_rules(self) -> tuple[str, ...]:
        """The texts that the rules judge: what is unanswered, and the subject while nobody has answered anything."""
        texts = self.unanswered()
        return (self.ticket.subject, *texts) if len(texts) == len(self.messages) else texts


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of an article that a search found; `score` is how well it fits, from 0 to about 1.

    `question_similarity` is the cosine of what was searched for to the nearest question that this passage is known to
    answer; 0 where none is known.
    """

    name: str
    heading: str
    text: str
    score: float
    question_similarity: float = 0.0


@dataclass(frozen=True, slots=True)
class Findings:
    """What one search found, best first.

    `documented` is how likely the documents answer it at all, from 0 to 1, and `open_question_similarity` its cosine to
    the nearest question of which it is known that they do not; 0.5 and 0 where no such questions are known.
    """

    passages: tuple[Passage, ...]
    documented: float = 0.5
    open_question_similarity: float = 0.0


@dataclass(frozen=True, slots=True)
class Triage:
    """What a ticket is about. Empty or None keeps what the customer chose."""

    subject: str = ""
    category: str = ""
    priority: Priority | None = None


@dataclass(frozen=True, slots=True)
class EarlierTicket:
    """A ticket that the same customer had before."""

    subject: str
    state: TicketState
    category: str
    create_time: datetime


@dataclass(frozen=True, slots=True)
class History:
    """What a customer asked before, newest first; nothing, and `withheld`, when the sender is not verified."""

    tickets: tuple[EarlierTicket, ...]
    withheld: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply for the desk to say; `citations` are the passages it stands on."""

    filed: Filed
    text: str
    citations: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class Escalation:
    """A case for a person: why, what was asked and tried, and what the customer is told."""

    filed: Filed
    reason: Reason
    summary: str
    message: str
