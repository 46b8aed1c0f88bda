"""What the agent knows and decides, without any transport: conversations, runs, and which tool may be used when."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

STEPS_MAX: Final = 50
"""Steps that a run keeps at most, as its contract says."""


class Ending(StrEnum):
    """The ways a run can end."""

    REPLIED = "REPLIED"
    ESCALATED = "ESCALATED"
    SKIPPED = "SKIPPED"


class Reason(StrEnum):
    """Why a person has to take over; the names of the desk's contract."""

    PRICING_NEGOTIATION = "PRICING_NEGOTIATION"
    REFUND_REQUEST = "REFUND_REQUEST"
    LEGAL = "LEGAL"
    HUMAN_REQUESTED = "HUMAN_REQUESTED"
    PROFANITY = "PROFANITY"
    ANGRY = "ANGRY"
    NEGATIVE_SENTIMENT = "NEGATIVE_SENTIMENT"
    NO_ANSWER_FOUND = "NO_ANSWER_FOUND"
    ANSWER_UNSUPPORTED = "ANSWER_UNSUPPORTED"
    ANSWER_OVERDUE = "ANSWER_OVERDUE"
    AGENT_FAILED = "AGENT_FAILED"
    LANGUAGE = "LANGUAGE"
    STAFF_DECISION = "STAFF_DECISION"
    DELIVERY_FAILED = "DELIVERY_FAILED"
    OTHER = "OTHER"


class Priority(StrEnum):
    """How urgent the desk takes a ticket to be."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"


class TicketState(StrEnum):
    """Where a ticket stands."""

    NEW = "NEW"
    OPEN = "OPEN"
    WAITING_ON_CUSTOMER = "WAITING_ON_CUSTOMER"
    ESCALATED = "ESCALATED"
    RESOLVED = "RESOLVED"
    CLOSED = "CLOSED"


class Author(StrEnum):
    """Who wrote a message."""

    CUSTOMER = "CUSTOMER"
    AGENT = "AGENT"
    STAFF = "STAFF"


class Tool(StrEnum):
    """The five tools, by the names that the model sees."""

    CREATE_TICKET = "create_ticket"
    GET_CUSTOMER_HISTORY = "get_customer_history"
    SEARCH_KNOWLEDGE_BASE = "search_knowledge_base"
    SEND_RESPONSE = "send_response"
    ESCALATE_TO_HUMAN = "escalate_to_human"


class Outcome(StrEnum):
    """What came of a step."""

    OK = "ok"
    # Not its turn: it had no effect.
    REFUSED = "refused"
    # Its turn, but its arguments broke a rule: it had no effect either.
    REJECTED = "rejected"
    FAILED = "failed"


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

    `cited` says that it stands on passages: of what the agent says, only replies do. `id` is the desk's.
    """

    author: Author
    text: str
    run_id: uuid.UUID | None = None
    cited: bool = False
    id: uuid.UUID | None = None


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
                return Ending.REPLIED if message.cited else Ending.ESCALATED
        return None

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
    """A part of an article that a search found; `score` is how well it fits, from 0 to about 1."""

    name: str
    heading: str
    text: str
    score: float


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


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of a reply, and what it stands on.

    `passage` is the passage's name, empty for kind words that state nothing. `quote` are the passage's own words that
    the sentence was checked against, empty where it stands on all of it.
    """

    text: str
    passage: str = ""
    heading: str = ""
    quote: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a model was asked, read and wrote, in tokens, and what that cost, in millionths of a US dollar."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_micros: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.requests + other.requests,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cost_micros + other.cost_micros,
        )


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a tool, or one decision of a guard. By reference: `facts` hold no customer's words."""

    name: str
    outcome: Outcome
    facts: Mapping[str, str]
    duration_ms: float


@dataclass(frozen=True, slots=True)
class Run:
    """The record of one run. `model` is empty when none was asked; `reason` is None unless it escalated.

    `usages` are by model, without the local one, which costs nothing. `reply_id` is the desk's message that a reply
    became, and `sentences` are that reply's.
    """

    filed: Filed
    ending: Ending
    reason: Reason | None
    model: str
    policy_version: str
    instructions_version: str
    start_time: datetime
    end_time: datetime
    steps: tuple[Step, ...] = ()
    usages: Mapping[str, Usage] = field(default_factory=dict)
    reply_id: uuid.UUID | None = None
    sentences: tuple[Sentence, ...] = ()

    @property
    def usage(self) -> Usage:
        """What all its models used."""
        return sum(self.usages.values(), Usage())


@dataclass(slots=True)
class Progress:
    """How far a run has come, and therefore what it may do next: the one authority that every guard asks."""

    searches_max: int = 2
    triaged: bool = False
    history_read: bool = False
    searches: int = 0
    passages: dict[str, Passage] = field(default_factory=dict)
    must_escalate: Reason | None = None
    ending: Ending | None = None
    reason: Reason | None = None
    stopped: bool = False

    @property
    def over(self) -> bool:
        """Whether nothing more may be done: it has its ending, or was stopped without one."""
        return self.stopped or self.ending is not None

    def allowed(self) -> frozenset[Tool]:
        """The tools whose turn it is now."""
        if self.over:
            return frozenset()
        if not self.triaged:
            return frozenset({Tool.CREATE_TICKET})
        if self.must_escalate is not None:
            return frozenset({Tool.ESCALATE_TO_HUMAN})
        tools = {Tool.ESCALATE_TO_HUMAN}
        if not self.history_read:
            tools.add(Tool.GET_CUSTOMER_HISTORY)
        elif self.searches < self.searches_max:
            tools.add(Tool.SEARCH_KNOWLEDGE_BASE)
        if self.passages:
            tools.add(Tool.SEND_RESPONSE)
        return frozenset(tools)

    def found(self, passages: tuple[Passage, ...]) -> None:
        """Keeps what a search found. The last search that leaves nothing to answer from calls for a person."""
        for passage in passages:
            known = self.passages.get(passage.name)
            if known is None or passage.score > known.score:
                self.passages[passage.name] = passage
        if not self.passages and self.searches >= self.searches_max:
            self.must_escalate = Reason.NO_ANSWER_FOUND
