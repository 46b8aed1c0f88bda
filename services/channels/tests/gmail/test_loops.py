"""No mail of a machine is answered (RFC 3834), and what a bounce says of ours is read (RFC 3464)."""

from __future__ import annotations

import pytest
from services.channels.tests.gmail.mails import OUR_ADDRESS, heard, mail, multipart

from channels.model import Bounce, Suppression

KEY = "0199d5c0-8a51-7c1e-9f52-3d1a6be1c001.1"


def suppression_of(*headers: str) -> Suppression | None:
    return heard(mail(*headers)).heard.suppression


@pytest.mark.parametrize(
    "header",
    [
        "Auto-Submitted: auto-replied",
        "Auto-Submitted: auto-generated",
        "Auto-Submitted: auto-notified; owner=x",
        "Auto-Submitted: anything-else",
        "AUTO-SUBMITTED: Auto-Replied (vacation)",
        "Return-Path: <>",
        "Return-Path:  <> ",
        "Precedence: bulk",
        "Precedence: List",
        "Precedence: auto_reply",
        "List-Id: <news.customer.example>",
        "List-Unsubscribe: <mailto:x@customer.example>",
        "List-Post: NO",
        "X-Auto-Response-Suppress: All",
        "X-Autoreply: yes",
    ],
)
def test_mail_that_a_machine_wrote_is_answered_by_nobody(header: str) -> None:
    assert suppression_of(header) is Suppression.AUTOMATIC


@pytest.mark.parametrize(
    "header",
    [
        "Auto-Submitted: no",
        "Auto-Submitted: No",
        "Precedence: normal",
        "Return-Path: <ada@customer.example>",
        "X-Listing: yes",
        "Subject: Out of office",
        "Subject: unsubscribe me from what?",
    ],
)
def test_mail_that_a_person_wrote_is_a_question(header: str) -> None:
    assert suppression_of(header) is None


@pytest.mark.parametrize(
    "header",
    [f"From: {OUR_ADDRESS}", f"From: Support <{OUR_ADDRESS.upper()}>", f"X-FTE-Delivery: {KEY}", "x-fte-delivery: x"],
)
def test_our_own_mail_coming_back_is_known(header: str) -> None:
    assert suppression_of(header) is Suppression.OWN_MAIL


@pytest.mark.parametrize("subject", ["unsubscribe", "Unsubscribe", "UNSUBSCRIBE TKT-7K3Q9V", " unsubscribe "])
def test_a_wish_for_no_more_mails_is_heard(subject: str) -> None:
    assert suppression_of(f"Subject: {subject}") is Suppression.OPT_OUT


def test_a_machine_wishes_nothing() -> None:
    assert suppression_of("Subject: unsubscribe", "Auto-Submitted: auto-replied") is Suppression.AUTOMATIC


# Bounces.


def bounce(
    *recipients: str,
    returned: str = f"X-FTE-Delivery: {KEY}\r\nMessage-ID: <sent@mail.gmail.com>",
    returned_type: str = "message/rfc822",
    report_type: str = "delivery-status",
) -> bytes:
    blocks = "\r\n".join(f"Final-Recipient: rfc822; ada@customer.example\r\n{fields}\r\n" for fields in recipients)
    content_type, body = multipart(
        "report",
        "Content-Type: text/plain\r\n\r\nYour mail did not arrive.",
        f"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n{blocks}",
        f"Content-Type: {returned_type}\r\n\r\n{returned}\r\nSubject: Re: Export\r\n\r\nHello Ada,",
    )
    return mail(
        f"{content_type}; report-type={report_type}",
        "From: Mail Delivery Subsystem <mailer-daemon@mx.example>",
        "Return-Path: <>",
        body=body,
    )


FAILED = "Action: failed\r\nStatus: 5.1.1"


def test_a_bounce_names_the_mail_that_it_is_about() -> None:
    found = heard(bounce(FAILED))
    assert found.heard.suppression is Suppression.BOUNCE
    assert found.bounce == Bounce(KEY, "<sent@mail.gmail.com>", undeliverable=True)


def test_a_bounce_with_the_headers_alone_names_it_too() -> None:
    assert heard(bounce(FAILED, returned_type="text/rfc822-headers")).bounce is not None


def test_a_bounce_without_our_header_names_the_message_id() -> None:
    found = heard(bounce(FAILED, returned="Message-ID: <sent@mail.gmail.com>")).bounce
    assert found == Bounce("", "<sent@mail.gmail.com>", undeliverable=True)


@pytest.mark.parametrize(
    ("fields", "undeliverable"),
    [
        ("Action: failed\r\nStatus: 5.1.1", True),
        ("Action: failed\r\nStatus: 5.0.0", True),
        ("Action: failed\r\nStatus: 5.2.1", True),
        ("Action: Failed (expired)\r\nStatus: 5.4.4 (no host)", True),
        ("Action: failed", True),
        ("Action: failed\r\nStatus: 5.2.2", False),
        ("Action: failed\r\nStatus: 5.7.1", False),
        ("Action: failed\r\nStatus: 4.4.7", False),
    ],
)
def test_an_address_is_given_up_only_where_it_is_the_addresss_fault(fields: str, undeliverable: bool) -> None:
    found = heard(bounce(fields)).bounce
    assert found is not None
    assert found.undeliverable is undeliverable


@pytest.mark.parametrize("fields", ["Action: delayed\r\nStatus: 4.4.1", "Action: delivered\r\nStatus: 2.0.0", ""])
def test_a_delay_and_a_receipt_are_no_failures(fields: str) -> None:
    found = heard(bounce(fields))
    assert found.heard.suppression is Suppression.BOUNCE
    assert found.bounce is None


def test_of_several_recipients_the_one_that_failed_counts() -> None:
    assert heard(bounce("Action: delivered\r\nStatus: 2.0.0", FAILED)).bounce is not None


@pytest.mark.parametrize(
    "returned", ["X-Other: 1", "X-FTE-Delivery: not-a-key", f"X-FTE-Delivery: {KEY}x", "Message-ID: none"]
)
def test_a_bounce_of_no_mail_of_ours_says_nothing(returned: str) -> None:
    found = heard(bounce(FAILED, returned=returned))
    assert found.heard.suppression is Suppression.BOUNCE
    assert found.bounce is None


def test_a_customers_mail_with_a_report_inside_is_no_bounce() -> None:
    inner = bounce(FAILED).decode()
    content_type, body = multipart(
        "mixed",
        "Content-Type: text/plain\r\n\r\nWhat is this?",
        f"Content-Type: message/rfc822\r\n\r\n{inner}",
        boundary="outer",
    )
    found = heard(mail(content_type, body=body))
    assert found.heard.suppression is None
    assert found.bounce is None
    assert found.heard.text == "What is this?"


def test_a_read_receipt_is_automatic() -> None:
    receipt = bounce(FAILED, report_type="disposition-notification").replace(b"mailer-daemon@mx", b"ada@customer")
    assert heard(receipt).heard.suppression is Suppression.AUTOMATIC


def test_a_bounce_in_free_form_is_answered_by_nobody() -> None:
    assert suppression_of("From: Mailer-Daemon@mx.example") is Suppression.BOUNCE
    assert suppression_of("From: postmaster@mx.example") is Suppression.BOUNCE
