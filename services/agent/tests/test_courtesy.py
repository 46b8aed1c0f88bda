"""Messages that ask for nothing are closed kindly, and nothing else is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.model import Ending, Reason
from agent.thinking.courtesy import Courtesy, closing, courtesy

if TYPE_CHECKING:
    from services.agent.tests.conftest import Neighbours


@pytest.mark.parametrize(
    "text",
    [
        "Thanks!",
        "Perfect, that worked. Thanks a lot!",
        "all good now",
        "found it 👍 cheers",
        "The export works now, many thanks.\nRosa Quint",
        "No further questions, thank you.",
        "Vielen Dank, das hat geklappt!",
        "muchas gracias, ya funciona",
        "merci beaucoup, c'est réglé",
        "muito obrigada, funcionou",
    ],
)
def test_thanks_ask_for_nothing(text: str) -> None:
    assert courtesy([text]) is Courtesy.THANKS


@pytest.mark.parametrize("text", ["Hi", "Hello there, good morning!", "Guten Tag", "Bonjour", "hola", "Olá, bom dia!"])
def test_a_greeting_alone_asks_for_nothing_yet(text: str) -> None:
    assert courtesy([text]) is Courtesy.GREETING


@pytest.mark.parametrize(
    "text",
    [
        "Thanks, but it still does not work.",
        "Thanks. How do I export a board?",
        "thanks export broken",
        "thanks for nothing",
        "The export works slowly.",
        "Great, now everything is gone.",
        "Thank you, please delete my account",
        "Danke, aber der Export fehlt",
        "gracias, pero no funciona",
        "merci, comment exporter un tableau",
        "Thank you for the 14 days, I want 30",
        "reset my password",
        "",
    ],
)
def test_whatever_may_ask_report_or_object_is_no_courtesy(text: str) -> None:
    assert courtesy([text]) is None


@given(st.text(max_size=80))
def test_whatever_holds_a_question_mark_is_no_courtesy(text: str) -> None:
    assert courtesy([f"Thanks! {text}?"]) is None


async def test_thanks_are_answered_without_a_search_or_a_model_in_their_language(neighbours: Neighbours) -> None:
    filed = neighbours.desk.file("Vielen Dank, das hat geklappt!")
    run = await neighbours.answers().answer(filed)
    assert (run.ending, run.model) == (Ending.REPLIED, "")
    assert neighbours.knowledge.queries == []
    [told] = neighbours.desk.endings(filed)
    assert told.request.text == closing(Courtesy.THANKS, ["Vielen Dank, das hat geklappt!"])
    assert told.request.text.startswith("Gern geschehen.")
    assert list(told.request.citations) == []


async def test_thanks_that_are_answered_again_after_a_crash_are_recorded_as_a_reply(neighbours: Neighbours) -> None:
    filed = neighbours.desk.file("Thanks, that worked!")
    answers = neighbours.answers()
    await answers.answer(filed)
    again = await answers.answer(filed)
    assert again.ending is Ending.REPLIED
    assert len(neighbours.desk.endings(filed)) == 1


async def test_a_rule_comes_before_courtesy(neighbours: Neighbours) -> None:
    filed = neighbours.desk.file("Thanks. I want my money back.")
    run = await neighbours.answers().answer(filed)
    assert run.reason is Reason.REFUND_REQUEST
