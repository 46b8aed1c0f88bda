"""What was sent is checked again, twice: a sentence or a figure from nowhere is seen by both."""

import pytest

from agent.model import Filed, Passage, Reply, Sentence
from agent.thinking.words import LISTS
from evaluation import sent
from meshkit.ids import uuid7

TEXT = "1. Open the sign-in page.\n2. Select Forgot password.\n\nA reset link is valid for 60 minutes and works once."
PASSAGE = Passage("articles/a/versions/1/passages/1", "Accounts > Reset a password", TEXT, 0.9)
SECTIONS = {"Reset a password": TEXT, "Other": "It takes 7 days. See https://help.techcorp.example/reset or ask us."}


def reply(text: str) -> Reply:
    return Reply(Filed(uuid7(), uuid7(), uuid7(), uuid7(), 1), text, (PASSAGE,))


def unsupported(text: str, *quotes: str) -> list[str]:
    sentences = [Sentence("", quote=quote) for quote in quotes]
    return [each.text for each in sent.unsupported(reply(text), sentences, 0.67)[1]]


@pytest.mark.parametrize("text", [TEXT, "A reset link is valid for 60 minutes."])
def test_what_the_passage_says_is_supported(text: str) -> None:
    assert unsupported(text) == []
    assert sent.strange(reply(text), SECTIONS) == ()


def test_a_sentence_from_nowhere_is_named() -> None:
    assert unsupported(f"{TEXT}\nYour refund is approved.") == ["Your refund is approved."]
    assert sent.unsupported(reply(f"{TEXT}\nYour refund is approved."), (), 0.67)[0] == 4


def test_a_figure_or_address_that_only_another_section_has_is_strange() -> None:
    text = "1. A link is valid for 7 days.\n2. See https://help.techcorp.example/reset. Ask help@techcorp.example."
    assert sent.strange(reply(text), SECTIONS) == ("7", "help@techcorp.example", "https://help.techcorp.example/reset")


def test_kind_words_state_nothing() -> None:
    text = f"{TEXT}\n\n{LISTS['closings']['en']['open']}"
    assert unsupported(text) == []
    assert sent.unsupported(reply(text), (), 0.67)[0] == 3


def test_another_language_stands_on_its_quote() -> None:
    text = "Der Link zum Zurücksetzen ist 60 Minuten gültig und nur einmal verwendbar."
    assert unsupported(text) == [text]
    assert unsupported(text, "A reset link is valid for 60 minutes and works once.") == []


def test_a_section_is_known_by_its_own_heading() -> None:
    assert sent.heading_of("Planwright > Accounts > Reset a password") == "Reset a password"
