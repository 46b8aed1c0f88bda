"""The simulated Twilio answers Twilio's own client library, and its webhooks pass Twilio's own validator."""

import base64
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from simulators import twilio
from simulators.serving import running

ACCOUNT, TOKEN, TEMPLATE = "AC" + "1" * 32, "a-token", "HX" + "2" * 32
PUBLIC = "https://support.example.com"
CALLBACK = f"{PUBLIC}/api/v1/webhooks/whatsapp/status"
ADA = "+4915112345678"


class Mesh:
    """Stands where the mesh does: takes webhooks, and answers as it is told to."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], dict[str, str]]] = []
        self.answers: list[int] = []
        self.url = ""

    async def take(self, request: Request) -> Response:
        parameters = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        self.requests.append((request.url.path, parameters, dict(request.headers)))
        return Response(status_code=self.answers.pop(0) if self.answers else 200)

    def heard(self, sid: str) -> list[str]:
        """The statuses of a message that were told, in order."""
        return [told["MessageStatus"] for _, told, _ in self.requests if told.get("MessageSid") == sid]


class Redirected(TwilioHttpClient):  # type: ignore[misc] # published without types
    """Twilio's HTTP client, for another address."""

    def __init__(self, url: str) -> None:
        super().__init__(timeout=5)
        self._url = url

    def request(self, method: str, url: str, *arguments: Any, **named: Any) -> Any:
        return super().request(method, url.replace("https://api.twilio.com", self._url), *arguments, **named)


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    mesh = Mesh()
    with running(Starlette(routes=[Route("/{path:path}", mesh.take, methods=["POST"])])) as url:
        mesh.url = url
        yield mesh


@pytest.fixture(scope="module")
def url(mesh: Mesh) -> Iterator[str]:
    config = twilio.Config(
        account_sid=ACCOUNT,
        auth_token=TOKEN,
        public_url=PUBLIC,
        gateway_url=mesh.url,
        templates={TEMPLATE: "On {{1}} we have an answer: {{2}}"},
        step_seconds=0.01,
    )
    with running(twilio.app(config)) as address:
        yield address


@pytest.fixture
def control(url: str, mesh: Mesh) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{url}/_control/", timeout=10) as client:
        client.delete("faults")
        client.delete("messages")
        mesh.requests.clear()
        mesh.answers.clear()
        yield client


@pytest.fixture
def client(url: str, control: httpx.Client) -> Client:
    return Client(ACCOUNT, TOKEN, http_client=Redirected(url))


def say(control: httpx.Client, body: str = "Hello", sender: str = ADA, **more: object) -> dict[str, Any]:
    answer = control.post("inbound", json={"from": sender, "body": body, **more})
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


def send(client: Client, to: str = ADA, **more: Any) -> Any:
    said = {"body": "Good day"} | more
    return client.messages.create(to=f"whatsapp:{to}", from_="whatsapp:+14155550100", status_callback=CALLBACK, **said)


def until(condition: Callable[[], bool], seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.005)


def refused_with(call: Callable[[], object]) -> tuple[int, int]:
    with pytest.raises(TwilioRestException) as caught:
        call()
    return caught.value.status, caught.value.code


def test_a_message_is_taken_and_told_of_until_it_is_read(client: Client, control: httpx.Client, mesh: Mesh) -> None:
    say(control)
    message = send(client)
    assert (message.status, message.direction, message.body) == ("queued", "outbound-api", "Good day")
    until(lambda: mesh.heard(message.sid) == ["queued", "sent", "delivered", "read"])
    assert client.messages(message.sid).fetch().status == "read"
    truth = control.get("messages").json()["messages"]
    assert [(one["sid"], one["to"], one["body"], one["status"]) for one in truth] == [
        (message.sid, ADA, "Good day", "read")
    ]


def test_every_webhook_passes_twilios_own_validator(client: Client, control: httpx.Client, mesh: Mesh) -> None:
    say(control, body="100 % + ünïcode & more", profileName="Ada L.")
    message = send(client)
    until(lambda: len(mesh.heard(message.sid)) == 4)
    validator = RequestValidator(TOKEN)
    for path, parameters, headers in mesh.requests:
        assert validator.validate(PUBLIC + path, parameters, headers["x-twilio-signature"])
        assert not RequestValidator("another").validate(PUBLIC + path, parameters, headers["x-twilio-signature"])
        assert headers["host"] == "support.example.com"


