"""Judging past messages by another policy: what it would have done, before it is in force."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final

from agent import store
from agent.clients import Desk
from agent.errors import NeighbourRefused, PolicyInvalid, PolicyNotFound
from agent.model import Author, Conversation, DryRun, OtherJudgement, Reason
from agent.operations.policies import Policies
from agent.thinking.meaning import Meaning
from agent.thinking.rules import Finding, Policy
from meshkit import context
from meshkit.database import Database
from meshkit.errors import DeadlineExceeded, InvalidArgument

MESSAGES_DEFAULT: Final = 200
# Conversations read at once: quick for the caller, and little beside what runs ask of the desk.
_AT_ONCE: Final = 8
# The share of the caller's time that may be spent before it is answered with what there is.
_SHARE_OF_TIME: Final = 0.85


@dataclass(frozen=True, slots=True)
class _Question:
    """A customer's message, with the texts that the rules would have read when it came."""

    message_id: uuid.UUID
    texts: tuple[str, ...]


class DryRuns:
    """Judges past messages by another policy, one dry run at a time in each process."""

    def __init__(self, database: Database, desk: Desk, policies: Policies, meaning: Meaning) -> None:
        self._database = database
        self._desk = desk
        self._policies = policies
        self._meaning = meaning
        self._turn = asyncio.Lock()

    async def dry_run(self, version: str, content: str, limit: int) -> DryRun:
        """Judges customers' newest `limit` messages by the policy of that version, or by the one in `content`.

        Each is held against the policy that judged it then, where that is on record, and else against the one in force.
        When the caller's time runs short, the answer tells of the messages judged until then.
        Raises PolicyNotFound, PolicyInvalid, InvalidArgument without exactly one of the two, and DeadlineExceeded when
        not one message could be judged in time.
        """
        if not (version or content):
            raise InvalidArgument.of("policy", "name a policy on record here, or give another one as content")
        after = await self._policies.chosen(version, content, field="content")
        judged: dict[uuid.UUID, OtherJudgement | None] = {}
        try:
            async with asyncio.timeout(_seconds()) as budget, self._turn:
                earlier = _Earlier(self._policies)
                async for questions in self._questions(limit):
                    async with self._database.connection() as connection:
                        versions = await store.policy_versions_of_messages(
                            connection, [question.message_id for question in questions]
                        )
                    for question in questions:
                        before = await earlier.policy(versions.get(question.message_id))
                        meaning = (await self._meaning.read(question.texts)).reasons
                        judged[question.message_id] = _difference(question, meaning, before, after)
                        # Customers' runs take their turns in between, also where nothing had to be read.
                        await asyncio.sleep(0)
        except TimeoutError as error:
            if not budget.expired():
                raise
            if not judged:
                raise DeadlineExceeded("no message could be judged in time; give the call a longer deadline") from error
        newest_first = sorted((each for each in judged.values() if each is not None), key=_id, reverse=True)
        return DryRun(len(judged), tuple(newest_first))

    async def _questions(self, limit: int) -> AsyncIterator[list[_Question]]:
        left = limit
        async for page in self._desk.conversation_pages(limit):
            for place in range(0, len(page), _AT_ONCE):
                read = await asyncio.gather(*map(self._read, page[place : place + _AT_ONCE]))
                found = [question for conversation in read for question in _asked(conversation)][:left]
                left -= len(found)
                if found:
                    yield found
                if left == 0:
                    return

    async def _read(self, conversation_id: uuid.UUID) -> Conversation | None:
        try:
            return await self._desk.conversation(conversation_id)
        except NeighbourRefused as error:
            # Erased since it was listed.
            if error.facts["reason"] == "CONVERSATION_NOT_FOUND":
                return None
            raise


class _Earlier:
    """The policies that judged past messages, each read once."""

    def __init__(self, policies: Policies) -> None:
        self._policies = policies
        self._current = policies.current()
        self._read: dict[str, Policy] = {self._current.version: self._current}

    async def policy(self, version: str | None) -> Policy:
        """The policy of a version; the one in force where there is none, or it can be read no more."""
        if version is None:
            return self._current
        if version not in self._read:
            try:
                self._read[version] = await self._policies.chosen(version, "")
            except (PolicyNotFound, PolicyInvalid):
                self._read[version] = self._current
        return self._read[version]


def _seconds() -> float | None:
    deadline = context.current().deadline
    return None if deadline is None else max(0.0, deadline - time.monotonic()) * _SHARE_OF_TIME


def _asked(conversation: Conversation | None) -> list[_Question]:
    """The customer's messages, newest first."""
    if conversation is None:
        return []
    questions = []
    for message in reversed(conversation.messages):
        if message.author is not Author.CUSTOMER or message.id is None:
            continue
        asked = conversation.as_asked(message.id)
        if asked is not None:
            questions.append(_Question(message.id, asked.read_by_rules()))
    return questions


def _difference(
    question: _Question, meaning: Mapping[Reason, float], before: Policy, after: Policy
) -> OtherJudgement | None:
    if before.content == after.content:
        return None
    found = after.findings(question.texts, meaning)
    then, now = _reason(before.findings(question.texts, meaning)), _reason(found)
    if then is now:
        return None
    return OtherJudgement(question.message_id, then, now, tuple(finding.rule for finding in found))


def _reason(findings: tuple[Finding, ...]) -> Reason | None:
    return findings[0].reason if findings else None


def _id(judgement: OtherJudgement) -> uuid.UUID:
    # The desk's ids are UUIDv7, in the order in which messages were filed.
    return judgement.message_id
