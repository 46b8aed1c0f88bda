"""What cannot be handled: it is kept, listed and redriven, and everybody behind it is served."""

import uuid

import pytest
from aiokafka import AIOKafkaProducer
from tests.customers import ANSWERED, Customer, Json, Staff, is_ended

from fte.topics import INCOMING
from local.asyncs import run_blocking
from local.mesh import Mesh


def produce_poison(mesh: Mesh, key: str) -> str:
    """Puts bytes that no contract knows on the incoming topic, ahead of what the same sender writes next; their id."""
    identifier = str(uuid.uuid4())

    async def send() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=mesh.bootstrap_servers, acks="all")
        await producer.start()
        try:
            headers = [
                ("ce_id", identifier.encode()),
                ("ce_type", INCOMING.fact.encode()),
                ("ce_source", b"/tests"),
                ("ce_specversion", b"1.0"),
            ]
            await producer.send_and_wait(INCOMING.name, b"\xff\xff not a message", key=key.encode(), headers=headers)
        finally:
            await producer.stop()

    run_blocking(send())
    return identifier


def waiting(staff: Staff, event: str) -> list[Json]:
    letters = staff.get("deadLetters", state="DEAD_LETTER_STATE_WAITING").get("deadLetters", [])
    return [letter for letter in letters if letter["eventId"] == event]


@pytest.mark.timeout(120)
def test_poison_is_kept_and_redriven_by_rpc_and_the_partition_moves_on(
    mesh: Mesh, customer: Customer, staff: Staff
) -> None:
    email = f"{uuid.uuid4().hex[:10]}@customer.example"
    poison = produce_poison(mesh, key=email)
    promise = customer.submit(ANSWERED, email=email)
    status = customer.status_when(promise, is_ended)
    assert status["state"] == "TICKET_STATE_WAITING_ON_CUSTOMER"

    customer.status_when(promise, lambda _: bool(waiting(staff, poison)))
    (letter,) = waiting(staff, poison)
    assert (letter["topic"], letter["consumer"]) == ("fte.tickets.incoming", "tickets")
    assert letter["reason"].isupper()
    assert "not a message" not in str(letter)

    redriven = staff.act(f"{letter['name']}:redrive")
    assert redriven["state"] == "DEAD_LETTER_STATE_REDRIVEN"
    # It is still poison: it comes back as a new dead letter that knows it was redriven once.
    customer.status_when(promise, lambda _: bool(waiting(staff, poison)))
    (second,) = waiting(staff, poison)
    assert second["name"] != letter["name"]
    assert second["redriveCount"] == 1
    assert staff.act(f"{second['name']}:drop")["state"] == "DEAD_LETTER_STATE_DROPPED"
    assert waiting(staff, poison) == []
    refused = staff.http.post(f"/api/v1/{second['name']}:redrive", json={})
    assert refused.json()["details"][0]["reason"] == "DEAD_LETTER_SETTLED"
