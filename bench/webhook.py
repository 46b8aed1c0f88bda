"""Providers' webhooks accepted and durable at 200 concurrent: channels behind the gateway against a monolith.

WhatsApp: messages that Twilio signed, each of another customer; accepted is one that is filed, with its event in the
outbox. Gmail: Pub/Sub's pushes under one token, each telling of a later change of the mailbox than those before;
accepted is one whose hint is committed. The walk that a push causes goes on beside it in channels, against the
simulated Gmail, which has nothing new to show; the monolith has no walker and is spared that.

The monolith (`bench/baseline/webhooks.py`) runs with as many processes as suit it best, with an outbox, without a proxy
and behind Envoy; `bench/sides.py` says how they take turns. At 100 a second, in an open loop, the mesh is alone.

`mails_filed` is what the walk itself does: mails that lie in the mailbox, from the push that tells of them to the last
one filed, by an API that answers at once and asks for no quota.

    python -m bench webhook
"""

from __future__ import annotations

import asyncio
import http.server
import json
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import asyncpg

from bench import load, sides, stage
from bench.arithmetic import percentiles
from bench.profile import Profile
from bench.requests import GMAIL_PATH, HOST, GmailPushes, Requests, WhatsappMessages
from bench.sides import WORKERS_TRIED, Side
from local.mesh import Mesh
from local.providers import GMAIL_ADDRESS, PUBSUB_SERVICE_ACCOUNT
from simulators.google.oauth import SigningKeys

ROUNDS = 3
WARM_SECONDS = 1.5
ROUND_SECONDS = 4.0
TRIAL_SECONDS = 1.5
STEADY_RATE, STEADY_SECONDS = 100.0, 8.0
MAILS = 400
FILED_SECONDS_MAX = 60.0
TEXTS = (
    "Hi! Can I export my tasks as CSV? We need them for our quarterly report, and the deadline is on Friday.",
    "Since this morning the app says that my session has expired. What can I do?",
)
# What the monolith is told of what channels is told of its providers.
TOLD = (
    "TWILIO_ACCOUNT_SID",
    "TWILIO_AUTH_TOKEN",
    "TWILIO_WHATSAPP_FROM",
    "GMAIL_ADDRESS",
    "PUBSUB_AUDIENCE",
    "PUBSUB_SERVICE_ACCOUNT",
    "PUBSUB_KEYS_URL",
)


def measure(rounds: int = ROUNDS) -> dict[str, Any]:
    """Each channel's figures by side, ratios of throughput, latency at the steady rate, and mails filed a second."""
    keys = SigningKeys()
    with (
        _published(keys) as keys_url,
        stage.mesh(services=("channels",), environment={"PUBSUB_KEYS_URL": keys_url}) as mesh,
    ):
        told = mesh.environment_of("channels")
        requests = _requests(mesh, told, keys)
        mailbox = f"insert into mailboxes values ('{GMAIL_ADDRESS}', 0, 0)"
        rival = _Rival(mesh, sides.prepare_monolith(mesh, mailbox), {name: told[name] for name in TOLD})
        # Before the pushes of the load tell the walker of changes that no history has.
        mails = _file_mails(mesh, requests["gmail"])
        tried = rival.tried(requests)
        best = {channel: max(rates, key=lambda workers: rates[workers]) for channel, rates in tried.items()}
        ours = sides.ours(mesh)
        found: dict[str, Any] = {"throughput_ratio": {}, "at_100_per_second": {}}
        for channel, kind in requests.items():
            with ExitStack() as stack:
                bare = stack.enter_context(rival.running(best[channel]))
                theirs = [bare, stack.enter_context(sides.behind_envoy(mesh, bare))]
                sides.compare([ours, *theirs], kind, rounds=rounds, seconds=ROUND_SECONDS, warm_seconds=WARM_SECONDS)
                found[channel] = {side.name: side.figures("webhook") for side in (ours, *theirs)}
                found["throughput_ratio"][channel] = {other.name: sides.ratio(ours, other) for other in theirs}
            found["at_100_per_second"][channel] = _steady(mesh, kind)
        profiles = {channel: _profile(ours, kind) for channel, kind in requests.items()}
    return {
        **{channel: found.pop(channel) for channel in requests},
        **found,
        "mails_filed": mails,
        "monolith_per_second_by_processes": tried,
        "monolith_processes": best,
        "shares_of_python_time_of_channels": profiles,
    }


