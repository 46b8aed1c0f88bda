"""A customer at the form: question in, answer out, through the whole mesh."""

import re
import uuid

from tests.customers import ANSWERED, UNANSWERED, Customer, Staff, is_ended, replies

from local.mesh import Mesh


def test_a_question_that_the_docs_answer_is_answered_on_the_status_page(customer: Customer) -> None:
    promise = customer.submit(ANSWERED)
    status = customer.status_when(promise, is_ended)
    assert status["state"] == "TICKET_STATE_WAITING_ON_CUSTOMER"
    assert status["reference"] == promise.reference
    (reply,) = replies(status)
    assert "60 minutes" in reply
    assert [message["author"] for message in status["messages"]] == ["AUTHOR_CUSTOMER", "AUTHOR_AGENT"]


def test_a_question_that_nothing_answers_goes_to_a_person_with_a_kind_word(customer: Customer) -> None:
    status = customer.status_when(customer.submit(UNANSWERED), is_ended)
    assert status["state"] == "TICKET_STATE_ESCALATED"
    (reply,) = replies(status)
    assert re.search(r"\b(person|colleague|specialist|team)\b", reply)


def test_the_promise_is_a_reference_a_token_and_an_address_with_the_token_in_the_fragment(
    customer: Customer, mesh: Mesh
) -> None:
    promise = customer.submit(ANSWERED)
    assert re.fullmatch(r"TKT-[0-9A-HJKMNP-TV-Z]{6}", promise.reference)
    assert promise.url == f"{mesh.url}/status/{promise.reference}#{promise.token}"
    assert customer.status(promise)["reference"] == promise.reference


def test_the_status_shows_a_customer_nothing_but_their_eight_fields(customer: Customer) -> None:
    status = customer.status_when(customer.submit(ANSWERED), is_ended)
    assert set(status) == {
        *("reference", "subject", "state", "category", "priority", "createTime", "updateTime", "messages")
    }
    assert all(set(message) == {"author", "text", "createTime"} for message in status["messages"])


def test_the_same_key_and_form_are_one_ticket(customer: Customer) -> None:
    key, email = uuid.uuid4().hex, "twice@customer.example"
    first = customer.submit(ANSWERED, key=key, email=email)
    assert customer.submit(ANSWERED, key=key, email=email) == first
    other = customer.http.post(
        "/api/v1/support/form",
        json=customer.form("Something else", email=email),
        headers={"Idempotency-Key": key},
    )
    assert other.status_code in {400, 409}
    assert other.json()["details"][0]["reason"] == "IDEMPOTENCY_KEY_REUSED"


def test_the_customer_writes_on_and_is_answered_again(customer: Customer) -> None:
    promise = customer.submit(ANSWERED)
    customer.status_when(promise, is_ended)
    customer.write_on(promise, UNANSWERED)
    status = customer.status_when(promise, lambda status: len(replies(status)) == 2)
    assert status["state"] == "TICKET_STATE_ESCALATED"
    assert [message["author"] for message in status["messages"]] == [
        *("AUTHOR_CUSTOMER", "AUTHOR_AGENT", "AUTHOR_CUSTOMER", "AUTHOR_AGENT")
    ]


def test_a_typed_address_leads_to_its_customer_but_shows_nothing_of_the_past(customer: Customer, staff: Staff) -> None:
    email = f"{uuid.uuid4().hex[:10]}@customer.example"
    first, second = customer.submit(ANSWERED, email=email), customer.submit(UNANSWERED, email=email.upper())
    for promise in (first, second):
        customer.status_when(promise, is_ended)
    tickets = [staff.get(f"tickets/{promise.reference}") for promise in (first, second)]
    assert tickets[0]["customer"] == tickets[1]["customer"]
    assert "senderVerified" not in tickets[1]
    assert staff.get(f"tickets/{second.reference}/history") == {"withheld": True}


def test_a_takeover_silences_the_agent_and_the_customer_hears_the_person(customer: Customer, staff: Staff) -> None:
    promise = customer.submit(UNANSWERED)
    customer.status_when(promise, is_ended)
    taken = staff.act(f"tickets/{promise.reference}:takeOver")
    assert taken["assignee"]
    customer.write_on(promise, ANSWERED)
    staff_sees = customer.status_when(promise, lambda status: len(status["messages"]) == 3)
    assert staff_sees["messages"][-1]["author"] == "AUTHOR_CUSTOMER"
    staff.act(
        f"tickets/{promise.reference}:reply", text="I looked: it does not refresh yet.", requestId=uuid.uuid4().hex
    )
    status = customer.status_when(promise, lambda status: len(replies(status)) == 2)
    assert status["messages"][-1]["author"] == "AUTHOR_STAFF"
    assert replies(status)[-1] == "I looked: it does not refresh yet."
    assert status["state"] == "TICKET_STATE_WAITING_ON_CUSTOMER"


def test_after_hand_back_the_agent_answers_what_is_owed(customer: Customer, staff: Staff) -> None:
    promise = customer.submit(UNANSWERED)
    customer.status_when(promise, is_ended)
    staff.act(f"tickets/{promise.reference}:takeOver")
    customer.write_on(promise, ANSWERED)
    customer.status_when(promise, lambda status: len(status["messages"]) == 3)
    staff.act(f"tickets/{promise.reference}:handBack")
    status = customer.status_when(promise, lambda status: len(replies(status)) == 2)
    assert "60 minutes" in replies(status)[-1]


def test_the_timeline_and_the_run_explain_what_was_said(customer: Customer, staff: Staff) -> None:
    promise = customer.submit(ANSWERED)
    customer.status_when(promise, is_ended)
    ticket = staff.get(f"tickets/{promise.reference}")
    reply = ticket["messages"][-1]
    assert reply["citations"][0]["passage"].startswith("articles/product-docs/versions/")
    passage = staff.get(reply["citations"][0]["passage"])
    assert "60 minutes" in passage["text"]
    run = staff.get(reply["run"])
    assert run["ending"] == "ENDING_REPLIED"
    assert [step["name"] for step in run["steps"] if step["outcome"] == "ok"][-1] == "send_response"

    def delivered() -> bool:
        entries = staff.get(f"tickets/{promise.reference}/timeline")["timelineEntries"]
        kinds = [entry["kind"].removeprefix("TIMELINE_KIND_") for entry in entries]
        return kinds[:3] == ["MESSAGE_FILED", "TRIAGED", "REPLIED"] and "DELIVERY_CHANGED" in kinds

    customer.status_when(promise, lambda _: delivered())