def test_an_inbound_message_carries_what_twilio_sends(control: httpx.Client, mesh: Mesh) -> None:
    answer = say(control, body="Hi", profileName="Ada", latitude=52.5, longitude=13.4, label="Here")
    path, told, _ = mesh.requests[0]
    assert (path, answer["status"]) == ("/api/v1/webhooks/whatsapp", 200)
    assert told["MessageSid"] == told["SmsMessageSid"] == answer["sid"]
    assert (told["From"], told["WaId"], told["To"]) == (f"whatsapp:{ADA}", ADA[1:], "whatsapp:+14155550100")
    assert (told["AccountSid"], told["Body"], told["ProfileName"], told["NumMedia"]) == (ACCOUNT, "Hi", "Ada", "0")
    assert (told["MessageType"], told["Latitude"], told["Longitude"], told["Label"]) == (
        "location",
        "52.5",
        "13.4",
        "Here",
    )


def test_the_tests_may_change_what_twilio_would_send(control: httpx.Client, mesh: Mesh) -> None:
    say(control, messageSid="SM" + "a" * 32, parameters={"AccountSid": "AC" + "9" * 32, "NumMedia": None})
    told = mesh.requests[0][1]
    assert (told["MessageSid"], told["AccountSid"]) == ("SM" + "a" * 32, "AC" + "9" * 32)
    assert "NumMedia" not in told


def test_media_are_served_to_the_account_alone(client: Client, control: httpx.Client, mesh: Mesh) -> None:
    content = b"a picture"
    answer = say(control, body="", media=[{"contentType": "image/png", "content": base64.b64encode(content).decode()}])
    told = mesh.requests[0][1]
    assert (told["NumMedia"], told["MediaContentType0"], told["MessageType"]) == ("1", "image/png", "image")
    assert httpx.get(told["MediaUrl0"]).status_code == 401
    served = httpx.get(told["MediaUrl0"], auth=(ACCOUNT, TOKEN))
    assert (served.content, served.headers["content-type"]) == (content, "image/png")
    assert [media.content_type for media in client.messages(answer["sid"]).media.list()] == ["image/png"]


def test_media_elsewhere_keep_their_address(control: httpx.Client, mesh: Mesh) -> None:
    say(control, mediaUrls=["https://example.com/a.jpg"])
    told = mesh.requests[0][1]
    assert (told["MediaUrl0"], told["MediaContentType0"]) == ("https://example.com/a.jpg", "image/jpeg")


def test_outside_the_window_free_text_fails_and_a_template_arrives(
    client: Client, control: httpx.Client, mesh: Mesh
) -> None:
    say(control)
    control.post("window", json={"number": ADA, "secondsAgo": 24 * 3600 + 1})
    message = send(client)
    until(lambda: mesh.heard(message.sid) == ["queued", "failed"])
    assert mesh.requests[-1][1]["ErrorCode"] == "63016"
    assert client.messages(message.sid).fetch().error_code == 63016
    templated = send(client, body=None, content_sid=TEMPLATE, content_variables='{"1": "TKT-1", "2": "Yes."}')
    assert templated.body == "On TKT-1 we have an answer: Yes."
    until(lambda: mesh.heard(templated.sid)[-1:] == ["read"])


def test_a_message_that_was_written_a_day_ago_opens_no_window(client: Client, control: httpx.Client) -> None:
    sid = say(control, ageSeconds=25 * 3600)["sid"]
    created = client.messages(sid).fetch().date_created
    assert created < datetime.now(UTC) - timedelta(hours=24)
    message = send(client)
    until(lambda: client.messages(message.sid).fetch().status == "failed")


def test_after_stop_nothing_is_taken_until_start(client: Client, control: httpx.Client, mesh: Mesh) -> None:
    say(control, body=" Stop ")
    assert mesh.requests[-1][1]["OptOutType"] == "STOP"
    assert refused_with(lambda: send(client)) == (400, 21610)
    assert control.get("messages").json() == {
        "messages": [],
        "refused": [{"to": ADA, "code": 21610, "status": 400}],
    }
    say(control, body="START")
    assert mesh.requests[-1][1]["OptOutType"] == "START"
    assert send(client).status == "queued"