class _Rival:
    """The monolith, told of the same providers."""

    def __init__(self, mesh: Mesh, dsn: str, environment: Mapping[str, str]) -> None:
        self._mesh, self._dsn, self._environment = mesh, dsn, environment

    @contextmanager
    def running(self, workers: int) -> Iterator[Side]:
        with sides.monolith(self._mesh, self._dsn, workers, environment=self._environment) as side:
            yield side

    def tried(self, requests: Mapping[str, Requests]) -> dict[str, dict[int, int]]:
        """Webhooks a second of each channel by the number of processes."""
        rates: dict[str, dict[int, int]] = {channel: {} for channel in requests}
        for workers in WORKERS_TRIED:
            with self.running(workers) as side:
                for channel, kind in requests.items():
                    rates[channel][workers] = sides.rate(
                        side, kind, seconds=TRIAL_SECONDS, warm_seconds=WARM_SECONDS / 2
                    )
        return rates


def _requests(mesh: Mesh, told: Mapping[str, str], keys: SigningKeys) -> dict[str, Requests]:
    token = keys.identity_token(mesh.url + GMAIL_PATH, PUBSUB_SERVICE_ACCOUNT, now=time.time(), claims={})
    return {
        "whatsapp": WhatsappMessages(
            told["TWILIO_ACCOUNT_SID"], told["TWILIO_AUTH_TOKEN"], mesh.url, told["TWILIO_WHATSAPP_FROM"], TEXTS
        ),
        "gmail": GmailPushes(f"Bearer {token}", GMAIL_ADDRESS),
    }


def _steady(mesh: Mesh, kind: Requests) -> dict[str, Any]:
    answers = load.opened(
        mesh.ports.gateway, kind, rate=STEADY_RATE, seconds=STEADY_SECONDS, run=f"{time.time_ns()}-steady"
    )
    refused = answers.statuses.total() - answers.accepted
    return {**percentiles(answers.latencies), "accepted": answers.accepted, "refused": refused}


def _profile(ours: Side, kind: Requests) -> dict[str, float]:
    # After the figures were taken: being looked at slows it a little.
    with Profile.taken({"channels": ours.parts["channels"].pid}, ROUND_SECONDS - 1) as profiles:
        ours.turn(kind, 0, ROUND_SECONDS)
    return profiles["channels"]


def _file_mails(mesh: Mesh, push: Requests) -> dict[str, Any]:
    """A mailbox full of mails that no push has told of, and then one push."""
    assert mesh.providers.google_url is not None
    mail = {
        "from": "Ada <ada@example.com>",
        "subject": "Export",
        "text": "Hello,\n\nhow do I export a board as CSV?\n\nThank you\nAda",
        "count": MAILS,
        "push": False,
    }
    dsn = mesh.dsn("channels")
    # The first walk finds out where the mailbox is: what lies in it by then is not read.
    asyncio.run(_until(dsn, "select watch_time is not null and walker is null from mailboxes"))
    _post_json(f"{mesh.providers.google_url}/_control/inbound", mail)
    began = time.time()
    load.opened(mesh.ports.gateway, push, rate=1, seconds=1, run=f"{time.time_ns()}-mails")
    asyncio.run(_until(dsn, f"select count(*) = {MAILS} from inbound where channel = 'email'"))
    last = asyncio.run(_until(dsn, "select extract(epoch from max(receive_time))::float8 from inbound"))
    return {"mails": MAILS, "per_second": round(MAILS / (last - began))}


async def _until(dsn: str, question: str) -> Any:
    """The answer once it is true."""
    connection = await asyncpg.connect(dsn)
    try:
        async with asyncio.timeout(FILED_SECONDS_MAX):
            while True:
                if answer := await connection.fetchval(question):
                    return answer
                await asyncio.sleep(0.2)
    finally:
        await connection.close()


def _post_json(url: str, content: Mapping[str, Any]) -> None:
    # Not by an operator's proxy: it is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, data=json.dumps(content).encode(), timeout=FILED_SECONDS_MAX) as answer:
        answer.read()


@contextmanager
def _published(keys: SigningKeys) -> Iterator[str]:
    """Where the keys can be had that our tokens are signed with: the simulated Google does not give its own away."""

    class Keys(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(keys.published()).encode()
            self.send_response(http.HTTPStatus.OK)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Nothing: the terminal is the bench's."""

    server = http.server.ThreadingHTTPServer((HOST, 0), Keys)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}/keys"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
