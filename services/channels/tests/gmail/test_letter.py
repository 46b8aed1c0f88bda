"""A mail of ours is written as the brand voice says, and carries nothing that others put into it."""

from __future__ import annotations

import dataclasses
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from services.channels.tests.gmail.mails import OUR_ADDRESS, RECEIVE_TIME

from channels.model import Content, DeliveryKind, Sender, SenderType, Thread
from channels.providers.base import Letter
from channels.providers.gmail.letter import Letters, reply_subject, split_words, usable_name

LETTERS = Letters(address=OUR_ADDRESS, company="Planwright", words_max=500)
ENGLISH = "You can reset the password yourself from the sign-in page."
GERMAN = (
    "Sie können das Passwort auf der Anmeldeseite selbst zurücksetzen. Der Link ist 60 Minuten gültig und nicht länger."
)
FRENCH = "Vous pouvez réinitialiser le mot de passe sur la page de connexion. Le lien est valable pour une heure."
SPANISH = "Usted puede restablecer la contraseña en la página de inicio. El enlace es válido una hora y no más."
PORTUGUESE = "Você pode redefinir a senha na página de entrada. O link é válido por uma hora e não mais."


def letter(text: str = ENGLISH, name: str = "Anna Muster", **fields: Any) -> Letter:
    made = Letter(
        delivery_id=uuid.uuid4(),
        kind=DeliveryKind.REPLY,
        reference="TKT-7K3Q9V",
        recipient=Sender(SenderType.EMAIL, "anna@customer.example", name, verified=True),
        subject="Password",
        text=text,
        now=RECEIVE_TIME,
    )
    return dataclasses.replace(made, **fields)


def composed(*arguments: str, **fields: Any) -> Content:
    (content,) = LETTERS.compose(letter(*arguments, **fields))
    return content


def test_a_reply_has_greeting_body_sign_off_and_reference() -> None:
    assert composed().text == (
        "Hello Anna,\n\nYou can reset the password yourself from the sign-in page.\n\n"
        "Kind regards,\nThe Planwright support team\n\nYour reference: TKT-7K3Q9V\n"
    )


@pytest.mark.parametrize(
    ("body", "greeting", "sign_off"),
    [
        (ENGLISH, "Hello Anna,", "Kind regards,"),
        (GERMAN, "Guten Tag Anna,", "Freundliche Grüße"),
        (FRENCH, "Bonjour Anna,", "Bien cordialement,"),
        (SPANISH, "Hola, Anna:", "Un cordial saludo,"),
        (PORTUGUESE, "Olá, Anna,", "Atenciosamente,"),
        ("OK.", "Hello Anna,", "Kind regards,"),
    ],
)
def test_greeting_and_sign_off_are_in_the_language_of_the_body(body: str, greeting: str, sign_off: str) -> None:
    text = composed(body).text
    assert text.startswith(f"{greeting}\n\n")
    assert f"\n\n{sign_off}\nThe Planwright" in text


@pytest.mark.parametrize(
    ("display_name", "name"),
    [
        ("Anna", "Anna"),
        ("Anna Maria Muster", "Anna"),
        ("Muster, Anna", "Anna"),
        ("Anna van der Berg", "Anna"),
        ("Jean-Luc O'Neill", "Jean-Luc"),
        ("Øyvind", "Øyvind"),
        ("李 明", ""),
        ("李明", "李明"),
        ("", ""),
        ("anna", ""),
        ("anna@customer.example", ""),
        ("Anna2", ""),
        ("+49 170 1234567", ""),
        ("Click here to win", ""),
        ("Visit https://evil.example", ""),
        ("Anna\r\nBcc: x", ""),
        ("A", ""),
        ("Dr. Anna Muster", ""),
        ("Your Account Is Locked Call Us", ""),
        ("X" * 200, ""),
        ("<b>Anna</b>", ""),
    ],
)
def test_only_what_looks_like_a_name_is_greeted_by(display_name: str, name: str) -> None:
    assert usable_name(display_name) == name
    assert composed(ENGLISH, display_name).text.startswith(f"Hello {name}," if name else "Hello,")


