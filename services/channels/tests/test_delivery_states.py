"""How far a delivery has come is what its parts say, and that only moves forward."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.model import (
    Channel,
    Content,
    Delivery,
    DeliveryKind,
    DeliveryState,
    Outcome,
    Part,
    Receipt,
    Reply,
    Sender,
    SenderType,
)
from channels.operations.receipts import apply_receipts

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
ADA = Sender(SenderType.PHONE, "+14155550111", "Ada", verified=True)
Q, C, S, D, R, F, U = (
    DeliveryState.QUEUED,
    DeliveryState.CLAIMED,
    DeliveryState.SENT,
    DeliveryState.DELIVERED,
    DeliveryState.READ,
    DeliveryState.FAILED,
    DeliveryState.UNCERTAIN,
)
RANK = [Q, C, S, D, R]


def a_delivery(*states: DeliveryState, channel: Channel = Channel.WHATSAPP) -> Delivery:
    """A delivery with parts in these states."""
    reply = Reply(uuid.uuid4(), uuid.uuid4(), "TKT-7K3Q9V", channel, ADA, "Export", "So.", NOW)
    delivery = Delivery.of_reply(uuid.uuid4(), reply, Q, NOW).in_parts([Content("So.")] * len(states))
    for number, state in enumerate(states, start=1):
        part = replace(
            delivery.parts[number - 1], state=state, provider_message_id=f"p{number}" if state in (S, D, R) else ""
        )
        delivery = delivery.with_part(part, NOW)
    return delivery


@given(st.lists(st.sampled_from([S, D, R, F]), max_size=8))
def test_receipts_move_a_part_only_forward_in_whatever_order_they_come(news: list[DeliveryState]) -> None:
    part = Part(1, C)
    for state in news:
        moved = part.after(Outcome(state, provider_message_id="p"))
        if F in (part.state, moved.state):
            assert part.state in (C, S, F)
        else:
            assert RANK.index(moved.state) >= RANK.index(part.state)
        part = moved


@given(st.permutations([S, D, R]), st.integers(0, 3))
def test_receipts_that_come_together_reach_what_the_furthest_says(order: list[DeliveryState], count: int) -> None:
    receipts = [Receipt("p1", state) for state in order[:count]]
    after, _ = apply_receipts(a_delivery(S), 1, receipts, LATER)
    assert after.state is max([S, *order[:count]], key=RANK.index)


@pytest.mark.parametrize(
    ("states", "whole"),
    [
        ((Q, Q), Q),
        ((C, Q), C),
        ((S, Q), C),
        ((S, S), S),
        ((D, S), S),
        ((D, D), D),
        ((R, D), D),
        ((R, R), R),
        ((S, F), F),
        ((F, Q), F),
        ((U, Q), U),
        ((S, U), U),
        ((U, F), F),
    ],
)
def test_a_delivery_is_as_far_as_its_parts_say(states: tuple[DeliveryState, ...], whole: DeliveryState) -> None:
    assert a_delivery(*states).state is whole


def test_a_failure_keeps_the_providers_id_of_what_was_sent() -> None:
    failed = a_delivery(S).parts[0].after(Outcome(F, failure_reason="BOUNCED"))
    assert (failed.state, failed.provider_message_id, failed.failure_reason) == (F, "p1", "BOUNCED")


def test_what_arrived_keeps_its_words_no_longer_and_what_is_only_sent_does() -> None:
    (sent,) = a_delivery(S).parts
    assert sent.content is not None
    assert sent.after(Outcome(D)).content is None


def test_the_id_of_a_delivery_is_that_of_its_last_part() -> None:
    assert a_delivery(S, S).provider_message_id == "p2"
    assert a_delivery(S, Q).provider_message_id == "p1"


@pytest.mark.parametrize(("states", "number"), [((Q, Q), 1), ((S, Q), 2), ((S, C), 2), ((S, S), None), ((F, Q), None)])
def test_the_next_part_is_the_first_that_is_not_out(states: tuple[DeliveryState, ...], number: int | None) -> None:
    part = a_delivery(*states).next_part
    assert (part and part.number) == number


@pytest.mark.parametrize(
    ("states", "after"), [((F,), (Q,)), ((S, F, Q), (S, Q, Q)), ((S, U, Q), (S, Q, Q)), ((F, Q), (Q, Q))]
)
def test_a_retry_queues_what_the_provider_is_not_known_to_have(
    states: tuple[DeliveryState, ...], after: tuple[DeliveryState, ...]
) -> None:
    retried = a_delivery(*states).retried(LATER)
    assert retried is not None
    assert tuple(part.state for part in retried.parts) == after
    assert retried.is_open
    assert retried.update_time == LATER


@pytest.mark.parametrize("states", [(S,), (Q,), (C,), (D,)])
def test_what_nobody_has_to_decide_about_is_not_retried(states: tuple[DeliveryState, ...]) -> None:
    assert a_delivery(*states).retried(LATER) is None


def test_what_has_no_words_any_more_is_not_retried() -> None:
    failed = a_delivery(F)
    wordless = replace(failed, parts=(replace(failed.parts[0], content=None),))
    assert wordless.retried(LATER) is None


def test_a_failure_without_parts_is_not_retried() -> None:
    reply = Reply(uuid.uuid4(), uuid.uuid4(), "TKT-7K3Q9V", Channel.EMAIL, ADA, "Export", "So.", NOW)
    assert Delivery.of_reply(uuid.uuid4(), reply, F, NOW).retried(LATER) is None


def test_a_persons_word_sends_what_was_uncertain_and_lets_the_rest_go_on() -> None:
    confirmed = a_delivery(U).confirmed(LATER)
    assert confirmed is not None
    assert confirmed.state is S
    going_on = a_delivery(U, Q).confirmed(LATER)
    assert going_on is not None
    assert (going_on.state, going_on.next_part and going_on.next_part.number) == (C, 2)
    assert a_delivery(F).confirmed(LATER) is None


def test_one_chat_or_one_conversation_is_one_lane() -> None:
    whatsapp, email = a_delivery(Q), a_delivery(Q, channel=Channel.EMAIL)
    assert whatsapp.lane == "+14155550111"
    assert email.lane == str(email.conversation_id)
    mail = Delivery.of_form(uuid.uuid4(), DeliveryKind.FORM_RECEIPT, "TKT-7K3Q9V", ADA, NOW)
    assert mail.lane == "TKT-7K3Q9V"
