"""The policies on record, and the one in force."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Final

from agent import store
from agent.errors import PolicyError, PolicyExists, PolicyInvalid, PolicyNotFound
from agent.model import PolicyRecord, RuleSummary
from agent.thinking import rules
from agent.thinking.rules import Policy
from meshkit import logs
from meshkit.clock import Clock
from meshkit.database import Database
from meshkit.errors import InvalidArgument

CONTENT_CHARACTERS_MAX: Final = 300_000


class Policies:
    """Keeps policies, and knows the one in force. A run asks once, and keeps what it was given.

    The packaged policy is in force until the database has been asked, and stays so while what stands there cannot be
    read by this version of the program.
    """

    def __init__(self, packaged: Policy, database: Database, clock: Clock) -> None:
        self._packaged = packaged
        self._current = packaged
        self._database = database
        self._clock = clock
        self._seen: str | None = None
        self._looking = asyncio.Lock()

    def current(self) -> Policy:
        """Returns the policy in force now."""
        return self._current

    async def start(self) -> None:
        """Puts the packaged policy on record, and in force when none is; then learns which one is."""
        packaged, now = self._packaged, self._clock.now()
        async with self._database.transaction() as connection:
            if not await store.add_policy(connection, _record(packaged, now)):
                recorded = await store.get_policy(connection, packaged.version)
                if recorded is not None and recorded.content != packaged.content:
                    # Runs on record name this version, so it keeps the meaning it had for them.
                    logs.get().warning("policy.packaged_differs", version=packaged.version)
            await store.put_in_force_first(connection, packaged.version, now)
        await self.look()

    async def look(self) -> None:
        """Learns which policy is in force; one that this version cannot read leaves the one before in its place."""
        # One look at a time: an older answer must never come after a newer one.
        async with self._looking:
            async with self._database.connection() as connection:
                version = await store.version_in_force(connection)
                if version is None or version == self._seen:
                    return
                record = await store.get_policy(connection, version)
            if record is None:
                return
            try:
                self._current = await self._made(record.content, "content")
            except PolicyInvalid as error:
                logs.get().error("policy.unreadable", version=version, error=error)
            else:
                logs.get().info("policy.in_force", version=version)
            # Last: a look that is cut short is made again.
            self._seen = version

    async def create(self, content: str, *, field: str) -> PolicyRecord:
        """Puts a policy on record; the same content again changes nothing. `field` is where the caller wrote it.

        Raises PolicyInvalid, and PolicyExists when its version is on record with other content.
        """
        record = _record(await _parse(content, field), self._clock.now())
        async with self._database.transaction() as connection:
            if await store.add_policy(connection, record):
                return record
            recorded = await store.get_policy(connection, record.version)
        if recorded is None or recorded.content != content:
            raise PolicyExists(record.version)
        return recorded

    async def validate(self, content: str, *, field: str) -> PolicyRecord:
        """Returns the policy as it would be put on record. Raises PolicyInvalid where it would not be."""
        record = _record(await _parse(content, field), None)
        async with self._database.connection() as connection:
            recorded = await store.get_policy(connection, record.version)
        if recorded is None:
            return record
        if recorded.content != content:
            raise PolicyInvalid(
                field, "version: a policy of this version is on record with other content; give a change a new version"
            )
        return recorded

    async def get(self, version: str) -> PolicyRecord:
        """Returns one policy with its content. Raises PolicyNotFound."""
        async with self._database.connection() as connection:
            record = await store.get_policy(connection, version)
        if record is None:
            raise PolicyNotFound(version)
        return record

    async def list(self, after: tuple[datetime, str] | None, limit: int) -> list[PolicyRecord]:
        """Returns up to `limit` policies that come after the given one, newest first, without content."""
        async with self._database.connection() as connection:
            return await store.list_policies(connection, after, limit)

    async def activate(self, version: str) -> PolicyRecord:
        """Puts a policy in force: here at once, in other replicas with their next look.

        Raises PolicyNotFound, and PolicyInvalid for one that only another version of the program could read.
        """
        record = await self.get(version)
        await self._made(record.content, "name")
        async with self._database.transaction() as connection:
            await store.put_in_force(connection, version, self._clock.now())
        await self.look()
        return replace(record, active=True)

    async def chosen(self, version: str, content: str, *, field: str = "policy_content") -> Policy:
        """Returns the policy of that version, or the one in `content`, or, without either, the one in force.

        `field` is where the caller wrote the content. Raises PolicyNotFound, PolicyInvalid, and InvalidArgument when
        both are given.
        """
        if version and content:
            raise InvalidArgument.of("policy", "leave it empty where a policy's content is given")
        if content:
            return await _parse(content, field)
        if version:
            return await self._made((await self.get(version)).content, "policy")
        return self._current

    async def _made(self, content: str, field: str) -> Policy:
        """The policy of a content on record. Its patterns, which take a quarter of a second, may be ready already."""
        for ready in (self._packaged, self._current):
            if ready.content == content:
                return ready
        return await _parse(content, field)


def _record(policy: Policy, create_time: datetime | None) -> PolicyRecord:
    summaries = tuple(RuleSummary(rule.name, rule.reason, rule.languages) for rule in policy.rules)
    return PolicyRecord(policy.version, policy.content, summaries, create_time)


async def _parse(content: str, field: str) -> Policy:
    if len(content) > CONTENT_CHARACTERS_MAX:
        raise PolicyInvalid(
            field, f"it has {len(content)} characters; shorten it to {CONTENT_CHARACTERS_MAX}, or take rules together"
        )
    try:
        # In a thread: a large one takes a tenth of a second, and customers' runs go on meanwhile.
        return await asyncio.to_thread(rules.parse, content, "policy")
    except PolicyError as error:
        # Our own words about an entry and a rule, which hold nothing else.
        raise PolicyInvalid(field, str(error)) from error
    except (ValueError, RecursionError) as error:
        raise PolicyInvalid(
            field, "it cannot be read as TOML: a number is too long or its brackets are nested too deep; mend it there"
        ) from error