def test_html_says_the_same_and_runs_nothing() -> None:
    content = composed('Use <b> & "quotes".\n\n1. One\n2. Two <script>alert(1)</script>')
    assert "<p>Use &lt;b&gt; &amp; &quot;quotes&quot;.\n\n" not in content.html
    assert "&lt;b&gt; &amp; &quot;quotes&quot;." in content.html
    assert "1. One<br>2. Two &lt;script&gt;" in content.html
    assert "<script" not in content.html


@pytest.mark.parametrize(
    ("subject", "reply"),
    [
        ("Password", "Re: Password"),
        ("Re: Password", "Re: Password"),
        ("RE: Password", "RE: Password"),
        ("AW: Passwort", "AW: Passwort"),
        ("Re[2]: x", "Re[2]: x"),
        ("Regarding x", "Re: Regarding x"),
        ("", "Re: Your question"),
        ("x\r\nBcc: y", "Re: x Bcc: y"),
        ("x" * 300, f"Re: {'x' * 200}"),
    ],
)
def test_the_subject_stays_so_that_the_thread_holds_together(subject: str, reply: str) -> None:
    assert reply_subject(subject) == reply


def test_a_reply_is_put_in_its_thread() -> None:
    thread = Thread("t1", "<two@x.example>", "<one@x.example>", ("<zero@x.example>", "<one@x.example>"))
    headers = composed(thread=thread).headers
    assert headers["In-Reply-To"] == "<two@x.example>"
    assert headers["References"] == "<zero@x.example> <one@x.example> <two@x.example>"


def test_references_are_made_of_what_is_replied_to_where_there_are_none() -> None:
    headers = composed(thread=Thread("t1", "<two@x.example>", "<one@x.example>")).headers
    assert headers["References"] == "<one@x.example> <two@x.example>"
    assert "References" not in composed(thread=Thread("t1")).headers


def test_a_reply_says_that_a_machine_sent_it() -> None:
    assert composed().headers["Auto-Submitted"] == "auto-replied"


def test_a_body_past_the_limit_goes_on_in_further_mails_and_loses_no_word() -> None:
    paragraphs = [f"Paragraph {number}. " + "Some more words follow. " * 30 for number in range(12)]
    mails = LETTERS.compose(letter("\n\n".join(paragraphs)))
    assert len(mails) == 3
    words = [word for content in mails for word in content.text.split()]
    assert [word for word in words if word in "\n\n".join(paragraphs).split()].count("Paragraph") == 12
    for number, content in enumerate(mails, 1):
        assert f"({number}/3)" in content.text
        assert "Your reference: TKT-7K3Q9V" in content.text
        assert len(content.text.split()) < 520


@given(st.text(alphabet="ab. \n!", max_size=400), st.integers(1, 20))
def test_pieces_hold_every_word_in_order_and_keep_the_limit(text: str, words_max: int) -> None:
    pieces = split_words(text, words_max)
    assert [word for piece in pieces for word in piece.split()] == text.split()
    assert all(len(piece.split()) <= words_max for piece in pieces)


def test_the_same_letter_is_composed_the_same_again() -> None:
    made = letter(GERMAN)
    assert LETTERS.compose(made) == LETTERS.compose(made)


@pytest.mark.parametrize("kind", [DeliveryKind.FORM_RECEIPT, DeliveryKind.ANSWER_NOTICE])
def test_a_mail_to_whoever_sent_a_form_holds_no_word_of_the_form(kind: DeliveryKind) -> None:
    spam = "BUY-PILLS"
    content = composed(
        spam, spam.title(), kind=kind, subject=spam, status_url="https://fte.example/status/TKT-7K3Q9V#token"
    )
    everything = f"{content.subject} {content.text} {content.html} {content.headers}".lower()
    assert spam.lower() not in everything
    assert content.text.startswith("Hello,\n\n")
    assert "https://fte.example/status/TKT-7K3Q9V#token" in content.text
    assert "TKT-7K3Q9V" in content.subject
    assert content.headers["List-Unsubscribe"] == f"<mailto:{OUR_ADDRESS}?subject=unsubscribe>"
    assert content.headers["Auto-Submitted"] == "auto-generated"
