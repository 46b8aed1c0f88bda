"""`make demo`: one question on each channel, as customers would ask them, and the answers, in the terminal."""

import sys
import textwrap
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

import httpx

from local.errors import CannotStart
from local.ports import HOST, Ports

ANSWER_SECONDS = 60.0
LOOK_SECONDS = 0.25
CALL_SECONDS = 20.0
WIDTH = 96


class Unanswered(Exception):
    """A question that could not be asked, or has no answer in time; the message says which, for the terminal."""


@dataclass(frozen=True, slots=True)
class Said:
    """One channel's turn: who asked what, what came back, and after how long. Parts of an answer stand apart."""

    channel: str
    customer: str
    question: str
    answer: tuple[str, ...]
    seconds: float


Look = Callable[[], tuple[str, ...]]
"""The answer so far: empty until there is one."""


def demo(ports: Ports, answer_seconds: float = ANSWER_SECONDS) -> int:
    """Ask on all three channels at once, and print each answer as it comes: 0 when all came in time, else 1.

    Raises `CannotStart` when no mesh runs on these ports.
    """
    gateway = f"http://{HOST}:{ports.gateway}"
    # Not by an operator's proxy: the mesh is on this machine.
    with httpx.Client(timeout=CALL_SECONDS, trust_env=False) as http:
        _require_mesh(http, gateway)
        asks = {
            "Web form": lambda: _ask_by_form(http, gateway, answer_seconds),
            "E-mail": lambda: _ask_by_mail(http, f"http://{HOST}:{ports.google}", answer_seconds),
            "WhatsApp": lambda: _ask_by_whatsapp(http, f"http://{HOST}:{ports.twilio}", answer_seconds),
        }
        return _ask_all(asks)


def _ask_all(asks: Mapping[str, Callable[[], Said]]) -> int:
    unanswered = 0
    with ThreadPoolExecutor(len(asks)) as pool:
        channels = {pool.submit(ask): channel for channel, ask in asks.items()}
        for future in as_completed(channels):
            try:
                print(_shown(future.result()), flush=True)
            except Unanswered as error:
                unanswered += 1
                print(f"{channels[future]}: {error}\n", file=sys.stderr, flush=True)
            except httpx.HTTPError as error:
                unanswered += 1
                print(f"{channels[future]}: the connection failed ({type(error).__name__})\n", file=sys.stderr)
    return 1 if unanswered else 0


def _require_mesh(http: httpx.Client, gateway: str) -> None:
    try:
        http.get(f"{gateway}/api/v1/health")
    except httpx.HTTPError as error:
        raise CannotStart(f"No mesh answers at {gateway}: start one with make up DETACH=1") from error


def _ask_by_form(http: httpx.Client, gateway: str, answer_seconds: float) -> Said:
    question = "How do I create an API key?"
    form = {
        "name": "Ada",
        "email": f"ada-{uuid.uuid4().hex[:8]}@example.com",
        "subject": "API keys",
        "category": "technical",
        "priority": "PRIORITY_MEDIUM",
        "message": question,
    }
    began = time.monotonic()
    ticket = _json(http.post(f"{gateway}/api/v1/support/form", json=form))

    def look() -> tuple[str, ...]:
        shown = _json(
            http.get(
                f"{gateway}/api/v1/tickets/{ticket['reference']}", headers={"X-Status-Token": ticket["statusToken"]}
            )
        )
        return tuple(said["text"] for said in shown.get("messages", []) if said["author"] != "AUTHOR_CUSTOMER")

    answer = _wait(look, answer_seconds)
    return Said("Web form", f"Ada ({ticket['reference']})", question, answer, time.monotonic() - began)


def _ask_by_mail(http: httpx.Client, google: str, answer_seconds: float) -> Said:
    _require_simulator(http, google, "Gmail")
    sender = f"grace-{uuid.uuid4().hex[:8]}@example.com"
    question = "Hello,\n\nI have forgotten my password. How do I reset it?\n\nThank you\nGrace"
    mail = {"from": f"Grace <{sender}>", "subject": "Password", "text": question}
    began = time.monotonic()
    arrived = _json(http.post(f"{google}/_control/inbound", json=mail))
    thread = arrived["messages"][0]["threadId"]

    def look() -> tuple[str, ...]:
        sent = _json(http.get(f"{google}/_control/sent"))["sent"]
        return tuple(f"Subject: {one['subject']}\n\n{one['text']}" for one in sent if one["threadId"] == thread)

    answer = _wait(look, answer_seconds)
    return Said("E-mail", sender, question, answer, time.monotonic() - began)


def _ask_by_whatsapp(http: httpx.Client, twilio: str, answer_seconds: float) -> Said:
    _require_simulator(http, twilio, "WhatsApp")
    # Of the range that is kept for fiction (Ofcom), and another each time: whoever was asked before is known.
    number = f"+447700900{uuid.uuid4().int % 1000:03d}"
    question = "Hi! Can I export my tasks as CSV?"
    began = time.monotonic()
    known = {one["sid"] for one in _json(http.get(f"{twilio}/_control/messages"))["messages"]}
    told = _json(
        http.post(f"{twilio}/_control/inbound", json={"from": number, "body": question, "profileName": "Linus"})
    )
    if told["status"] != 200:
        raise Unanswered(f"the mesh answered {told['status']} to the webhook: see .local/logs/channels.log")

    def look() -> tuple[str, ...]:
        messages = _json(http.get(f"{twilio}/_control/messages"))["messages"]
        ours = [one for one in messages if one["to"] == number and one["sid"] not in known]
        # Parts follow each other: the answer is whole once its last one has been read.
        whole = bool(ours) and all(one["status"] in ("read", "failed", "undelivered") for one in ours)
        return tuple(f"{one['body']}\n[{one['status']}]" for one in ours) if whole else ()

    answer = _wait(look, answer_seconds)
    return Said("WhatsApp", f"Linus ({number})", question, answer, time.monotonic() - began)


def _require_simulator(http: httpx.Client, url: str, channel: str) -> None:
    try:
        http.get(f"{url}/_control/health").raise_for_status()
    except httpx.HTTPError as error:
        raise Unanswered(
            f"no simulator answers at {url}: with credentials of its own, write to {channel} itself"
        ) from error


def _wait(look: Look, seconds: float) -> tuple[str, ...]:
    deadline = time.monotonic() + seconds
    while not (answer := look()):
        if time.monotonic() > deadline:
            raise Unanswered(f'no answer within {seconds:g} s: docs/operating.md, "Replies do not arrive"')
        time.sleep(LOOK_SECONDS)
    return answer


def _json(answer: httpx.Response) -> Any:
    if answer.is_error:
        raise Unanswered(f"{answer.request.url.path} answered {answer.status_code}")
    return answer.json()


def _shown(said: Said) -> str:
    """A channel's turn as it stands in the terminal."""
    lines = [f"━━ {said.channel} ".ljust(WIDTH, "━"), f"{said.customer} asks:", *_quoted(said.question), ""]
    lines.append(f"FTE answers after {said.seconds:.1f} s:")
    for part in said.answer:
        lines += [*_quoted(part), ""]
    return "\n".join(lines)


def _quoted(text: str) -> list[str]:
    lines: list[str] = []
    for line in text.splitlines():
        lines += textwrap.wrap(line, WIDTH - 4) or [""]
    return [f"  │ {line}".rstrip() for line in lines]
