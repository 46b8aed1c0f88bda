"""A customer's own words are kept, and what their mail program added is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.providers.gmail.quotes import CHARACTERS_READ_MAX, own_words

OLD = "We have seen this.\nKind regards,\nThe Planwright support team"
MARKED = "\n".join(f"> {line}" for line in OLD.split("\n"))

INTRODUCTIONS = [
    "On Mon, 3 Nov 2025 at 10:12, Ada Lovelace <ada@customer.example> wrote:",
    "On Nov 3, 2025, at 10:12 AM, Support <support@techcorp.example> wrote:",
    "On Mon, 3 Nov 2025 at 10:12, Planwright support\n<support@techcorp.example> wrote:",
    "Am Mo., 3. Nov. 2025 um 10:12 Uhr schrieb Support <support@techcorp.example>:",
    "Am 03.11.2025 um 10:12 schrieb Support:",
    "Le lun. 3 nov. 2025 à 10:12, Support <support@techcorp.example> a écrit :",
    "Le 03/11/2025 à 10:12, Support a écrit\u00a0:",
    "El lun, 3 nov 2025 a las 10:12, Support (<support@techcorp.example>) escribió:",
    "Em seg., 3 de nov. de 2025 às 10:12, Support <support@techcorp.example> escreveu:",
    "Il giorno lun 3 nov 2025 alle ore 10:12 Support <support@techcorp.example> ha scritto:",
    "Op ma 3 nov 2025 om 10:12 schreef Support <support@techcorp.example>:",
    "W dniu 3.11.2025 o 10:12, Support pisze:",
    "Den mån 3 nov. 2025 kl 10:12 skrev Support <support@techcorp.example>:",
    "2025-11-03 10:12 GMT+01:00 Support <support@techcorp.example>:",
]

OUTLOOK = [
    "From: Support <support@techcorp.example>\nSent: Monday, November 3, 2025 10:12\nTo: Ada\nSubject: Re: Export",
    "Von: Support <support@techcorp.example>\nGesendet: Montag, 3. November 2025 10:12\nAn: Ada\nBetreff: AW: Export",
    "De : Support <support@techcorp.example>\nEnvoyé : lundi 3 novembre 2025 10:12\nÀ : Ada\nObjet : RE: Export",
    "De: Support <support@techcorp.example>\nEnviado: lunes, 3 de noviembre de 2025\nPara: Ada\nAsunto: RE: Export",
    "Da: Support <support@techcorp.example>\nInviato: lunedì 3 novembre 2025\nA: Ada\nOggetto: R: Export",
    "*From:* Support <support@techcorp.example>\n*Sent:* Monday\n*To:* Ada\n*Subject:* Re: Export",
]


@pytest.mark.parametrize("introduction", INTRODUCTIONS)
@pytest.mark.parametrize("earlier", [MARKED, OLD], ids=["marked", "unmarked"])
def test_an_earlier_mail_below_is_left_out(introduction: str, earlier: str) -> None:
    assert own_words(f"It still fails.\n\n{introduction}\n\n{earlier}\n") == "It still fails."


@pytest.mark.parametrize("block", OUTLOOK)
@pytest.mark.parametrize("rule", ["", "________________________________\n"])
def test_what_outlook_puts_below_is_left_out(block: str, rule: str) -> None:
    assert own_words(f"It still fails.\n\n{rule}{block}\n\n{OLD}") == "It still fails."


@pytest.mark.parametrize(
    "line", ["-----Original Message-----", "-----Ursprüngliche Nachricht-----", "-- Message original --"]
)
def test_what_follows_an_original_message_line_is_left_out(line: str) -> None:
    assert own_words(f"It still fails.\n\n{line}\nFrom: Support\n\n{OLD}") == "It still fails."


@pytest.mark.parametrize("introduction", INTRODUCTIONS[:1])
def test_an_answer_below_the_quotation_is_kept(introduction: str) -> None:
    assert own_words(f"{introduction}\n{MARKED}\n\nIt still fails.") == "It still fails."


def test_answers_between_the_lines_are_kept() -> None:
    text = f"Thanks.\n\n{INTRODUCTIONS[0]}\n> Which browser?\n\nFirefox.\n\n> Which plan?\n\nTeam.\n"
    words = own_words(text)
    assert [word for word in ("Thanks.", "Firefox.", "Team.") if word in words] == ["Thanks.", "Firefox.", "Team."]
    assert "browser" not in words


def test_an_answer_below_nested_quotations_is_kept() -> None:
    text = (
        f"{INTRODUCTIONS[0]}\n> On Sun, 2 Nov 2025 at 9:00, Ada <ada@customer.example> wrote:\n>> old\n> newer\n\nMine."
    )
    assert own_words(text) == "Mine."


@pytest.mark.parametrize(
    "text",
    [
        "On Monday my colleague wrote:\n\nthe export is broken",
        "To: whom it may concern\nSubject: your export\n\nIt is broken.",
        "I wrote:\nTo: somebody\n\nWhat went wrong?",
        "From: the first day it was slow.\nIt is slow.",
        "It fails with:\n-a\n-b\n-c",
        "Steps:\n- one\n- two\n\n-- three dashes --",
        "I use a -- and then a --- in text.",
        "Am Montag schrieb ich Ihnen:\nnichts geht mehr",
        "a > b, and b > c",
        "Sent from my old account I get no mails.",
    ],
)
def test_words_that_look_like_a_programs_are_kept(text: str) -> None:
    assert own_words(text) == text


@pytest.mark.parametrize(
    "signature",
    [
        "-- \nAda Lovelace\nAnalytical Engines Ltd\n+44 20 7946 0000",
        "--\nAda",
        "Sent from my iPhone",
        "Von meinem iPhone gesendet",
        "Envoyé de mon iPhone",
        "Enviado desde mi iPhone",
        "Get Outlook for iOS<https://aka.ms/o0ukef>",
    ],
)
def test_a_signature_is_left_out(signature: str) -> None:
    assert own_words(f"It still fails.\n\n{signature}\n") == "It still fails."
    assert own_words(f"It still fails.\n\n{signature}\n\n{INTRODUCTIONS[0]}\n{MARKED}") == "It still fails."


@pytest.mark.parametrize(
    "text",
    [
        "See below.\n\n---------- Forwarded message ---------\nFrom: Bob <b@x.example>\nDate: Mon\n\nMy board is gone.",
        "-------- Weitergeleitete Nachricht --------\nBetreff: x\n\nMein Board ist weg.",
        "Begin forwarded message:\n\nFrom: Bob\nDate: Mon\nTo: Ada\n\nMy board is gone.",
    ],
)
def test_what_is_forwarded_is_kept(text: str) -> None:
    assert own_words(text) == text


@pytest.mark.parametrize("text", [MARKED, f"{INTRODUCTIONS[0]}\n{MARKED}", OUTLOOK[0], "-- \nAda", "> > >"])
def test_a_mail_of_which_nothing_would_be_left_is_kept(text: str) -> None:
    assert own_words(text) == text


@given(
    st.lists(st.sampled_from([*INTRODUCTIONS, *OUTLOOK, "-- ", "> ", "", "word", ":", "-----Original Message-----"]))
)
def test_any_mixture_is_read_and_nothing_is_added(lines: list[str]) -> None:
    text = "\n".join(lines)
    words = own_words(text)
    assert len(words) <= len(text)
    assert bool(words) == bool(text.strip())


def test_what_is_past_the_limit_is_not_read() -> None:
    assert len(own_words("a" * 100_000)) == CHARACTERS_READ_MAX
