"""What a customer says on WhatsApp, in whatever form."""

from __future__ import annotations

import pytest
from services.channels.tests.whatsapp.signing import CUSTOMER, OWN_NUMBER, SID, ear, message, signed

from channels.errors import WebhookUnreadable
from channels.model import (
    ATTACHMENTS_MAX,
    NAME_CHARACTERS_MAX,
    TEXT_CHARACTERS_MAX,
    Attachment,
    Channel,
    Heard,
    Sender,
    SenderType,
    Suppression,
)

ACCOUNT_MEDIA = "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages/MM1/Media"


def heard(**parameters: str) -> Heard:
    return ear().heard(*signed(message(**parameters)))


def test_a_message_is_its_senders_own_word() -> None:
    assert heard() == Heard(
        channel=Channel.WHATSAPP,
        provider_message_id=SID,
        sender=Sender(SenderType.PHONE, CUSTOMER, "Marco", verified=True),
        subject="",
        text="How do I export a board?",
    )


@pytest.mark.parametrize(
    "sender",
    ["", "whatsapp:", CUSTOMER, "whatsapp:12125550111", "whatsapp:+0123456789", "whatsapp:+1212555011x", "sms:+1"],
)
def test_a_sender_without_a_whatsapp_number_is_named(sender: str) -> None:
    with pytest.raises(WebhookUnreadable, match="From"):
        heard(From=sender)


@pytest.mark.parametrize("sid", ["", "SM1", SID.upper(), SID + "0", SID + "\n", "XX" + SID[2:]])
def test_a_message_without_its_sid_is_named(sid: str) -> None:
    with pytest.raises(WebhookUnreadable, match="MessageSid"):
        heard(MessageSid=sid)


def test_a_profile_name_is_one_line_of_a_name_s_length_without_tricks() -> None:
    assert heard(ProfileName=" Mar\u202eco\n\t\x00 Rossi\r\n").sender.display_name == "Marco Rossi"
    assert heard(ProfileName="").sender.display_name == ""
    assert len(heard(ProfileName="n" * 5000).sender.display_name) == NAME_CHARACTERS_MAX


def test_a_long_name_is_not_cut_inside_of_a_character() -> None:
    family = "👩‍👩‍👧‍👦"

    assert heard(ProfileName="n" * (NAME_CHARACTERS_MAX - 3) + family).sender.display_name == "n" * 97


def test_text_is_cleaned_and_keeps_its_lines_and_joiners() -> None:
    assert heard(Body=" one\r\ntwo\x00\x1b\u202e 👩‍👩‍👧 ").text == "one\ntwo 👩‍👩‍👧"


def test_text_is_never_longer_than_the_desk_takes() -> None:
    long = heard(Body="x" * 30_000, MediaUrl0=f"{ACCOUNT_MEDIA}/ME1", MediaContentType0="image/png").text

    assert len(long) <= TEXT_CHARACTERS_MAX
    assert long.endswith("[The customer sent 1 image]")


def test_media_are_recorded_and_said() -> None:
    said = heard(
        Body="What is this?",
        NumMedia="2",
        MediaUrl0=f"{ACCOUNT_MEDIA}/ME1",
        MediaContentType0="image/jpeg",
        MediaUrl1=f"{ACCOUNT_MEDIA}/ME2",
        MediaContentType1="application/pdf",
    )

    assert said.attachments == (Attachment("ME1", "image/jpeg"), Attachment("ME2", "application/pdf"))
    assert said.text == "What is this?\n\n[The customer sent 1 image and 1 file]"


@pytest.mark.parametrize(
    ("types", "said"),
    [
        (["image/jpeg"], "1 image"),
        (["image/jpeg", "image/png"], "2 images"),
        (["audio/ogg; codecs=opus"], "1 voice message"),
        (["text/vcard"], "1 contact"),
        (["video/mp4", "image/webp", "text/csv", "text/csv"], "1 video, 1 image and 2 files"),
        (["<script>"], "1 file"),
    ],
)
def test_a_message_that_is_only_media_says_so(types: list[str], said: str) -> None:
    parameters = {"Body": "", "NumMedia": str(len(types))}
    for number, media_type in enumerate(types):
        parameters |= {f"MediaUrl{number}": f"{ACCOUNT_MEDIA}/ME{number}", f"MediaContentType{number}": media_type}

    assert heard(**parameters).text == f"[The customer sent {said}]"