def test_stop_within_a_sentence_is_a_word(control: httpx.Client, mesh: Mesh) -> None:
    say(control, body="Please stop the subscription")
    assert "OptOutType" not in mesh.requests[-1][1]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"to": "+1"}, 21211),
        ({"to": "not-a-number"}, 21211),
        ({"body": None}, 21602),
        ({"body": "x" * 1601}, 21617),
        ({"body": None, "content_sid": "HX" + "0" * 32}, 21655),
        ({"body": None, "content_sid": TEMPLATE, "content_variables": '{"1": "only one"}'}, 21656),
        ({"body": None, "content_sid": TEMPLATE, "content_variables": "[]"}, 21656),
    ],
)
def test_what_twilio_does_not_take_has_its_code(client: Client, more: dict[str, Any], code: int) -> None:
    assert refused_with(lambda: send(client, **more)) == (400, code)


def test_another_sender_is_no_channel_of_the_account(client: Client) -> None:
    call = lambda: client.messages.create(to=f"whatsapp:{ADA}", from_="whatsapp:+14155550199", body="x")  # noqa: E731 - one line reads better
    assert refused_with(call) == (400, 63007)


def test_a_wrong_token_signs_nobody_in(url: str, control: httpx.Client) -> None:
    assert refused_with(lambda: send(Client(ACCOUNT, "wrong", http_client=Redirected(url)))) == (401, 20003)


def test_an_unknown_message_is_not_found(client: Client) -> None:
    assert refused_with(lambda: client.messages("SM" + "0" * 32).fetch()) == (404, 20404)


def test_a_list_has_every_page_newest_first(client: Client, control: httpx.Client) -> None:
    say(control)
    sids = [send(client, body=f"Number {number}").sid for number in range(7)]
    send(client, to="+4915187654321")
    listed = client.messages.list(to=f"whatsapp:{ADA}", page_size=3)
    assert [message.sid for message in listed] == sids[::-1]
    assert len(client.messages.list(from_=f"whatsapp:{ADA}")) == 1


def test_a_message_that_comes_in_meanwhile_moves_no_page(client: Client, control: httpx.Client) -> None:
    say(control)
    sids = [send(client).sid for _ in range(4)]
    page = client.messages.page(to=f"whatsapp:{ADA}", page_size=2)
    first = [message.sid for message in page]
    send(client)
    following = page.next_page()
    assert following is not None
    assert first + [message.sid for message in following] == sids[::-1]


def test_a_list_by_date_has_what_was_sent_since(client: Client, control: httpx.Client) -> None:
    say(control)
    message = send(client)
    until(lambda: client.messages(message.sid).fetch().date_sent is not None)
    sent = client.messages(message.sid).fetch().date_sent
    assert sent is not None
    to = f"whatsapp:{ADA}"
    assert len(client.messages.list(to=to, date_sent_after=sent)) == 1
    assert len(client.messages.list(to=to, date_sent_before=sent)) == 1
    assert len(client.messages.list(to=to, date_sent=sent)) == 1
    assert client.messages.list(to=to, date_sent_after=sent + timedelta(seconds=1)) == []


def test_a_message_that_is_cut_off_was_taken_and_is_found(client: Client, control: httpx.Client) -> None:
    say(control)
    control.post("faults", json={"on": "messages.create", "kind": "reset_after"})
    with pytest.raises(OSError, match=r"reset|aborted"):
        send(client, body="Is it there?")
    assert [message.body for message in client.messages.list(to=f"whatsapp:{ADA}")] == ["Is it there?"]


def test_too_many_requests_is_20429_and_nothing_was_taken(client: Client, control: httpx.Client) -> None:
    control.post("faults", json={"on": "messages.create", "kind": "status", "status": 429})
    assert refused_with(lambda: send(client)) == (429, 20429)
    assert control.get("messages").json()["messages"] == []


