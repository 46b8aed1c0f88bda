"""Nothing is believed that Twilio did not sign for our address."""

from __future__ import annotations

import contextlib
import hashlib
import json
import string
import time
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.channels.tests.whatsapp.signing import (
    ACCOUNT,
    CUSTOMER,
    FORM,
    MESSAGE_PATH,
    PREVIOUS_TOKEN,
    PUBLIC_URL,
    SID,
    STATUS_PATH,
    TOKEN,
    ear,
    message,
    signature,
    signed,
)
from twilio.request_validator import RequestValidator

from channels.errors import BadSignature, WebhookUnreadable, WrongAccount
from channels.providers.whatsapp.signature import BODY_BYTES_MAX, Signatures


def test_a_signed_message_is_believed() -> None:
    heard = ear().heard(*signed(message()))

    assert (heard.sender.value, heard.sender.verified, heard.text) == (CUSTOMER, True, "How do I export a board?")


def test_what_these_tests_sign_is_what_twilios_library_accepts() -> None:
    _, _, path, said = signed(message())

    assert RequestValidator(TOKEN).validate(PUBLIC_URL + path, message(), said)


@pytest.mark.parametrize("said", ["", "garbage", "é", "\udc80", signed(message(), token="another")[3]])
def test_a_missing_or_wrong_signature_is_refused(said: str) -> None:
    body, content_type, path, _ = signed(message())

    with pytest.raises(BadSignature):
        ear().heard(body, content_type, path, said)


def test_the_token_before_is_accepted_while_it_rotates_and_not_afterwards() -> None:
    rotating = signed(message(), token=PREVIOUS_TOKEN)

    assert ear().heard(*rotating).provider_message_id == SID
    with pytest.raises(BadSignature):
        ear(tokens=[TOKEN, ""]).heard(*rotating)


def test_a_token_that_is_not_set_signs_nothing() -> None:
    with pytest.raises(BadSignature):
        ear(tokens=["", ""]).heard(*signed(message(), token=""))


@given(at=st.integers(min_value=0), flipped=st.integers(min_value=1, max_value=255))
@settings(max_examples=200, deadline=None)
def test_a_flipped_byte_never_says_anything_else(at: int, flipped: int) -> None:
    body, content_type, path, said = signed(message())
    at %= len(body)
    changed = body[:at] + bytes([body[at] ^ flipped]) + body[at + 1 :]

    try:
        heard = ear().heard(changed, content_type, path, said)
    except BadSignature:
        return
    # Another spelling of the same: %3a for %3A.
    assert heard == ear().heard(body, content_type, path, said)


def test_an_extra_parameter_is_refused() -> None:
    body, content_type, path, said = signed(message())

    with pytest.raises(BadSignature):
        ear().heard(body + b"&Extra=1", content_type, path, said)


def test_a_blank_parameter_counts_and_is_missed_when_it_is_dropped() -> None:
    body, content_type, path, said = signed(message(ButtonPayload=""))

    assert ear().heard(body, content_type, path, said).provider_message_id == SID
    with pytest.raises(BadSignature):
        ear().heard(body.replace(b"&ButtonPayload=", b""), content_type, path, said)


def test_a_parameter_that_comes_twice_with_one_value_is_one() -> None:
    body, content_type, path, said = signed(message())

    assert ear().heard(body + b"&NumMedia=0", content_type, path, said).provider_message_id == SID


def test_a_signed_parameter_with_two_values_is_named() -> None:
    pairs = [*message().items(), ("MessageSid", "SM" + "f" * 32)]

    with pytest.raises(WebhookUnreadable) as refused:
        ear().heard(urlencode(pairs).encode(), FORM, MESSAGE_PATH, signature(PUBLIC_URL + MESSAGE_PATH, pairs))

    assert refused.value.violations[0].field == "MessageSid"


