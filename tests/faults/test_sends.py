"""What leaves the house leaves once, whatever dies or fails on the way: held against what the providers accepted."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.correspondents import Phones, Post, found, some_address, some_number
from tests.customers import ANSWERED, Customer, Staff
from tests.faults import ledger
from tests.faults.conftest import await_doors

from local.mesh import Mesh
from local.services import Service

WITHOUT_LOOKUP = Path(__file__).parent / "sabotage" / "lookup"
CRASH_POINTS = (
    "consumer.before_apply_commit",
    "consumer.after_apply_commit",
    "relay.after_produce",
    "channels.after_claim",
    "channels.after_send",
    "channels.before_record_commit",
    "channels.after_record_commit",
)


@contextmanager
def standing_in(mesh: Mesh, **environment: str) -> Iterator[Service]:
    """Channels with another environment; the real one comes back at the end."""
    real = mesh.services["channels"]
    real.stop()
    other = Service(real.name, real.port, {**real.environment, **environment}, real.log)
    try:
        other.start()
        await_doors(mesh)
        yield other
    finally:
        other.stop()
        real.start()
        await_doors(mesh)


def times_sent(post: Post, address: str) -> list[int]:
    """How often each of our messages to this address was accepted, by the name that we gave it."""
    names = Counter(
        value
        for mail in post.sent_to(address)
        for name, value in mail["headers"].items()
        if name.lower() == "x-fte-delivery"
    )
    return list(names.values())


@pytest.mark.timeout(180)
@pytest.mark.parametrize("point", CRASH_POINTS)
def test_a_crash_at_the_worst_place_sends_everything_once(mesh: Mesh, post: Post, phones: Phones, point: str) -> None:
    address, number = some_address(), some_number()
    with standing_in(mesh, FTE_CRASH_POINT=point) as doomed:
        post.write(address, "Passwords", ANSWERED)
        told = phones.control("inbound", {"from": number, "body": ANSWERED})
        doomed.child.wait(60)
    if told["status"] != 200:
        # As Twilio is asked to: the same message once more.
        phones.write(number, ANSWERED, messageSid=told["sid"])
    found(lambda: post.sent_to(address), within_seconds=60)
    found(lambda: phones.sent_to(number), within_seconds=60)
    ledger.quiet(mesh, within_seconds=60)
    found(lambda: ledger.sends_open(mesh) == 0, within_seconds=60)
    assert times_sent(post, address) == [1]
    assert len(phones.sent_to(number)) == 1
    assert "60 minutes" in phones.sent_to(number)[0]["body"]


@pytest.mark.timeout(180)
def test_a_sender_that_does_not_look_up_is_seen_to_send_twice(mesh: Mesh, post: Post) -> None:
    address = some_address()
    with standing_in(mesh, FTE_CRASH_POINT="channels.after_send") as doomed:
        post.write(address, "Passwords", ANSWERED)
        doomed.child.wait(60)
        with standing_in(mesh, PYTHONPATH=str(WITHOUT_LOOKUP)):
            found(lambda: times_sent(post, address) == [2], within_seconds=60)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("status", {"status": 429, "code": 20429}),
        ("status_after", {"status": 503}),
        ("status", {"status": 500}),
        ("reset_after", {}),
        ("reset_before", {}),
        ("malformed", {}),
        ("latency_after", {"seconds": 4}),
    ],
)
def test_whatever_twilio_does_a_message_is_sent_once(phones: Phones, kind: str, how: dict[str, float]) -> None:
    number = some_number()
    phones.fail("messages.create", kind, times=1, **how)
    phones.write(number, ANSWERED)
    (sent,) = found(lambda: phones.sent_to(number), within_seconds=60)
    assert "60 minutes" in sent["body"]
    struck = phones.shows("faults")["faults"]
    assert [fault["struck"] for fault in struck] == [1]
    # Another customer's message has gone the whole way since: a second attempt would be there by now.
    other = some_number()
    phones.write(other, ANSWERED)
    found(lambda: phones.sent_to(other))
    assert len(phones.sent_to(number)) == 1


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("status", {"status": 429}),
        ("status_after", {"status": 503}),
        ("reset_after", {}),
        ("latency_after", {"seconds": 4}),
    ],
)
def test_whatever_gmail_does_a_mail_is_sent_once(post: Post, kind: str, how: dict[str, float]) -> None:
    address = some_address()
    post.fail("messages.send", kind, times=1, **how)
    post.write(address, "Passwords", ANSWERED)
    found(lambda: post.sent_to(address), within_seconds=60)
    other = some_address()
    post.write(other, "Passwords", ANSWERED)
    found(lambda: post.sent_to(other))
    assert times_sent(post, address) == [1]


@pytest.mark.timeout(120)
def test_a_history_that_is_gone_is_made_good_and_nothing_is_answered_again(post: Post) -> None:
    before, missed, after = some_address(), some_address(), some_address()
    post.write(before, "Passwords", ANSWERED)
    found(lambda: post.sent_to(before))
    post.fail("history.list", "status", status=500, times=0)
    post.write(missed, "Passwords", ANSWERED)
    post.control("history:expire")
    post.heal()
    post.write(after, "Passwords", ANSWERED)
    found(lambda: post.sent_to(after) and post.sent_to(missed), within_seconds=60)
    assert [times_sent(post, address) for address in (before, missed, after)] == [[1]] * 3


@pytest.mark.timeout(120)
def test_a_mail_whose_push_never_came_is_found_by_the_poll(post: Post) -> None:
    address = some_address()
    post.write(address, "Passwords", ANSWERED, push=False)
    found(lambda: post.sent_to(address), within_seconds=60)


@pytest.mark.timeout(120)
def test_webhooks_out_of_order_leave_the_furthest_state(phones: Phones, staff: Staff) -> None:
    number = some_number()
    phones.fail("webhooks.status", "reorder", times=0)
    phones.fail("messages.create", "latency_after", seconds=1, times=1)
    phones.write(number, ANSWERED)
    (sent,) = found(lambda: phones.sent_to(number))
    found(lambda: _delivery_of(staff, sent["sid"]) == "DELIVERY_STATE_READ")


@pytest.mark.timeout(120)
def test_a_signed_webhook_that_is_replayed_changes_nothing(phones: Phones, staff: Staff) -> None:
    number = some_number()
    told = phones.write(number, ANSWERED)
    found(lambda: phones.sent_to(number))
    again = phones.write(number, ANSWERED, messageSid=told["sid"], ageSeconds=30 * 24 * 3600)
    assert again["status"] == 200
    other = some_number()
    phones.write(other, ANSWERED)
    found(lambda: phones.sent_to(other))
    assert len(phones.sent_to(number)) == 1


@pytest.mark.timeout(120)
def test_while_one_provider_is_down_the_others_go_on(
    mesh: Mesh, phones: Phones, post: Post, customer: Customer
) -> None:
    phones.fail("*", "status", status=503, times=0)
    numbers = [some_number() for _ in range(6)]
    for number in numbers:
        phones.http.post("/_control/inbound", json={"from": number, "body": ANSWERED})
    address = some_address()
    post.write(address, "Passwords", ANSWERED)
    found(lambda: post.sent_to(address))
    customer.status_when(customer.submit(ANSWERED), lambda status: len(status.get("messages", [])) == 2)
    phones.heal()
    found(lambda: all(phones.sent_to(number) for number in numbers), within_seconds=90)
    assert [len(phones.sent_to(number)) for number in numbers] == [1] * len(numbers)


def _delivery_of(staff: Staff, provider_message_id: str) -> str:
    listed = staff.get("deliveries", channel="CHANNEL_WHATSAPP", pageSize=200).get("deliveries", [])
    states = [each["state"] for each in listed if each.get("providerMessageId") == provider_message_id]
    return states[0] if states else ""
