"""Gmail's API by Google's own client library: in threads, paced by quota units, each call within a deadline."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httplib2
from aiolimiter import AsyncLimiter
from google.oauth2 import service_account
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError
from googleapiclient.http import HttpRequest

from channels.model import Condition
from channels.providers.base import Throttled, Unclear, Unreachable
from channels.providers.gmail.transport import Link, NotConnected, ResponseTooLarge
from meshkit.settings import SettingsError

Call = Callable[[Any], HttpRequest]
"""Makes a request of the client library's `users` resource."""

# The least that reads, watches and sends; the delegation grants these and no other.
SCOPES = ("https://www.googleapis.com/auth/gmail.readonly", "https://www.googleapis.com/auth/gmail.send")

_LINKS_MAX = 4
_RATE_REASONS = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "dailyLimitExceeded"})
_BURST_SECONDS = 0.5
_PAUSE_SECONDS = 10.0
_PAUSE_SECONDS_MAX = 3600.0
# Sending is the dearest call there is.
_UNITS_MAX = 100


class Rejected(Exception):
    """Gmail read the request and says no. `status` is HTTP's, `reason` Gmail's word, `text` its explanation."""

    def __init__(self, status: int, reason: str, text: str) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason
        self.text = text


class GmailClient:
    """Calls Gmail as one mailbox, by a service account that acts for it (domain-wide delegation).

    `credentials` is the account's key as JSON, or the path of a file with it. Raises SettingsError at once for one that
    cannot be read. Four calls run at a time; the rest wait for their turn and for quota.
    """

    def __init__(
        self, *, credentials: str, address: str, api_url: str, units_per_second: float, deadline_seconds: float
    ) -> None:
        self._key = _service_account_key(credentials)
        self._address = address
        self._deadline_seconds = deadline_seconds
        # Half a second's worth at once, because what is asked for is not at Gmail at once; but a bucket that is too
        # small for one mail would never let it through.
        period = max(_BURST_SECONDS, _UNITS_MAX / units_per_second)
        self._quota = AsyncLimiter(units_per_second * period, period)
        self._users = build(
            "gmail",
            "v1",
            # Only a placeholder: every request is performed by a link.
            http=httplib2.Http(timeout=deadline_seconds),
            client_options={"api_endpoint": api_url} if api_url else None,
            static_discovery=True,
            cache_discovery=False,
        ).users()
        self._threads = ThreadPoolExecutor(_LINKS_MAX, thread_name_prefix="gmail")
        self._free = asyncio.Semaphore(_LINKS_MAX)
        self._links: list[Link] = []
        self._condition = Condition.OK

    @property
    def condition(self) -> Condition:
        """Well, unless the last request got no sound answer."""
        return self._condition

    async def call(self, call: Call, *, units: int, repeatable: bool = True) -> dict[str, Any]:
        """What Gmail answers. `units` is what the call costs by Gmail's quota page; sending is not `repeatable`.

        Raises Rejected, Throttled, Unreachable; Unclear when the request may have been handled and nobody knows;
        ResponseTooLarge.
        """
        try:
            async with self._free:
                await self._quota.acquire(units)
                answer = await self._performed(call, repeatable=repeatable)
        except (Unreachable, Unclear):
            self._condition = Condition.DEGRADED
            raise
        except (Rejected, Throttled, ResponseTooLarge):
            self._condition = Condition.OK
            raise
        self._condition = Condition.OK
        return answer

    def close(self) -> None:
        """Breaks off what is under way and lets go of threads and connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        while self._links:
            self._links.pop().close()

    async def _performed(self, call: Call, *, repeatable: bool) -> dict[str, Any]:
        link = self._links.pop() if self._links else self._new_link()
        performing = asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: link.perform(call(self._users), repeatable=repeatable)
        )
        sound = False
        try:
            async with asyncio.timeout(self._deadline_seconds):
                answer = await asyncio.shield(performing)
            sound = True
        except HttpError as error:
            sound = True
            raise _refusal(error) from error
        except NotConnected as error:
            raise Unreachable from error
        except ResponseTooLarge as error:
            if repeatable:
                raise
            raise Unclear from error
        except Exception as error:
            # Interrupted, late, no JSON, or what the library stumbles over in an answer that is not Gmail's: the
            # request was sent, and nobody knows what it did.
            raise Unclear from error
        finally:
            if sound:
                self._links.append(link)
            else:
                # Under a thread that still waits, as after the deadline: it must not keep its place.
                link.abort()
                performing.add_done_callback(lambda done: _let_go(done, link))
        if not isinstance(answer, dict):
            raise Unclear
        return answer

    def _new_link(self) -> Link:
        return Link(_credentials(self._key, self._address), timeout_seconds=self._deadline_seconds)


def _credentials(key: dict[str, Any], address: str) -> service_account.Credentials:
    make: Callable[..., service_account.Credentials] = service_account.Credentials.from_service_account_info
    return make(key, scopes=list(SCOPES), subject=address)


def _let_go(done: asyncio.Future[Any], link: Link) -> None:
    if not done.cancelled():
        # Looked at, so that nobody reports it as never retrieved: the caller has had its answer.
        done.exception()
    link.close()


def _refusal(error: HttpError) -> Exception:
    status = int(error.resp.status)
    reason, text = _explained(error.content)
    if status == 429 or (status == 403 and reason in _RATE_REASONS):
        return Throttled(_retry_after(error.resp.get("retry-after", "")))
    if status in (401, 403):
        # A key that expired or a delegation that was withdrawn: every mail would fare alike, so none is given up.
        return Unreachable()
    if status >= 500 or status < 400:
        return Unclear()
    return Rejected(status, reason, text)


def _explained(content: bytes) -> tuple[str, str]:
    """Reason and text of Google's error; empty where it is none, as from a proxy."""
    try:
        error = json.loads(content)["error"]
        reason = error["errors"][0]["reason"] if error.get("errors") else error.get("status", "")
        return str(reason), str(error.get("message", ""))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return "", ""


def _retry_after(value: str) -> float:
    # Its other form is a date, which Gmail does not use.
    seconds = float(value) if value.isascii() and value.isdigit() and len(value) < 10 else _PAUSE_SECONDS
    return min(max(seconds, 1.0), _PAUSE_SECONDS_MAX)


def _service_account_key(credentials: str) -> dict[str, Any]:
    text = credentials
    try:
        if not credentials.lstrip().startswith("{"):
            text = Path(credentials).read_text()
        key = json.loads(text)
        _credentials(key, "")
    except (OSError, ValueError, AttributeError, TypeError):
        # Without the cause: it may quote the key.
        raise SettingsError(
            "GMAIL_CREDENTIALS must be a service account's key as JSON, or the path of a readable file with one"
        ) from None
    return dict(key)
