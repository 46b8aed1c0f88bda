"""What messages are called, what they continue, and how far they have come: on values alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets.model import Attachment, DeliveryState, Thread, first_words


@given(st.lists(st.sampled_from(DeliveryState), max_size=12))
def test_a_delivery_only_moves_forward(receipts: list[DeliveryState]) -> None:
    order = list(DeliveryState)
    state = DeliveryState.UNSPECIFIED
    for receipt in receipts:
        if state.leads_to(receipt):
            assert order.index(receipt) > order.index(state)
            assert receipt is not DeliveryState.FAILED or order.index(state) < order.index(DeliveryState.DELIVERED)
            state = receipt


def test_what_failed_stays_failed_until_it_is_sent_again() -> None:
    assert not any(DeliveryState.FAILED.leads_to(state) for state in DeliveryState)
    again = {state for state in DeliveryState if DeliveryState.FAILED.leads_to(state, afresh=True)}
    assert again == {DeliveryState.QUEUED, DeliveryState.CLAIMED, DeliveryState.UNCERTAIN, DeliveryState.SENT}


@pytest.mark.parametrize("arrived", [DeliveryState.DELIVERED, DeliveryState.READ])
def test_what_arrived_is_never_sent_again(arrived: DeliveryState) -> None:
    assert {state for state in DeliveryState if arrived.leads_to(state, afresh=True)} <= {DeliveryState.READ}


PICTURE = Attachment("", "image/jpeg", 0, "")


@pytest.mark.parametrize(
    ("subject", "text", "attachments", "called"),
    [
        ("", "Hi", (), "Hi"),
        ("Hi", "how do I\nreset my\tpassword?", (), "Hi how do I reset my password?"),
        ("", "\u202e\u200bHi\x07 there", (), "Hi there"),
        ("", "word " * 40, (), "word " * 11 + "word…"),
        ("word " * 10 + "word…", "and more", (), "word " * 10 + "word…"),
        ("", "x" * 100, (), "x" * 59 + "…"),
        ("", "", (PICTURE,), "Image"),
        ("", " \n\u200b", (Attachment("", "application/pdf", 0, ""),), "File"),
        ("", "", (), ""),
        ("", " " * 5000 + "far away", (), ""),
    ],
)
def test_a_message_without_a_subject_is_called_by_its_first_words(
    subject: str, text: str, attachments: tuple[Attachment, ...], called: str
) -> None:
    assert first_words(subject, text, attachments) == called


@given(st.text(max_size=80), st.text())
def test_a_name_of_first_words_is_one_line_that_fits_a_list(subject: str, text: str) -> None:
    called = first_words(subject, text)
    assert called == subject or (len(called) <= 60 and called.isprintable() and called == called.strip())


@pytest.mark.parametrize(
    ("thread", "chain"),
    [
        (Thread(), ()),
        (Thread(message_id="<1>"), ("<1>",)),
        (Thread(message_id="<3>", in_reply_to="<2>", references=("<1>", "<2>")), ("<1>", "<2>", "<3>")),
        (Thread(message_id="<2>", in_reply_to="<1>"), ("<1>", "<2>")),
        (Thread(in_reply_to="<1>"), ("<1>",)),
        (Thread(message_id="<1>", references=("<1>", "<1>")), ("<1>",)),
    ],
)
def test_an_answer_continues_the_chain_of_what_it_answers(thread: Thread, chain: tuple[str, ...]) -> None:
    assert thread.chain == chain


def test_of_a_very_long_chain_the_first_and_the_newest_are_kept() -> None:
    chain = Thread(message_id="<last>", references=tuple(f"<{number}>" for number in range(90))).chain
    assert (len(chain), chain[0], chain[-2:]) == (50, "<0>", ("<89>", "<last>"))
