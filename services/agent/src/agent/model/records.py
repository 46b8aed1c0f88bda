"""The records of runs: what they did, what their replies stand on, what they cost, and how they would end again."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from agent.model.conversation import Filed
from agent.model.vocabulary import Ending, Outcome, Reason

STEPS_MAX: Final = 50
"""Steps that a run keeps at most, as its contract says."""


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


@dataclass(frozen=True, slots=True)
class DailyCost:
    """One model on one day (UTC): the runs that it answered last, and what was used of it."""

    day: date
    model: str
    runs: int
    usage: Usage


@dataclass(frozen=True, slots=True)
class CostReport:
    """Costs by day and model, newest first, and what they come to; in millionths of a US dollar."""

    days: tuple[DailyCost, ...]
    mean_run_micros: int
    year_micros: int
    daily_budget_micros: int
    spent_today_micros: int


@dataclass(frozen=True, slots=True)
class Terms:
    """How to run again. What is empty stays as it is in force."""

    policy_version: str = ""
    policy_content: str = ""
    instructions: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """How a conversation ends now, and how it did then; `run_id` and `ending_before` are None where none is on record.

    `text_after` is what would be said now, empty where a person would take over or the same is said.
    """

    conversation_id: uuid.UUID
    run_id: uuid.UUID | None
    ending_before: Ending | None
    ending_after: Ending
    reason_before: Reason | None
    reason_after: Reason | None
    passages_lost: tuple[str, ...]
    passages_gained: tuple[str, ...]
    text_after: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many conversations were run again, which of them would end otherwise, and what that took."""

    count: int
    differences: tuple[Difference, ...]
    usage: Usage
