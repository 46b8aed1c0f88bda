"""What the load generator sends is what providers and mail programs send."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from twilio.request_validator import RequestValidator

from bench.mails import MEBIBYTE, SHAPES
from bench.requests import WHATSAPP_PATH, WhatsappMessages
from channels.providers.gmail.mime import parse

MESSAGES = WhatsappMessages("AC1", "token", "http://127.0.0.1:8080", "+14155550100", ("Hello", "Help, please"))


def parameters(number: int) -> tuple[dict[str, str], str]:
    """The parameters and the signature of a message."""
    head, _, body = MESSAGES.request("run", number, 8080).partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().splitlines()[1:])
    assert int(headers["content-length"]) == len(body)
    return dict(parse_qsl(body.decode())), headers["x-twilio-signature"]


def test_a_message_is_signed_as_twilios_own_library_expects() -> None:
    said, signature = parameters(1)
    assert RequestValidator("token").validate(MESSAGES.public_url + WHATSAPP_PATH, said, signature)
    assert said["Body"] == "Help, please"


def test_no_two_messages_are_one() -> None:
    assert len({parameters(number)[0]["MessageSid"] for number in range(1000)}) == 1000


@pytest.mark.parametrize("shape", SHAPES)
def test_a_mail_has_about_the_size_asked_for_and_its_words_are_found(shape: str) -> None:
    raw = SHAPES[shape](MEBIBYTE)
    assert len(raw) == pytest.approx(MEBIBYTE, rel=0.05)
    assert "export" in parse(raw).text
