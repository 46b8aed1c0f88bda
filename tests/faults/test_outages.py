"""Servers and neighbours that are away: what customers see meanwhile, and that all is made good afterwards."""

import pytest
from tests.customers import ANSWERED, Customer, Staff, is_ended, replies
from tests.faults import ledger

from local.mesh import Mesh
from local.services import Service


@pytest.mark.timeout(180)
def test_without_kafka_the_form_is_taken_and_the_outbox_drains_later(mesh: Mesh, customer: Customer) -> None:
    assert mesh.kafka is not None
    mesh.kafka.crash()
    try:
        promises = [customer.submit(ANSWERED) for _ in range(5)]
        assert ledger.read(mesh, []).pending >= 5
        status = customer.status(promises[0])
        assert (status["reference"], status["state"]) == (promises[0].reference, "TICKET_STATE_NEW")
    finally:
        mesh.kafka.start()
    for promise in promises:
        customer.status_when(promise, is_ended, within_seconds=60)
    books = ledger.settled(mesh, [promise.reference for promise in promises], within_seconds=30)
    assert books.balances, books


@pytest.mark.timeout(180)
def test_without_postgres_the_form_answers_503_and_never_a_200_without_a_row(mesh: Mesh, customer: Customer) -> None:
    assert mesh.postgres is not None
    taken = [customer.submit(ANSWERED)]
    mesh.postgres.crash()
    try:
        for _ in range(3):
            refused = customer.http.post("/api/v1/support/form", json=customer.form(ANSWERED))
            assert refused.status_code == 503
            assert refused.json()["details"][0]["reason"] in {"DEPENDENCY_UNAVAILABLE", "UNAVAILABLE"}
        health = customer.http.get("/api/v1/health")
        assert (health.status_code, health.json()["status"]) == (503, "down")
        assert health.json()["checks"]["database"] == "down"
    finally:
        mesh.postgres.start()
    customer.status_when(taken[0], is_ended, within_seconds=60)
    taken.append(customer.submit(ANSWERED))
    customer.status_when(taken[1], is_ended, within_seconds=60)
    books = ledger.settled(mesh, [promise.reference for promise in taken], within_seconds=30)
    assert books.balances, books


@pytest.mark.timeout(180)
def test_with_the_agent_gone_for_good_the_desk_hands_every_ticket_to_a_person(
    mesh: Mesh, customer: Customer, staff: Staff
) -> None:
    # The desk's two minutes, as three seconds: the clock of the rule, not the rule, is shortened.
    patient = mesh.services["tickets"]
    hurried = Service(
        *(patient.name, patient.port),
        {**patient.environment, "ANSWER_OVERDUE_SECONDS": "3", "OVERDUE_CHECK_SECONDS": "0.5"},
        patient.log,
    )
    mesh.services["agent"].stop()
    patient.stop()
    try:
        hurried.start()
        promises = [customer.submit(ANSWERED) for _ in range(4)]
        for promise in promises:
            status = customer.status_when(promise, is_ended, within_seconds=30)
            assert status["state"] == "TICKET_STATE_ESCALATED"
            (reply,) = replies(status)
            assert "colleague" in reply or "person" in reply
        ticket = staff.get(f"tickets/{promises[0].reference}")
        assert ticket["escalation"]["reason"] == "ESCALATION_REASON_ANSWER_OVERDUE"
    finally:
        hurried.stop()
        patient.start()
        mesh.services["agent"].start()
    # The agent comes back to messages that have had their ending: it says nothing more.
    ledger.quiet(mesh, within_seconds=60)
    books = ledger.settled(mesh, [promise.reference for promise in promises], within_seconds=30)
    assert books.balances, books