@pytest.mark.parametrize("spelling", ["one+two", "one%20two"])
def test_a_blank_may_be_spelt_as_plus_or_in_hexadecimal(spelling: str) -> None:
    _, content_type, path, said = signed(message(Body="one two"))
    body = urlencode(message(Body="BODY")).replace("BODY", spelling).encode()

    assert ear().heard(body, content_type, path, said).text == "one two"


@pytest.mark.parametrize("encode", [quote, str], ids=["percent", "raw"])
def test_text_is_utf_8_whether_it_is_escaped_or_not(encode: type[str]) -> None:
    _, content_type, path, said = signed(message(Body="Grüße 👩‍👩‍👧"))
    body = urlencode(message(Body="BODY")).replace("BODY", encode("Grüße 👩‍👩‍👧").replace(" ", "+")).encode()

    assert ear().heard(body, content_type, path, said).text == "Grüße 👩‍👩‍👧"


@pytest.mark.parametrize("body", [b"Body=\xff", b"Body=%ff", b"\x00", b"&".join([b"a=1"] * 501)])
def test_bytes_that_are_no_form_of_twilios_are_refused(body: bytes) -> None:
    with pytest.raises(BadSignature):
        ear().heard(body, FORM, MESSAGE_PATH, signature(PUBLIC_URL + MESSAGE_PATH))


def test_bytes_that_are_no_text_do_not_pass_for_the_sign_that_stands_for_them() -> None:
    body, content_type, path, said = signed(message(Body="\ufffd"))

    with pytest.raises(BadSignature):
        ear().heard(body.replace(b"%EF%BF%BD", b"%FF"), content_type, path, said)


def test_a_body_that_is_too_long_is_told_how_long_it_may_be() -> None:
    with pytest.raises(WebhookUnreadable, match=str(BODY_BYTES_MAX)):
        ear().heard(b"x" * (BODY_BYTES_MAX + 1), FORM, MESSAGE_PATH, "")


@pytest.mark.parametrize(
    "origin",
    [
        PUBLIC_URL.replace("https", "http"),
        "https://evil.example",
        "https://support.techcorp.example:8443",
        "https://support.techcorp.example.evil.example",
    ],
)
def test_only_our_own_address_counts_whatever_was_signed(origin: str) -> None:
    with pytest.raises(BadSignature):
        ear().heard(*signed(message(), origin=origin))


@pytest.mark.parametrize(
    ("public_url", "origin"),
    [
        (PUBLIC_URL, PUBLIC_URL + ":443"),
        (PUBLIC_URL + ":443", PUBLIC_URL),
        ("http://support.techcorp.example", "http://support.techcorp.example:80"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
    ],
)
def test_the_port_of_the_scheme_may_be_spelt_out_or_not(public_url: str, origin: str) -> None:
    assert ear(public_url=public_url).heard(*signed(message(), origin=origin)).provider_message_id == SID


def test_the_query_is_part_of_the_address() -> None:
    body, content_type, path, said = signed(message(), path=MESSAGE_PATH + "?shard=1&b=")

    assert ear().heard(body, content_type, path, said).provider_message_id == SID
    for other in (MESSAGE_PATH, MESSAGE_PATH + "?shard=2&b=", MESSAGE_PATH + "?b=&shard=1", STATUS_PATH):
        with pytest.raises(BadSignature):
            ear().heard(body, content_type, other, said)


@pytest.mark.parametrize(
    "path", ["", "@evil.example/x", "api", "/é", "/\udc80", "//evil.example\n", "//[", "https://evil.example/"]
)
@pytest.mark.parametrize("content_type", [FORM, "application/json"])
def test_a_path_that_is_none_is_refused(path: str, content_type: str) -> None:
    with pytest.raises(BadSignature):
        ear().heard(b"{}", content_type, path, signature(PUBLIC_URL + MESSAGE_PATH))


def test_json_is_believed_by_its_hash() -> None:
    body = json.dumps(message()).encode()
    path = f"{MESSAGE_PATH}?bodySHA256={hashlib.sha256(body).hexdigest()}"

    heard = ear().heard(body, "application/json; charset=utf-8", path, signature(PUBLIC_URL + path))

    assert heard.provider_message_id == SID


@pytest.mark.parametrize("query", ["", "?bodySHA256=", "?bodySHA256=" + "0" * 64, "?other=1"])
def test_json_without_its_hash_or_with_another_is_a_bad_signature(query: str) -> None:
    path = MESSAGE_PATH + query

    with pytest.raises(BadSignature):
        ear().heard(json.dumps(message()).encode(), "application/json", path, signature(PUBLIC_URL + path))


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 20_000])
def test_signed_json_that_is_no_object_is_named(body: bytes) -> None:
    path = f"{MESSAGE_PATH}?bodySHA256={hashlib.sha256(body).hexdigest()}"

    with pytest.raises(WebhookUnreadable, match="body"):
        ear().heard(body, "application/json", path, signature(PUBLIC_URL + path))