@pytest.mark.parametrize("address", ["http://[", "https://x/" + "a" * 200, "https://x/a b", "", "/"])
def test_a_media_address_that_names_nothing_is_recorded_without_a_name(address: str) -> None:
    assert heard(MediaUrl0=address, MediaContentType0="image/png").attachments == (Attachment("", "image/png"),)


@pytest.mark.parametrize("count", ["0", "1", "-1", "999999999999", "many", ""])
def test_a_wrong_count_of_media_loses_no_message(count: str) -> None:
    said = heard(NumMedia=count, MediaUrl0=f"{ACCOUNT_MEDIA}/ME1", MediaContentType0="image/png")

    assert len(said.attachments) == 1


def test_attachments_are_as_many_as_the_contract_takes() -> None:
    many = {f"MediaUrl{number}": f"{ACCOUNT_MEDIA}/ME{number}" for number in range(ATTACHMENTS_MAX + 5)}

    assert len(heard(**many).attachments) == ATTACHMENTS_MAX


def test_a_location_is_said_in_words() -> None:
    said = heard(Body="", Latitude="51.5", Longitude="-0.12", Label="Our\noffice", Address="1 High Street")

    assert said.text == "[The customer sent a location: Our office, 1 High Street, 51.5, -0.12]"


def test_a_location_without_a_place_is_none() -> None:
    assert heard(Latitude="51.5", Longitude="DROP TABLE").text == "How do I export a board?"


@pytest.mark.parametrize("parameter", ["ButtonText", "ListTitle"])
def test_the_choice_of_a_button_or_a_list_is_what_was_said(parameter: str) -> None:
    assert heard(Body="", **{parameter: "Yes, please"}).text == "Yes, please"
    assert heard(Body="Yes, please", **{parameter: "Yes, please"}).text == "Yes, please"


@pytest.mark.parametrize("body", ["", " ", "\n", "\x00", "\u200b"])
def test_a_message_without_anything_to_show_still_reaches_a_person(body: str) -> None:
    assert heard(Body=body, MessageType="poll").text == (
        "[The customer sent a message of a kind that cannot be shown here]"
    )


@pytest.mark.parametrize("word", ["STOP", "stop", " Stop. ", '"stop"', "STOPALL", "Unsubscribe", "OPTOUT", "revoke!"])
def test_a_stop_word_opts_out(word: str) -> None:
    assert heard(Body=word).suppression is Suppression.OPT_OUT


@pytest.mark.parametrize("word", ["START", "start", "Unstop"])
def test_a_start_word_opts_in(word: str) -> None:
    assert heard(Body=word).suppression is Suppression.OPT_IN


@pytest.mark.parametrize(
    "words", ["How do I stop the export?", "stop it", "Cancel", "END", "quit", "yes", "Help", "restart"]
)
def test_a_word_that_may_be_an_answer_is_one(words: str) -> None:
    assert heard(Body=words).suppression is None


@pytest.mark.parametrize(
    ("said", "suppression"),
    [("STOP", Suppression.OPT_OUT), ("START", Suppression.OPT_IN), ("HELP", None), ("", None), ("?", None)],
)
def test_what_twilio_took_for_an_opt_out_is_one(said: str, suppression: Suppression | None) -> None:
    assert heard(Body="arrêt", OptOutType=said).suppression is suppression


@pytest.mark.parametrize("own", [OWN_NUMBER, f"whatsapp:{OWN_NUMBER}"])
def test_our_own_number_is_not_answered(own: str) -> None:
    from_us = signed(message(From=f"whatsapp:{OWN_NUMBER}", Body="STOP"))

    assert ear(own_number=own).heard(*from_us).suppression is Suppression.OWN_MAIL
