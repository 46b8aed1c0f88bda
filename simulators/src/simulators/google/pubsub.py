"""A Pub/Sub push subscription: announces what is published, and again until it is acknowledged."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from simulators.faults import ON_WEBHOOKS, Faults, Kind, latency_seconds
from simulators.google.oauth import SigningKeys

PUSH = "push"
# How long a push that is to be overtaken waits for the next one.
_REORDER_SECONDS = 5.0
# "Receive push messages" in Pub/Sub's documentation names these as acknowledgements.
_ACKNOWLEDGED = frozenset({102, 200, 201, 202, 204})


@dataclass(frozen=True, slots=True)
class Pushing:
    """Where to push and as whom. Back-off and deadline are Pub/Sub's documented ones; retention is shorter.

    An empty `endpoint` means that nothing is pushed. An empty `audience` means the endpoint, as with Pub/Sub itself.
    """

    endpoint: str = ""
    audience: str = ""
    account: str = "gmail-push@fte-local.iam.gserviceaccount.com"
    subscription: str = "projects/fte-local/subscriptions/gmail-push"
    backoff_min_seconds: float = 0.1
    backoff_max_seconds: float = 60.0
    deadline_seconds: float = 10.0
    retention_seconds: float = 600.0
    outstanding_max: int = 10_000
    concurrent_max: int = 100


@dataclass(slots=True)
class Pushed:
    """One message of the subscription and what became of it. `statuses` are the answers, 0 for no answer at all."""

    message_id: str
    body: bytes
    claims: Mapping[str, Any]
    token: str | None
    published: float
    statuses: list[int] = field(default_factory=list)
    first_answer: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def acknowledged(self) -> bool:
        """Whether the endpoint has taken it."""
        return bool(self.statuses) and self.statuses[-1] in _ACKNOWLEDGED


@dataclass(slots=True)
class Subscription:
    """Pushes each message until it is acknowledged or too old. Must be used within the running event loop."""

    pushing: Pushing
    keys: SigningKeys
    faults: Faults
    clock: Callable[[], float] = time.time
    acknowledged: int = 0
    dropped: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _places: asyncio.Semaphore = field(init=False)
    _overtaken: asyncio.Event = field(default_factory=asyncio.Event)
    _client: httpx.AsyncClient | None = None

    def __post_init__(self) -> None:
        self._places = asyncio.Semaphore(self.pushing.concurrent_max)

    @property
    def outstanding(self) -> int:
        """How many messages wait for their acknowledgement."""
        return len(self._tasks)

    def publish(
        self,
        notice: Mapping[str, Any] | bytes,
        *,
        message_id: str | None = None,
        claims: Mapping[str, Any] | None = None,
        token: str | None = None,
    ) -> Pushed | None:
        """Starts to push a message; None when nothing is pushed anywhere, or too many wait already.

        `notice` is its data. The same `message_id` as before is a redelivery. `claims` and `token` replace those of
        the identity token, or the whole of it; an empty token sends none.
        """
        if not self.pushing.endpoint:
            return None
        if self.outstanding >= self.pushing.outstanding_max:
            self.dropped += 1
            return None
        message_id = message_id or str(10**16 + secrets.randbelow(10**15))
        pushed = Pushed(message_id, self._body(notice, message_id), claims or {}, token, self.clock())
        task = asyncio.create_task(self._deliver(pushed), name=f"push {message_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return pushed

    async def close(self) -> None:
        """Gives up what is not acknowledged."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _deliver(self, pushed: Pushed) -> None:
        striking = self.faults.strike(PUSH, ON_WEBHOOKS)
        await asyncio.sleep(latency_seconds(striking))
        kinds = {fault.kind for fault in striking}
        if Kind.REORDER in kinds:
            self._overtaken.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._overtaken.wait(), _REORDER_SECONDS)
        if Kind.DUPLICATE in kinds:
            await asyncio.gather(self._post(pushed), self._until_acknowledged(pushed))
        else:
            await self._until_acknowledged(pushed)
        self._overtaken.set()

    async def _until_acknowledged(self, pushed: Pushed) -> None:
        started, backoff = time.monotonic(), self.pushing.backoff_min_seconds
        while True:
            async with self._places:
                pushed.statuses.append(await self._post(pushed))
            pushed.first_answer.set()
            if pushed.acknowledged:
                self.acknowledged += 1
                return
            if time.monotonic() - started + backoff > self.pushing.retention_seconds:
                self.dropped += 1
                return
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, self.pushing.backoff_max_seconds)

    async def _post(self, pushed: Pushed) -> int:
        headers = {"Content-Type": "application/json", "User-Agent": "CloudPubSub-Google", "From": "noreply@google.com"}
        token = self._token(pushed) if pushed.token is None else pushed.token
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if self._client is None:
            # trust_env off: a proxy of the machine has no business between two processes on it.
            self._client = httpx.AsyncClient(timeout=self.pushing.deadline_seconds, trust_env=False)
        with contextlib.suppress(httpx.HTTPError, TimeoutError):
            async with asyncio.timeout(self.pushing.deadline_seconds):
                answer = await self._client.post(self.pushing.endpoint, content=pushed.body, headers=headers)
                return answer.status_code
        return 0

    def _token(self, pushed: Pushed) -> str:
        audience = self.pushing.audience or self.pushing.endpoint
        return self.keys.identity_token(audience, self.pushing.account, now=self.clock(), claims=pushed.claims)

    def _body(self, notice: Mapping[str, Any] | bytes, message_id: str) -> bytes:
        content = notice if isinstance(notice, bytes) else json.dumps(notice, separators=(",", ":")).encode()
        published = datetime.fromtimestamp(self.clock(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return json.dumps(
            {
                "message": {
                    "data": base64.b64encode(content).decode(),
                    "messageId": message_id,
                    "message_id": message_id,
                    "publishTime": published,
                    "publish_time": published,
                },
                "subscription": self.pushing.subscription,
            }
        ).encode()
