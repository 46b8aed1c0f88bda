"""No mail can stop the reader, slow it down, or have it leave its limits."""

from __future__ import annotations

import base64
import time

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from services.channels.tests.gmail.mails import OUR_ADDRESS, heard, mail, multipart

from channels.model import ATTACHMENTS_MAX, TEXT_CHARACTERS_MAX, Suppression
from channels.providers.gmail import mime
from channels.providers.gmail.mime import DEPTH_MAX, PARTS_MAX

PLAIN = "Content-Type: text/plain; charset=utf-8\r\n\r\n"
HTML = "Content-Type: text/html; charset=utf-8\r\n\r\n"


# Limits.


def test_a_thousand_parts_are_read_and_the_rest_is_recorded() -> None:
    content_type, body = multipart("mixed", *(f"{PLAIN}part {number}" for number in range(PARTS_MAX + 500)))
    found = heard(mail(content_type, body=body)).heard
    assert f"part {PARTS_MAX - 1}\n" in found.text + "\n"
    assert f"part {PARTS_MAX}" not in found.text
    assert found.attachments[-1].file_name == "(not read)"
    assert found.attachments[-1].size_bytes > 400 * len(PLAIN)


def test_a_thousand_files_are_fifty_facts() -> None:
    file = "Content-Type: image/png\r\nContent-Disposition: attachment; filename=a.png\r\n\r\nPNG"
    content_type, body = multipart("mixed", f"{PLAIN}words", *([file] * 900))
    found = heard(mail(content_type, body=body)).heard
    assert len(found.attachments) == ATTACHMENTS_MAX
    assert found.attachments[-1].file_name == "(851 further files)"
    assert found.attachments[-1].size_bytes == 851 * 3


def test_a_mail_nested_past_the_limit_is_read_down_to_it() -> None:
    inner = f"{PLAIN}deepest"
    for depth in range(3 * DEPTH_MAX):
        content_type, body = multipart("mixed", f"{PLAIN}level {depth}", inner, boundary=f"b{depth}x")
        inner = f"{content_type}\r\n\r\n{body}"
    content_type, _, body = inner.partition("\r\n\r\n")
    found = heard(mail(content_type, body=body)).heard
    assert f"level {3 * DEPTH_MAX - 1}" in found.text
    assert "deepest" not in found.text
    assert found.attachments[-1].file_name == "(not read)"


def test_a_text_past_the_limit_is_cut_and_its_rest_recorded() -> None:
    found = heard(mail(body="word " * 10_000)).heard
    assert len(found.text) <= TEXT_CHARACTERS_MAX
    rest = found.attachments[-1]
    assert (rest.file_name, rest.media_type) == ("(rest of the text)", "text/plain")
    assert rest.size_bytes >= 50_000 - TEXT_CHARACTERS_MAX - 1


def seconds_to_hear(raw: bytes) -> float:
    taken = []
    for _ in range(3):
        began = time.process_time()
        heard(raw)
        taken.append(time.process_time() - began)
    return min(taken)


SLOW = {
    "on": "On ",
    "on lines": "On x 1\n",
    "dashes": "--",
    "signatures": "-- \n",
    "marks": "> ",
    "headers": "From: x\nTo: y\n",
    "rules": "_" * 40 + "\n",
    "words": "=?utf-8?q?a",
    "divs": "<div>",
    "formatting": "<b><i><u>",
    "anchors": "<a><b>",
    "tables": "<table>",
    "fonts": '<font size="1">x<p>',
    "paragraphs": "<p><b>",
    "entities": "&#x1F600;",
    "unclosed": "<a b='",
    "hidden": '<p style="display:none">',
    "blocks": "<div>x</div>",
    "quotes": '<blockquote type="cite">x',
    "siblings": '<div class="gmail_quote">x</div>',
    "boundaries": "--cut\r\n",
    "half boundaries": "--cu",
    "wrong boundaries": "--cut x\r\n",
    "headers without end": "X: y\r\n",
}


