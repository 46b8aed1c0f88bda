"""Who uses the mesh in journeys and fault tests, by REST: a customer at the form, and a person of the company."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

ANSWERED = "How long is a password reset link valid?"
"""A question that product-docs.md answers: 60 minutes."""
UNANSWERED = "Is there a connector for Power BI that refreshes incrementally?"
"""A question that nothing in context/ answers."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Promise:
    """What a form is answered with."""

    reference: str
    token: str
    url: str

    @property
    def headers(self) -> dict[str, str]:
        return {"X-Status-Token": self.token}


class _Caller:
    def __init__(self, url: str, headers: dict[str, str] | None = None) -> None:
        self.http = httpx.Client(base_url=url, headers=headers, timeout=10)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()


class Customer(_Caller):
    """Fills in the form, and looks at the status page."""

    def form(self, message: str, *, email: str | None = None, **fields: str) -> Json:
        """A form that is right in every field but those given."""
        return {
            "name": "Ada Example",
            "email": email or f"{uuid.uuid4().hex[:12]}@customer.example",
            "subject": message[:80] or "A question",
            "category": "technical",
            "priority": "PRIORITY_MEDIUM",
            "message": message,
            **fields,
        }

    def submit(self, message: str, *, key: str | None = None, **fields: Any) -> Promise:
        """Posts the form, which must be taken."""
        headers = {"Idempotency-Key": key} if key else {}
        answer = self.http.post("/api/v1/support/form", json=self.form(message, **fields), headers=headers)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        return Promise(body["reference"], body["statusToken"], body["statusUrl"])

    def status(self, promise: Promise) -> Json:
        """What the status page shows."""
        answer = self.http.get(f"/api/v1/tickets/{promise.reference}", headers=promise.headers)
        assert answer.status_code == 200, answer.text
        body: Json = answer.json()
        return body

    def write_on(self, promise: Promise, text: str) -> None:
        """Sends the next message from the status page, which must be taken."""
        answer = self.http.post(
            f"/api/v1/tickets/{promise.reference}/messages", json={"text": text}, headers=promise.headers
        )
        assert answer.status_code == 200, answer.text

    def status_when(self, promise: Promise, is_so: Callable[[Json], bool], within_seconds: float = 30) -> Json:
        """The first status for which it is so; like the status page, it looks again after a 503."""
        ends = time.monotonic() + within_seconds
        while True:
            answer = self.http.get(f"/api/v1/tickets/{promise.reference}", headers=promise.headers)
            assert answer.status_code in {200, 503}, answer.text
            status: Json = answer.json()
            if answer.status_code == 200 and is_so(status):
                return status
            assert time.monotonic() < ends, f"not so within {within_seconds} s: {status}"
            time.sleep(0.05)  # between two looks, as the status page does


class Staff(_Caller):
    """A person of the company, with a token."""

    def __init__(self, url: str, token: str) -> None:
        super().__init__(url, {"Authorization": f"Bearer {token}"})

    def get(self, path: str, **query: str | int) -> Json:
        """Reads, which must succeed."""
        answer = self.http.get(f"/api/v1/{path}", params=query)
        assert answer.status_code == 200, answer.text
        body: Json = answer.json()
        return body

    def act(self, path: str, **body: Any) -> Json:
        """Calls a verb, which must succeed."""
        answer = self.http.post(f"/api/v1/{path}", json=body)
        assert answer.status_code == 200, answer.text
        result: Json = answer.json()
        return result


def replies(status: Json) -> list[str]:
    """What we said, oldest first."""
    return [message["text"] for message in status.get("messages", []) if message["author"] != "AUTHOR_CUSTOMER"]


def is_ended(status: Json) -> bool:
    """Whether the customer has been answered, or told that a person has it."""
    return status["state"] in {"TICKET_STATE_WAITING_ON_CUSTOMER", "TICKET_STATE_ESCALATED"} and bool(replies(status))