def test_a_channel_over_its_limit_fails_what_it_took(client: Client, control: httpx.Client, mesh: Mesh) -> None:
    say(control)
    control.post("faults", json={"on": "messages.outcome", "kind": "failed_later", "code": 63018})
    message = send(client)
    until(lambda: mesh.heard(message.sid) == ["queued", "failed"])
    assert mesh.requests[-1][1]["ErrorCode"] == "63018"


def test_receipts_come_out_of_order_when_they_are_told_to(client: Client, control: httpx.Client, mesh: Mesh) -> None:
    say(control)
    control.post("faults", json={"on": "webhooks.status", "kind": "reorder"})
    message = send(client)
    until(lambda: mesh.heard(message.sid) == ["read", "delivered", "sent", "queued"])


def test_receipts_overtake_an_answer_that_is_late(client: Client, control: httpx.Client, mesh: Mesh) -> None:
    say(control)
    control.post("faults", json={"on": "messages.create", "kind": "latency_after", "seconds": 0.3})
    message = send(client)
    assert mesh.heard(message.sid)[:2] == ["queued", "sent"]


def test_receipts_come_twice_when_they_are_told_to(client: Client, control: httpx.Client, mesh: Mesh) -> None:
    say(control)
    control.post("faults", json={"on": "webhooks.status", "kind": "duplicate"})
    message = send(client)
    until(lambda: mesh.heard(message.sid) == ["queued"] * 2 + ["sent"] * 2 + ["delivered"] * 2 + ["read"] * 2)


def test_the_same_webhook_comes_as_often_as_it_is_told_to(control: httpx.Client, mesh: Mesh) -> None:
    answer = say(control, times=20)
    assert answer["statuses"] == {"200": 20}
    assert {told["MessageSid"] for _, told, _ in mesh.requests} == {answer["sid"]}


def test_an_inbound_webhook_is_overtaken_by_the_next(control: httpx.Client, mesh: Mesh) -> None:
    control.post("faults", json={"on": "webhooks.inbound", "kind": "reorder"})
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(say, control, body="first")
        until(lambda: control.get("faults").json()["faults"][0]["struck"] == 1)
        say(control, body="second")
        assert first.result(5)["status"] == 200
    assert [told["Body"] for _, told, _ in mesh.requests] == ["second", "first"]


def test_a_webhook_is_tried_again_as_its_address_asks_for(control: httpx.Client, mesh: Mesh) -> None:
    mesh.answers = [503, 500]
    assert say(control)["status"] == 200
    assert len(mesh.requests) == 3
    assert len({headers["i-twilio-idempotency-token"] for _, _, headers in mesh.requests}) == 1
    assert [one["status"] for one in control.get("webhooks").json()["webhooks"]] == [503, 500, 200]


def test_a_receipt_that_was_refused_is_not_told_again(client: Client, control: httpx.Client, mesh: Mesh) -> None:
    # Its address names no retries: Twilio then tries again only where no connection came about.
    say(control)
    mesh.answers = [500, 403, 500, 500]
    message = send(client)
    until(lambda: mesh.heard(message.sid)[-1:] == ["read"])
    assert mesh.heard(message.sid) == ["queued", "sent", "delivered", "read"]


def test_a_mesh_that_is_away_is_no_error_of_the_simulator() -> None:
    config = twilio.Config(public_url="http://127.0.0.1:9", webhook="/hook#rc=0")
    with running(twilio.app(config)) as address:
        answer = httpx.post(f"{address}/_control/inbound", json={"from": ADA, "body": "Hello?"}).json()
    assert (answer["status"], answer["statuses"]) == (None, {"none": 1})


def test_a_status_is_told_of_a_message_that_never_was(control: httpx.Client, mesh: Mesh) -> None:
    answer = control.post("status", json={"sid": "SM" + "f" * 32, "status": "failed", "errorCode": 63016})
    assert answer.json() == {"status": 200}
    told = mesh.requests[-1][1]
    assert (told["MessageSid"], told["MessageStatus"], told["ErrorCode"]) == ("SM" + "f" * 32, "failed", "63016")


def test_an_inbound_message_without_a_number_is_told_which_field(control: httpx.Client) -> None:
    answer = control.post("inbound", json={"from": "Ada", "body": "x"})
    assert answer.status_code == 400
    assert "from" in answer.json()["errors"][0]
