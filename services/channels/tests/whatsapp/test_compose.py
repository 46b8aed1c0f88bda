"""Letters in WhatsApp's form."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from services.channels.tests.whatsapp.sending import CONTENT_SID, whatsapp

from channels.model import Content, DeliveryKind, Sender, SenderType
from channels.providers.base import Letter, Refused

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
YESTERDAY = timedelta(hours=24)


def letter(
    text: str,
    *,
    heard_ago: timedelta | None = timedelta(minutes=1),
    written_ago: timedelta | None = timedelta(minutes=1),
    name: str = "Marco Rossi",
) -> Letter:
    return Letter(
        delivery_id=uuid.uuid4(),
        kind=DeliveryKind.REPLY,
        reference="TKT-7K3Q9V",
        recipient=Sender(SenderType.PHONE, "+12125550111", name, verified=True),
        subject="",
        text=text,
        now=NOW,
        last_heard=None if heard_ago is None else NOW - heard_ago,
        last_written=None if written_ago is None else NOW - written_ago,
    )


def texts(composed: Letter) -> list[str]:
    return [content.text for content in whatsapp().compose(composed)]


def test_the_reference_stands_under_the_answer() -> None:
    assert texts(letter("Select Export.")) == ["Select Export.\n\nRef. TKT-7K3Q9V"]


def test_a_long_answer_is_several_messages_and_the_last_has_the_reference() -> None:
    said = texts(letter("Open the settings and select Export. " * 20))

    assert len(said) > 1
    assert all(len(part) <= 300 for part in said)
    assert ["Ref. TKT-7K3Q9V" in part for part in said] == [False] * (len(said) - 1) + [True]


def test_the_first_message_of_a_day_greets_by_name() -> None:
    assert texts(letter("Select Export.", written_ago=None)) == ["Hi Marco,\nSelect Export.\n\nRef. TKT-7K3Q9V"]
    assert texts(letter("Select Export.", written_ago=timedelta(hours=13)))[0].startswith("Hi Marco,\n")


@pytest.mark.parametrize("name", ["", "https://evil.example", "12345", "*Marco*", "x" * 40, "👻"])
def test_a_profile_name_that_is_no_name_is_not_said(name: str) -> None:
    assert texts(letter("Select Export.", written_ago=None, name=name))[0].startswith("Hi,\n")


def test_a_greeting_is_not_worth_a_message_of_its_own() -> None:
    sentence = "x" * 279 + ".."

    assert texts(letter(sentence, written_ago=None)) == [f"{sentence}\n\nRef. TKT-7K3Q9V"]


@pytest.mark.parametrize("heard_ago", [timedelta(0), timedelta(hours=23, minutes=58), -timedelta(minutes=10)])
def test_free_text_goes_within_the_window(heard_ago: timedelta) -> None:
    content = whatsapp(content_sid="").compose(letter("Select Export.", heard_ago=heard_ago))[0]

    assert not content.template


@pytest.mark.parametrize("heard_ago", [None, YESTERDAY, timedelta(days=30)])
def test_outside_the_window_the_approved_template_goes(heard_ago: timedelta | None) -> None:
    assert whatsapp().compose(letter("1. Open it.\n2. Select  Export.", heard_ago=heard_ago)) == [
        Content("", template=CONTENT_SID, variables={"1": "TKT-7K3Q9V", "2": "1. Open it. 2. Select Export."})
    ]


def test_a_long_answer_is_several_templates_and_nothing_of_it_is_lost() -> None:
    text = "Open the settings and select Export. " * 60

    said = whatsapp(characters_max=1600).compose(letter(text, heard_ago=None))

    assert " ".join(content.variables["2"] for content in said) == text.strip()
    assert all(len(content.variables["2"]) <= 800 for content in said)


def test_outside_the_window_without_a_template_a_person_decides() -> None:
    with pytest.raises(Refused, match="OUTSIDE_WINDOW"):
        whatsapp(content_sid="").compose(letter("Select Export.", heard_ago=YESTERDAY))


def test_a_link_that_no_template_can_hold_is_left_to_a_person() -> None:
    with pytest.raises(Refused, match="OUTSIDE_WINDOW"):
        whatsapp().compose(letter("https://techcorp.example/" + "x" * 900, heard_ago=YESTERDAY))


def test_each_part_carries_what_a_template_would_say_in_place_of_the_rest() -> None:
    said = whatsapp(characters_max=60).compose(letter("Open the settings, then the data.\nSelect Export there."))

    assert [content.text for content in said] == [
        "Open the settings, then the data.",
        "Select Export there.\n\nRef. TKT-7K3Q9V",
    ]
    assert [content.variables for content in said] == [
        {"1": "TKT-7K3Q9V", "2": "Open the settings, then the data. Select Export there."},
        {"1": "TKT-7K3Q9V", "2": "Select Export there."},
    ]


def test_what_no_template_can_hold_is_carried_by_none() -> None:
    said = whatsapp().compose(letter("Open the settings and select Export. " * 40))

    assert not said[0].variables
    assert said[-1].variables
    assert not whatsapp().compose(letter("https://techcorp.example/" + "x" * 280))[-1].variables


def test_the_same_letter_is_composed_the_same_again() -> None:
    one = letter("Open the settings. " * 40)

    assert whatsapp().compose(one) == whatsapp().compose(one)