def test_signed_json_with_text_that_no_text_can_hold_is_read() -> None:
    body = json.dumps(message(Body="a\ud800b\x00c")).encode()
    path = f"{MESSAGE_PATH}?bodySHA256={hashlib.sha256(body).hexdigest()}"

    assert ear().heard(body, "application/json", path, signature(PUBLIC_URL + path)).text == "a?bc"


def test_another_account_is_refused() -> None:
    with pytest.raises(WrongAccount):
        ear().heard(*signed(message(AccountSid="AC" + "6" * 32)))


def test_an_account_sid_that_is_not_configured_is_not_everybodys() -> None:
    without = {name: value for name, value in message().items() if name != "AccountSid"}

    for account in (ACCOUNT, ""):
        with pytest.raises(WrongAccount):
            ear(account_sid=account).heard(*signed(without))


def test_a_replayed_message_cannot_pass_for_a_new_one_by_moving_where_its_names_begin() -> None:
    _, content_type, path, said = signed(message())
    moved = message(MessageSid=SID + "MessageTypetext")
    del moved["MessageType"]
    assert signature(PUBLIC_URL + path, list(moved.items())) == said

    with pytest.raises(WebhookUnreadable, match="MessageSid"):
        ear().heard(urlencode(moved).encode(), content_type, path, said)


@given(
    body=st.binary(max_size=400) | st.text(string.printable, max_size=400).map(str.encode),
    content_type=st.sampled_from([FORM, "application/json", "text/plain", ""]),
    path=st.text(max_size=80).map(lambda tail: MESSAGE_PATH + "?" + tail) | st.text(max_size=80),
    said=st.text(max_size=60),
)
@settings(max_examples=300, deadline=None)
def test_whatever_is_sent_is_refused_and_nothing_else_happens(
    body: bytes, content_type: str, path: str, said: str
) -> None:
    with pytest.raises(BadSignature):
        ear().heard(body, content_type, path, said)


@given(
    parameters=st.dictionaries(
        st.sampled_from([*message(), "MediaUrl0", "MediaContentType0", "Latitude", "Longitude", "OptOutType", "x"]),
        st.text(max_size=60),
    )
)
@settings(max_examples=300, deadline=None)
def test_whatever_is_signed_is_read_or_refused(parameters: dict[str, str]) -> None:
    # As Twilio could send it: a lone surrogate is no text.
    sent = {**message(), **{name: value.encode(errors="replace").decode() for name, value in parameters.items()}}

    for take in (ear().heard, ear().receipt):
        # Nothing else comes out than these.
        with contextlib.suppress(WebhookUnreadable, WrongAccount):
            take(*signed(sent))


def test_the_time_to_check_grows_no_faster_than_the_body() -> None:
    signatures = Signatures(PUBLIC_URL, [TOKEN])

    def seconds(characters: int) -> float:
        webhook = signed(message(Body="x&=% " * (characters // 5)))
        best = float("inf")
        for _ in range(5):
            begun = time.perf_counter()
            signatures.verified(*webhook)
            best = min(best, time.perf_counter() - begun)
        return best

    # Eight times the body: far from the 64 that a square would take.
    assert seconds(24_000) < 30 * seconds(3_000)
