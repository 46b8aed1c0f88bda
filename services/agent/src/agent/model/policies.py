"""Policies on record, and what another one would have done."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from agent.model.vocabulary import Reason


@dataclass(frozen=True, slots=True)
class RuleSummary:
    """A rule of a policy, as a listing shows it."""

    name: str
    reason: Reason
    languages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PolicyRecord:
    """A policy on record, its rules by rank. `create_time` is None for one that is only being checked.

    `content` is empty in a listing. `active` says that it is in force.
    """

    version: str
    content: str
    rules: tuple[RuleSummary, ...]
    create_time: datetime | None = None
    active: bool = False


@dataclass(frozen=True, slots=True)
class OtherJudgement:
    """A past message that another policy judges otherwise: the reason then and now, None where nobody is called.

    `rules` are those of the other policy that it meets, by rank.
    """

    message_id: uuid.UUID
    before: Reason | None
    after: Reason | None
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DryRun:
    """How many past messages were judged, and those judged otherwise, newest first."""

    judged: int
    differences: tuple[OtherJudgement, ...]
