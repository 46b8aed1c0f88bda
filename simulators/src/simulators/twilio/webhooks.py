"""Twilio's requests to its customer: signed, with deadlines, and tried again as the address asks for.

Connection overrides stand in the address's fragment, as Twilio's page on them has it: `rc` retries, under the policy
`rp` (4xx, 5xx, ct, rt or all), the connect, read and total time-outs `ct`, `rt` and `tt` in milliseconds. Without
any, a request is tried once more when no connection came about, and an error that was answered stands.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import uuid
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

CONNECTIONS_MAX = 64
ATTEMPTS_MAX = 10_000
PAUSE_SECONDS = 0.1


def signature(url: str, parameters: Mapping[str, str], auth_token: str) -> str:
    """`X-Twilio-Signature`: HMAC-SHA1 over the address and every parameter, sorted by name; base64.

    The source is Twilio's page on webhook security.
    """
    signed = url + "".join(name + parameters[name] for name in sorted(parameters))
    return base64.b64encode(hmac.digest(auth_token.encode(), signed.encode(), hashlib.sha1)).decode()


@dataclass(frozen=True, slots=True)
class Overrides:
    """How patient a webhook is; times in milliseconds."""

    rc: int
    rp: frozenset[str]
    ct: int
    rt: int
    tt: int

    @classmethod
    def of(cls, fragment: str) -> Overrides:
        """Those that a fragment names; what it does not, or cannot be read, is as Twilio has it without any."""
        named = dict(parse_qsl(fragment))

        def number(name: str, default: int, low: int, high: int) -> int:
            text = named.get(name, "")
            return min(max(int(text), low), high) if text.isascii() and text.isdigit() else default

        return cls(
            rc=number("rc", 1, 0, 5),
            rp=frozenset(named.get("rp", "ct").split(",")),
            ct=number("ct", 5_000, 100, 10_000),
            rt=number("rt", 15_000, 100, 15_000),
            tt=number("tt", 15_000, 100, 15_000),
        )

    def retried(self, outcome: str) -> bool:
        """Whether an attempt that ended so is made again."""
        return outcome in self.rp or (bool(outcome) and "all" in self.rp)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request that was made. `status` is None when no answer came."""

    sid: str
    path: str
    message_status: str
    status: int | None

    def shown(self) -> dict[str, Any]:
        """As the control API shows it."""
        return {"sid": self.sid, "path": self.path, "messageStatus": self.message_status, "status": self.status}


@dataclass(slots=True)
class Webhooks:
    """Makes them. An address under `public_url`, which is what is signed, is reached at `gateway_url`."""

    auth_token: str
    public_url: str
    gateway_url: str
    attempts: deque[Attempt] = field(default_factory=lambda: deque(maxlen=ATTEMPTS_MAX))
    _client: httpx.AsyncClient | None = None

    async def post(self, url: str, parameters: Mapping[str, str]) -> int | None:
        """Tell the address, again and again as it asks for: the last answer's status, None when there was none."""
        address, _, fragment = url.partition("#")
        overrides = Overrides.of(fragment)
        headers = {
            "X-Twilio-Signature": signature(address, parameters, self.auth_token),
            "I-Twilio-Idempotency-Token": str(uuid.uuid4()),
            "User-Agent": "TwilioProxy/1.1",
            # As it arrives in truth, whichever way it is reached here.
            "Host": urlsplit(address).netloc,
        }
        reached = self.gateway_url + address.removeprefix(self.public_url)
        status: int | None = None
        try:
            async with asyncio.timeout(overrides.tt / 1000):
                for number in range(overrides.rc + 1):
                    if number:
                        await asyncio.sleep(PAUSE_SECONDS * 2 ** (number - 1))
                    status, outcome = await self._attempt(reached, parameters, headers, overrides)
                    if not overrides.retried(outcome):
                        break
        except TimeoutError:
            status = None
        return status

    async def _attempt(
        self, url: str, parameters: Mapping[str, str], headers: Mapping[str, str], overrides: Overrides
    ) -> tuple[int | None, str]:
        """The status, and how it ended in the words of the retry policy; empty when it went well."""
        timeout = httpx.Timeout(overrides.rt / 1000, connect=overrides.ct / 1000, pool=None)
        status: int | None = None
        try:
            answer = await self._opened().post(url, data=dict(parameters), headers=headers, timeout=timeout)
            status = answer.status_code
            outcome = "5xx" if status >= 500 else "4xx" if status >= 400 else ""
        except (httpx.ConnectError, httpx.ConnectTimeout):
            outcome = "ct"
        except httpx.HTTPError:
            outcome = "rt"
        self.attempts.append(
            Attempt(parameters.get("MessageSid", ""), urlsplit(url).path, parameters.get("MessageStatus", ""), status)
        )
        return status, outcome

    async def close(self) -> None:
        """End all connections."""
        if self._client is not None:
            await self._client.aclose()

    def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            # Not by an operator's proxy: the mesh is on this machine.
            limits = httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX)
            self._client = httpx.AsyncClient(limits=limits, trust_env=False)
        return self._client
