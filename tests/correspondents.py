"""Customers who write by mail and by WhatsApp, through the simulators that stand for Gmail and Twilio."""

import itertools
import random
import time
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

Json = dict[str, Any]
T = TypeVar("T")

_NUMBERS = itertools.count(random.SystemRandom().randrange(10_000))


def found(look: Callable[[], T], within_seconds: float = 30) -> T:
    """The first true answer of `look`."""
    ends = time.monotonic() + within_seconds
    while not (answer := look()):
        assert time.monotonic() < ends, f"nothing within {within_seconds} s"
        time.sleep(0.05)  # between two looks
    return answer


class _Provider:
    """A simulator's control API, which stands for the world on the other side of a provider."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()

    def control(self, path: str, body: Any = None) -> Json:
        """Tells the simulator something, which must be understood."""
        answer = self.http.post(f"/_control/{path}", json={} if body is None else body)
        assert answer.status_code == 200, answer.text
        result: Json = answer.json()
        return result

    def shows(self, path: str) -> Json:
        """What the simulator knows."""
        answer = self.http.get(f"/_control/{path}")
        assert answer.status_code == 200, answer.text
        result: Json = answer.json()
        return result

    def fail(self, on: str, kind: str, **how: Any) -> None:
        """Sets a fault."""
        self.control("faults", {"on": on, "kind": kind, **how})

    def heal(self) -> None:
        """No faults any more."""
        assert self.http.delete("/_control/faults").status_code == 200


class Post(_Provider):
    """The world's mail: letters to the company, and what it sent."""

    def write(self, sender: str, subject: str, text: str, **more: Any) -> Json:
        """A mail to the company. Returns the messages as Gmail has them, and how the push was answered."""
        return self.control("inbound", {"from": sender, "subject": subject, "text": text, **more})

    def sent_to(self, address: str) -> list[Json]:
        """What was accepted for this address, oldest first."""
        return [mail for mail in self.shows("sent")["sent"] if address in mail["to"]]


class Phones(_Provider):
    """The world's telephones: messages to the company, and what it sent."""

    def write(self, number: str, body: str, **more: Any) -> Json:
        """A message to the company. Returns its sid and how the webhook was answered."""
        return self.control("inbound", {"from": number, "body": body, **more})

    def sent_to(self, number: str) -> list[Json]:
        """What was accepted for this number, oldest first."""
        return [message for message in self.shows("messages")["messages"] if message["to"] == number]


def some_address() -> str:
    """An address that nobody used before."""
    return f"{uuid.uuid4().hex[:12]}@customer.example"


def some_number() -> str:
    """A number that nobody in this process used before, of a range kept for stories."""
    return f"+1415555{next(_NUMBERS) % 10_000:04}"
