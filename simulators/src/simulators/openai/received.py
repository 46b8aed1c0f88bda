"""The requests that came, so that a test can say what left the house."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

REQUESTS_MAX: Final = 2000
BYTES_MAX: Final = 64 * 1024 * 1024
_WITHHELD: Final = frozenset({"authorization", "cookie"})


@dataclass(slots=True)
class Received:
    """One request. `status` is what it was answered with: 0 while it waits, and where the connection was cut."""

    number: int
    operation: str
    headers: Mapping[str, str]
    body: bytes
    time: float = field(default_factory=time.time)
    status: int = 0
    answered_by: str = ""

    def shown(self) -> dict[str, Any]:
        """As JSON, without the key that it was sent with; a body that is no JSON is shown as text."""
        try:
            body = json.loads(self.body) if self.body else None
        except (ValueError, RecursionError):
            body = self.body.decode(errors="replace")
        return {
            "number": self.number,
            "time": self.time,
            "operation": self.operation,
            "headers": {name: value for name, value in self.headers.items() if name not in _WITHHELD},
            "body": body,
            "status": self.status,
            "answeredBy": self.answered_by,
        }


class Requests:
    """The latest requests: a few thousand, and not more than 64 MiB of them."""

    def __init__(self, *, requests_max: int = REQUESTS_MAX, bytes_max: int = BYTES_MAX) -> None:
        self._requests_max = requests_max
        self._bytes_max = bytes_max
        self._kept: deque[Received] = deque()
        self._bytes = 0
        self._count = 0
        self.waiting = 0
        self.waiting_most = 0

    @property
    def count(self) -> int:
        """How many came, since the start or since they were cleared."""
        return self._count

    def keep(self, operation: str, headers: Mapping[str, str], body: bytes) -> Received:
        """Keeps a request, and forgets the oldest ones where there is no room."""
        self._count += 1
        received = Received(self._count, operation, headers, body)
        self._kept.append(received)
        self._bytes += len(body)
        while len(self._kept) > self._requests_max or self._bytes > self._bytes_max:
            self._bytes -= len(self._kept.popleft().body)
        return received

    def began(self) -> None:
        """One more waits for its answer."""
        self.waiting += 1
        self.waiting_most = max(self.waiting_most, self.waiting)

    def ended(self) -> None:
        """One waits no more."""
        self.waiting -= 1

    def shown(self, *, containing: str, limit: int) -> list[dict[str, Any]]:
        """The latest `limit` requests in whose body a text occurs, oldest first."""
        wanted = containing.encode()
        # In JSON the same text may be written in ASCII alone.
        escaped = json.dumps(containing)[1:-1].encode()
        fitting = [one for one in self._kept if wanted in one.body or escaped in one.body]
        return [one.shown() for one in fitting[-limit:]]

    def clear(self) -> int:
        """Forgets them all; how many there were."""
        count, self._count = self._count, 0
        self._kept.clear()
        self._bytes = 0
        self.waiting_most = self.waiting
        return count
