"""Mails as they arrive: what the sender wrote, below what the receiver adds."""

import base64
import email
import email.policy
from email.message import EmailMessage
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.google import mime

from .conftest import ADDRESS, Google


def arrive(google: Google, **mail: Any) -> EmailMessage:
    """The mail as it lies in the mailbox."""
    sender = {"from": mail.pop("sender")} if "sender" in mail else {}
    (message,) = google.control("inbound", sender | mail)["messages"]
    found = google.gmail().messages().get(userId="me", id=message["id"], format="raw").execute()
    return email.message_from_bytes(base64.urlsafe_b64decode(found["raw"]), policy=email.policy.default)


def results(message: EmailMessage) -> list[str]:
    return [" ".join(str(value).split()) for value in message.get_all("Authentication-Results", [])]


def test_the_receiver_says_on_top_who_is_authenticated(google: Google) -> None:
    forged = {"Authentication-Results": "mx.google.com; dmarc=pass header.from=bank.example"}
    message = arrive(google, sender="Ada <ada@mail.example>", headers=forged)
    assert list(message.keys())[:4] == ["Delivered-To", "Received", "Authentication-Results", "Return-Path"]
    topmost, given_by_the_sender = results(message)
    assert topmost.startswith("mx.google.com; ")
    assert "dmarc=pass (p=REJECT sp=REJECT dis=NONE) header.from=mail.example" in topmost
    assert given_by_the_sender == forged["Authentication-Results"]


def test_a_check_that_failed_or_was_not_made_shows(google: Google) -> None:
    assert "dmarc=fail" in results(arrive(google, sender="ada@mail.example", authenticated=False))[0]
    assert results(arrive(google, sender="ada@mail.example", authenticated=None)) == []


def test_headers_replace_repeat_and_vanish(google: Google) -> None:
    message = arrive(
        google,
        sender="ada@mail.example",
        headers={"From": ["a@mail.example", "b@mail.example"], "Message-ID": None, "Auto-Submitted": "auto-replied"},
    )
    assert message.get_all("From") == ["a@mail.example", "b@mail.example"]
    assert message["Message-ID"] is None
    assert message["Auto-Submitted"] == "auto-replied"


def test_words_beyond_ascii_are_encoded_and_read_back(google: Google) -> None:
    message = arrive(google, sender="Zoë Ünal <zoe@mail.example>", subject="Größe 日本", text="Grüße 🙂")
    assert (message["From"], message["Subject"]) == ("Zoë Ünal <zoe@mail.example>", "Größe 日本")
    body = message.get_body()
    assert body is not None
    assert body.get_content().strip() == "Grüße 🙂"


def test_a_raw_mail_arrives_byte_for_byte(google: Google) -> None:
    octets = (
        b"From: ada@mail.example\r\nSubject: =?x-none?Q?=ff?=\r\nMessage-ID: <1@mail.example>\r\n\r\n\xff\x00bytes\r\n"
    )
    for given_as in (base64.b64encode(octets).decode(), base64.urlsafe_b64encode(octets).decode()):
        (message,) = google.control("inbound", {"raw": given_as})["messages"]
        found = google.gmail().messages().get(userId="me", id=message["id"], format="raw").execute()
        assert base64.urlsafe_b64decode(found["raw"]).endswith(octets)
    assert arrive(google, raw="From: ada@mail.example\r\nSubject: Plain\r\n\r\nText")["Subject"] == "Plain"


def test_attachments_of_any_type_arrive(google: Google) -> None:
    content = base64.b64encode(b"From: x\r\n\r\nnested").decode()
    files = [
        {"name": f"file{number}", "type": kind, "content": content}
        for number, kind in enumerate(["text/plain", "message/rfc822", "application/pdf"])
    ]
    message = arrive(google, sender="ada@mail.example", text="See these", attachments=files)
    assert [part.get_filename() for part in message.iter_attachments()] == ["file0", "file1", "file2"]


def test_the_mail_names_the_mailbox_as_its_recipient(google: Google) -> None:
    message = arrive(google, sender="ada@mail.example")
    assert (message["To"], message["Delivered-To"]) == (ADDRESS, ADDRESS)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"form": "ada@mail.example"}', "form: "),
        (b'{"count": 0}', "count: "),
        (b'{"attachments": [{"name": "x", "content": "%%"}]}', "no mail can be made of this"),
        (b"[]", "body: "),
        (b"{", "body: "),
    ],
)
def test_a_request_that_makes_no_mail_says_what_is_wrong(google: Google, body: bytes, field: str) -> None:
    answer = httpx.post(f"{google.url}/_control/inbound", content=body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0].startswith(field)


def nested(depth: int) -> bytes:
    """A mail in a mail in a mail …"""
    raw = b"Subject: innermost\r\n\r\ntext"
    for level in range(depth):
        raw = b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n%b\r\n--b%d--\r\n" % (
            level,
            level,
            raw,
            level,
        )
    return raw


@pytest.mark.parametrize("depth", [1, 50, 2000])
def test_a_mail_nested_deep_can_still_be_read(google: Google, depth: int) -> None:
    (message,) = google.control("inbound", {"raw": nested(depth).decode()})["messages"]
    found = google.gmail().messages().get(userId="me", id=message["id"]).execute()
    assert found["payload"]["mimeType"] == "multipart/mixed"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300) | st.tuples(st.binary(max_size=100), st.binary(max_size=200)).map(b"\r\n\r\n".join))
def test_no_bytes_are_beyond_reading(raw: bytes) -> None:
    mime.headers(raw)
    mime.snippet(raw)
    mime.payload(raw)
    assert mime.with_headers(raw, drop=["subject"], top="X: 1\r\n").startswith(b"X: 1\r\n")
