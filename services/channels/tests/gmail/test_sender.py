"""Who wrote is proved by Gmail's own word, and by nothing that somebody could have written."""

from __future__ import annotations

import pytest
from services.channels.tests.gmail.mails import OUR_ADDRESS, PASSED, heard, mail

from channels.model import Sender, SenderType, Suppression

PROVED = f"Authentication-Results: {PASSED}"


def sender_of(*headers: str) -> Sender:
    return heard(mail(*headers)).heard.sender


def test_a_sender_is_verified_by_dmarc_as_gmail_found_it() -> None:
    assert sender_of(PROVED) == Sender(SenderType.EMAIL, "ada@customer.example", "Ada Lovelace", verified=True)


@pytest.mark.parametrize(
    "results",
    [
        "mx.google.com; dmarc=fail (p=NONE) header.from=customer.example",
        "mx.google.com; dmarc=none header.from=customer.example",
        "mx.google.com; spf=pass smtp.mailfrom=customer.example; dkim=pass header.i=@customer.example",
        "mx.google.com; dmarc=pass header.from=other.example",
        "mx.google.com; dmarc=pass header.from=customer.example.evil.example",
        "mx.google.com; dmarc=pass",
        "mx.google.com; none",
        "mx.google.com; (dmarc=pass header.from=customer.example)",
        "mx.google.com; ((x) dmarc=pass) ; x=y header.from=customer.example",
        "mx.google.com; dmarc=fail header.from=customer.example; dmarc=pass header.from=customer.example",
        "mx.google.com; dmarc=pass header.from=customer.example; dmarc=fail header.from=customer.example",
        "mx.google.com; x-dmarc=pass header.from=customer.example",
        "mx.google.com.evil.example; dmarc=pass header.from=customer.example",
        "evil.example; dmarc=pass header.from=customer.example",
        "",
        ";;;",
    ],
)
def test_any_other_result_verifies_nobody(results: str) -> None:
    assert not sender_of(f"Authentication-Results: {results}").verified


def test_no_result_verifies_nobody() -> None:
    assert not sender_of().verified


def test_only_the_topmost_result_counts() -> None:
    failed = "Authentication-Results: mx.google.com; dmarc=fail header.from=customer.example"
    assert not sender_of(failed, PROVED).verified
    assert not sender_of("Authentication-Results: evil.example; none", PROVED).verified
    assert sender_of(PROVED, failed).verified


def test_a_result_may_be_folded_and_in_any_case() -> None:
    results = "MX.google.com;\r\n\tspf=pass;\r\n\tDMARC=Pass (p=none)\r\n\theader.from=Customer.Example"
    assert sender_of(f"Authentication-Results: {results}").verified


def test_arc_and_received_spf_verify_nobody() -> None:
    assert not sender_of(f"ARC-Authentication-Results: i=1; {PASSED}", "Received-SPF: pass").verified


def test_two_from_headers_verify_neither() -> None:
    raw = mail(PROVED, "From: ada@customer.example", "From: boss@customer.example")
    assert not heard(raw).heard.sender.verified


@pytest.mark.parametrize(
    "value",
    [
        "ada@customer.example, eve@evil.example",
        '"ada@customer.example" <eve@evil.example>, x@customer.example',
        "Group: ada@customer.example;",
        "ada@customer.example (comment)",
        "<ada@customer.example> <eve@evil.example>",
        "ada@customer.example <",
        "=?utf-8?q?ada=40customer.example?=, ada@customer.example",
    ],
)
def test_a_from_with_more_than_one_mailbox_is_nobodys_proof(value: str) -> None:
    assert not sender_of(PROVED, f"From: {value}").verified


@pytest.mark.parametrize(
    ("value", "address", "name"),
    [
        ("ada@customer.example", "ada@customer.example", ""),
        ("<ada@customer.example>", "ada@customer.example", ""),
        ('"Lovelace, Ada" <ada@customer.example>', "ada@customer.example", "Lovelace, Ada"),
        ("=?utf-8?q?J=C3=B6rg?= <joerg@customer.example>", "joerg@customer.example", "Jörg"),
        ("Jörg <joerg@customer.example>", "joerg@customer.example", "Jörg"),
        ("Ada+Board@Customer.example", "Ada+Board@Customer.example", ""),
        ("a.d.a@customer.example", "a.d.a@customer.example", ""),
    ],
)
def test_an_address_is_kept_as_it_is_written(value: str, address: str, name: str) -> None:
    found = sender_of(PROVED, f"From: {value}")
    assert (found.value, found.display_name, found.verified) == (address, name, True)


@pytest.mark.parametrize(
    "value",
    [
        '"support@techcorp.example" <eve@evil.example>',
        "support@techcorp.example via Eve <eve@evil.example>",
        "=?utf-8?q?support=40techcorp.example?= <eve@evil.example>",
        "https://techcorp.example <eve@evil.example>",
    ],
)
def test_a_name_that_looks_like_an_address_is_no_name(value: str) -> None:
    found = sender_of(f"From: {value}")
    assert found.value in ("eve@evil.example", OUR_ADDRESS)
    assert found.display_name == ""


def test_an_encoded_word_holds_no_address() -> None:
    found = sender_of(PROVED, "From: =?utf-8?q?Ada_=3Cada=40customer.example=3E?= <eve@evil.example>")
    assert (found.value, found.verified) == ("eve@evil.example", False)


def test_a_look_alike_domain_is_shown_in_ascii_and_proved_by_its_own_dmarc_only() -> None:
    # The first letter of the domain is Cyrillic.
    look_alike = sender_of(PROVED, "From: ada@\u0441ustomer.example")
    assert look_alike.value == "ada@xn--ustomer-xjg.example"
    assert not look_alike.verified


@pytest.mark.parametrize(
    "value", ["", "nobody", "undisclosed-recipients:;", "<>", "a@b", "@", "a@-.example", "a b@c d"]
)
def test_a_mail_without_an_address_to_answer_is_answered_by_nobody(value: str) -> None:
    found = heard(mail(f"From: {value}")).heard
    assert found.sender.value == ""
    assert found.suppression is Suppression.AUTOMATIC


def test_a_reply_to_changes_nobodys_address() -> None:
    assert sender_of("Reply-To: eve@evil.example").value == "ada@customer.example"