@pytest.mark.parametrize("shape", SLOW)
@pytest.mark.parametrize("content_type", ["text/plain", "text/html", 'multipart/mixed; boundary="cut"'])
def test_no_shape_of_mail_takes_more_than_linear_time(shape: str, content_type: str) -> None:
    def raw(size: int) -> bytes:
        return mail(f"Content-Type: {content_type}", body=SLOW[shape] * (size // len(SLOW[shape])))

    small, large = seconds_to_hear(raw(200_000)), seconds_to_hear(raw(1_600_000))
    # Eight times the size: a square would be 64 times as long. Small times are noise.
    assert large < max(24 * small, 0.05), (small, large)
    assert large < 0.5


def test_twenty_five_megabytes_take_as_much_longer_as_they_are_larger() -> None:
    def raw(megabytes: int) -> bytes:
        file = base64.encodebytes(bytes(740_000 * megabytes)).decode()
        part = f"Content-Type: image/png; name=a.png\r\nContent-Transfer-Encoding: base64\r\n\r\n{file}"
        content_type, body = multipart("mixed", f"{PLAIN}words", part)
        return mail(content_type, body=body)

    one, twenty_five = seconds_to_hear(raw(1)), seconds_to_hear(raw(25))
    assert twenty_five < max(60 * one, 0.05), (one, twenty_five)


# Anything at all.

_pieces = st.sampled_from(
    [
        b"From: ", b"Subject: ", b"Content-Type: ", b"multipart/mixed",
        b"multipart/report; report-type=delivery-status",
        b"; boundary=", b"cut", b"--cut\r\n", b"--cut--", b"text/html", b"text/plain", b"message/rfc822", b"; charset=",
        b"utf-7", b"idna", b"Content-Transfer-Encoding: base64", b"quoted-printable", b"\r\n", b"\n", b"\r\n\r\n", b" ",
        b"\x00", b"\xff\xfe", b"=?utf-8?b?", b"?=", b"=?a?q?=", b"<a@b.example>", b'"', b"\\", b"(", b"filename*0*=",
        b"''%ff", b"Authentication-Results: mx.google.com; dmarc=pass", b"Action: failed", b"Status: 5.1.1",
        b"References: ", b"message/delivery-status", b"On 1 wrote:", b"<div>", b"</b>", b"<blockquote type=cite>",
        b"begin 644 a", b"Content-Disposition: attachment; filename=", b"\xf0\x9f\x98\x80", b"\xed\xa0\x80",
    ]
)  # fmt: skip
_mails = st.one_of(
    st.binary(max_size=2000), st.lists(st.one_of(_pieces, st.binary(max_size=8)), max_size=60).map(b"".join)
)


@settings(max_examples=400, deadline=2000, suppress_health_check=[HealthCheck.too_slow])
@given(_mails)
@example(b"")
@example(b"\r\n")
@example(b"Content-Type: text/plain; charset*0*=utf-8''%ff; charset*1=x\r\n\r\nx")
@example(b"Content-Type: text/plain; charset*=idna''%ff\r\n\r\nx")
@example(b'From: "' + b"\\" * 999 + b"\r\n\r\n")
def test_no_bytes_make_the_reader_raise_or_leave_its_limits(raw: bytes) -> None:
    found = heard(raw)
    text, attachments = found.heard.text, found.heard.attachments
    assert 0 < len(text) <= TEXT_CHARACTERS_MAX
    assert "\x00" not in text
    assert "\x00" not in found.heard.subject
    assert len(attachments) <= ATTACHMENTS_MAX
    # What cannot be written as UTF-8 could be neither stored nor published.
    for value in (text, found.heard.subject, *found.heard.thread.references, *(file.file_name for file in attachments)):
        value.encode()
    if not found.heard.sender.value:
        assert found.heard.suppression in (Suppression.AUTOMATIC, Suppression.OWN_MAIL, Suppression.BOUNCE)
    assert found.heard.sender.value != OUR_ADDRESS or found.heard.suppression is Suppression.OWN_MAIL


@settings(max_examples=100, deadline=2000)
@given(st.binary(max_size=3000), st.sampled_from(["text/html", "text/plain", "multipart/mixed; boundary=cut"]))
def test_no_body_makes_the_reader_raise(body: bytes, content_type: str) -> None:
    mime.parse(mail(f"Content-Type: {content_type}", body=body))
