"""A customer who writes mails: answered in the same thread, once, and never when a machine wrote."""

import re

import pytest
from tests.correspondents import Post, found, some_address
from tests.customers import ANSWERED, UNANSWERED, Customer, Json, Staff

SUBJECT = "A question about passwords"


def ticket_of(staff: Staff, address: str) -> Json | None:
    """The newest ticket of the customer with this address."""
    customers = staff.get("customers", identifier=address).get("customers", [])
    if not customers:
        return None
    tickets = staff.get("tickets", customer=customers[0]["name"]).get("tickets", [])
    return staff.get(tickets[0]["name"]) if tickets else None


def timeline(staff: Staff, ticket: Json) -> list[Json]:
    entries: list[Json] = staff.get(f"{ticket['name']}/timeline", pageSize=200)["timelineEntries"]
    return entries


def test_a_mail_is_answered_in_its_thread_with_the_right_headers(post: Post, staff: Staff) -> None:
    address = some_address()
    (written,) = post.write(f"Ada Example <{address}>", SUBJECT, ANSWERED)["messages"]
    (answer,) = found(lambda: post.sent_to(address))
    assert "60 minutes" in answer["text"]
    assert answer["threadId"] == written["threadId"]
    assert answer["subject"] == f"Re: {SUBJECT}"
    headers = {name.lower(): value for name, value in answer["headers"].items()}
    assert headers["in-reply-to"] == written["messageId"]
    assert written["messageId"] in headers["references"]
    assert headers["auto-submitted"] == "auto-replied"
    ticket = ticket_of(staff, address)
    assert ticket is not None
    assert ticket["reference"] in answer["text"]
    assert ticket["senderVerified"] is True
    assert ticket["channel"] == "CHANNEL_EMAIL"
    found(
        lambda: [
            entry
            for entry in timeline(staff, ticket)
            if entry["kind"] == "TIMELINE_KIND_DELIVERY_CHANGED"
            and entry.get("facts", {}).get("deliveryState") == "SENT"
        ]
    )


def test_what_answers_our_mail_joins_its_ticket(post: Post, staff: Staff) -> None:
    address = some_address()
    post.write(address, SUBJECT, ANSWERED)
    (answer,) = found(lambda: post.sent_to(address))
    ours = next(value for name, value in answer["headers"].items() if name.lower() == "message-id")
    quoted = "\n".join(f"> {line}" for line in answer["text"].splitlines())
    post.write(
        address,
        f"Re: {SUBJECT}",
        f"And how do I reset it?\n\nOn Monday TechCorp wrote:\n{quoted}",
        headers={"In-Reply-To": ours, "References": ours},
    )
    found(lambda: len(post.sent_to(address)) == 2)
    ticket = ticket_of(staff, address)
    assert ticket is not None
    asked = [message["text"] for message in ticket["messages"] if message["author"] == "AUTHOR_CUSTOMER"]
    assert asked == [ANSWERED, "And how do I reset it?"]


def test_a_subject_alone_joins_nothing(post: Post, staff: Staff) -> None:
    address = some_address()
    post.write(address, SUBJECT, ANSWERED)
    found(lambda: post.sent_to(address))
    post.write(address, f"Re: {SUBJECT}", ANSWERED)
    found(lambda: len(post.sent_to(address)) == 2)
    (customer,) = staff.get("customers", identifier=address)["customers"]
    assert len(staff.get("tickets", customer=customer["name"])["tickets"]) == 2


def test_ten_mails_behind_one_push_are_ten_filed(post: Post) -> None:
    addresses = [some_address() for _ in range(10)]
    for address in addresses[:-1]:
        post.write(address, SUBJECT, ANSWERED, push=False)
    post.write(addresses[-1], SUBJECT, ANSWERED)
    found(lambda: all(post.sent_to(address) for address in addresses), within_seconds=60)
    assert all(len(post.sent_to(address)) == 1 for address in addresses)


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto-Submitted": "auto-replied"},
        {"Precedence": "bulk"},
        {"List-Id": "<news.example.org>"},
        {"X-Auto-Response-Suppress": "All"},
    ],
)
def test_a_machine_is_heard_and_never_answered(post: Post, staff: Staff, headers: dict[str, str]) -> None:
    machine, person = some_address(), some_address()
    (taken,) = post.write(machine, "Out of office", UNANSWERED, headers=headers)["messages"]
    post.write(person, SUBJECT, ANSWERED)
    found(lambda: post.sent_to(person))
    assert not post.sent_to(machine)
    assert ticket_of(staff, machine) is None
    heard = staff.get("inboundMessages", channel="CHANNEL_EMAIL", pageSize=200)["inboundMessages"]
    (ours,) = [message for message in heard if message["providerMessageId"] == taken["id"]]
    assert ours["suppression"] == "SUPPRESSION_AUTOMATIC"


def test_a_mail_that_comes_back_calls_a_person_and_marks_the_address(post: Post, staff: Staff) -> None:
    address = some_address()
    post.control("bounces", {"address": address})
    post.write(address, SUBJECT, ANSWERED)

    def escalated() -> bool:
        ticket = ticket_of(staff, address)
        return ticket is not None and ticket["state"] == "TICKET_STATE_ESCALATED"

    found(escalated, within_seconds=60)
    ticket = ticket_of(staff, address)
    assert ticket is not None
    assert ticket["escalation"]["reason"] == "ESCALATION_REASON_DELIVERY_FAILED"

    def marked() -> bool:
        (customer,) = staff.get("customers", identifier=address)["customers"]
        return [each["reachability"] for each in customer["identifiers"]] == ["REACHABILITY_UNDELIVERABLE"]

    found(marked)


def test_a_form_is_confirmed_by_a_mail_without_a_word_of_the_form(post: Post, customer: Customer) -> None:
    address = some_address()
    promise = customer.submit(f"Xylophone? {ANSWERED}", email=address, name="Zebedee", subject="Quagga")
    mails = found(lambda: len(post.sent_to(address)) == 2 and post.sent_to(address))
    assert isinstance(mails, list)
    for mail in mails:
        assert promise.reference in mail["text"]
        assert promise.url in mail["text"]
        told = mail["subject"] + mail["text"] + mail.get("html", "")
        assert not re.search("xylophone|zebedee|quagga|60 minutes", told, re.IGNORECASE)
