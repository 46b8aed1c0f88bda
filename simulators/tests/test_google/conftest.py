"""A simulated Google on a free port, the real client libraries that talk to it, and an endpoint for its pushes."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import google_auth_httplib2
import httplib2
import httpx
import pytest
from google.oauth2 import service_account
from googleapiclient import discovery

from simulators.google import Config, Pushing, ServiceAccount, app
from simulators.serving import running

ADDRESS = "support@techcorp.example"
AUDIENCE = "https://fte.example/gmail"
PUSH_ACCOUNT = "pusher@fte-local.iam.gserviceaccount.com"
DEADLINE_SECONDS = 10.0
# A key takes a while to make: all tests share one.
ACCOUNT = ServiceAccount.new()


@dataclass
class Endpoint:
    """What a subscription pushes to: keeps each request, and answers with the next of `answers`, then 204."""

    answers: list[int] = field(default_factory=list)
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    url: str = ""

    def wait_for(self, count: int) -> list[tuple[dict[str, str], bytes]]:
        """The requests, once there are so many."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.requests) >= count, DEADLINE_SECONDS), self.requests
            return list(self.requests)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    state = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with state.changed:
                state.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
                status = state.answers.pop(0) if state.answers else 204
                state.changed.notify_all()
            self.send_response(status)
            self.end_headers()

        def log_message(self, *args: Any, **kwargs: Any) -> None:
            """Nothing: a test says what went wrong."""

    class Server(ThreadingHTTPServer):
        # Many pushes come at once; past the queue's end a connection is tried again a second later.
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        state.url = f"http://127.0.0.1:{server.server_port}/push"
        yield state
        server.shutdown()


@dataclass
class Google:
    """The simulator's address, with its control API and the real Gmail client."""

    url: str

    def control(self, path: str, body: dict[str, Any] | None = None, *, method: str = "POST") -> dict[str, Any]:
        answer = httpx.request(method, f"{self.url}/_control/{path}", json=body, timeout=30)
        assert answer.status_code == 200, answer.text
        content: dict[str, Any] = answer.json()
        return content

    def sent(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control("sent", method="GET")["sent"]
        return found

    def credentials(self, *scopes: str, subject: str | None = ADDRESS) -> Any:
        return service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call] # google-auth's own
            ACCOUNT.key_file(f"{self.url}/token"),
            scopes=scopes or ["https://www.googleapis.com/auth/gmail.modify"],
            subject=subject,
        )

    def gmail(self, *scopes: str, subject: str | None = ADDRESS) -> Any:
        """`users()` of the Gmail API, as google-api-python-client offers it."""
        http = google_auth_httplib2.AuthorizedHttp(
            self.credentials(*scopes, subject=subject), http=httplib2.Http(timeout=DEADLINE_SECONDS)
        )
        client = discovery.build(
            "gmail", "v1", http=http, static_discovery=True, client_options={"api_endpoint": self.url}
        )
        return client.users()


@pytest.fixture
def start() -> Iterator[Callable[..., Google]]:
    """Starts simulators: `start(units_per_second=…)`, and what else `Config` takes."""
    stack: list[Any] = []

    def started(**options: Any) -> Google:
        served = running(app(Config(address=ADDRESS, service_account=ACCOUNT, **options)))
        stack.append(served)
        return Google(served.__enter__())

    yield started
    for served in reversed(stack):
        served.__exit__(None, None, None)


@pytest.fixture
def google(start: Callable[..., Google], endpoint: Endpoint) -> Google:
    """A simulator that pushes to `endpoint`."""
    return start(pushing=Pushing(endpoint.url, AUDIENCE, PUSH_ACCOUNT, backoff_min_seconds=0.01))
