"""The model of meaning, and what rules make of it."""

import pytest

from agent.errors import PolicyError
from agent.model import Reason
from agent.thinking import rules
from agent.thinking.meaning import NOTHING_READ, READ, Meaning, pieces

WORDS = "".join(
    f"\n[words.{language}]\notherwise = 'A colleague has it.'\nwhen = 'Soon.'\n" for language in rules.LANGUAGES
)
POLICY = rules.parse(
    """
version = "1"
[[rules]]
name = "refund"
reason = "REFUND_REQUEST"
priority = "HIGH"
meaning_floor = 0.1
patterns.en = ["refund"]
[[rules]]
name = "refund_meant"
reason = "REFUND_REQUEST"
priority = "HIGH"
meaning_min = 0.6
"""
    + WORDS,
    "a policy",
)


def found(text: str, refund: float | None) -> list[str]:
    meaning = {} if refund is None else {Reason.REFUND_REQUEST: refund}
    return [finding.rule for finding in POLICY.findings([text], meaning)]


def test_meaning_alone_meets_a_rule_from_its_minimum_on() -> None:
    assert found("put it back on my card", 0.6) == ["refund_meant"]
    assert found("put it back on my card", 0.59) == []


def test_a_pattern_below_the_floor_of_meaning_counts_for_nothing() -> None:
    assert found("the refund column of our board", 0.09) == []
    assert found("the refund column of our board", 0.1) == ["refund"]


def test_a_pattern_counts_by_itself_where_no_meaning_was_read() -> None:
    assert found("a refund please", None) == ["refund"]


BESIDE = rules.parse(
    """
version = "1"
beside_min = 0.7
[[rules]]
name = "legal"
reason = "LEGAL"
priority = "HIGH"
patterns.en = ["court"]
[[rules]]
name = "fire"
reason = "LEGAL"
priority = "HIGH"
always = true
patterns.en = ["fire"]
[[rules]]
name = "refund"
reason = "REFUND_REQUEST"
priority = "HIGH"
patterns.en = ["refund"]
[[rules]]
name = "profanity"
reason = "PROFANITY"
priority = "HIGH"
patterns.en = ["damn"]
[[rules]]
name = "mood"
reason = "NEGATIVE_SENTIMENT"
priority = "HIGH"
sentiment_below = 1.0
"""
    + WORDS,
    "a policy",
)


@pytest.mark.parametrize(
    ("text", "legal", "refund", "met"),
    [
        ("a refund, or we meet in court", 0.69, 0.7, ["refund", "mood"]),
        ("a refund, or we meet in court", 0.7, 0.7, ["legal", "refund", "mood"]),
        # Where nothing is sure, all that may be is told.
        ("a refund, or we meet in court", 0.69, 0.69, ["legal", "refund", "mood"]),
        # A word is what it is.
        ("a damn refund", 0.0, 0.69, ["profanity", "mood"]),
        ("out of this, damn", 0.0, 0.0, ["profanity", "mood"]),
        ("fire: a damn refund", 0.0, 0.69, ["fire", "profanity", "mood"]),
        # Whoever is angry has a reason: a mood makes none doubtful.
        ("a refund", 0.0, 0.5, ["refund", "mood"]),
        ("a damn refund in court", None, None, ["legal", "refund", "profanity", "mood"]),
    ],
)
def test_beside_a_sure_reason_another_one_has_to_be_sure(
    text: str, legal: float | None, refund: float | None, met: list[str]
) -> None:
    meaning = {Reason.LEGAL: legal, Reason.REFUND_REQUEST: refund}
    read = {reason: sure for reason, sure in meaning.items() if sure is not None}
    assert [finding.rule for finding in BESIDE.findings([text], read)] == met


def test_a_bound_of_meaning_for_a_reason_that_nobody_reads_is_refused_by_name() -> None:
    text = POLICY.content.replace('reason = "REFUND_REQUEST"', 'reason = "PROFANITY"')
    with pytest.raises(PolicyError, match=r"rule refund: no meaning is read for PROFANITY; .* LEGAL, REFUND_REQUEST"):
        rules.parse(text, "a policy")


def test_a_rule_by_meaning_alone_needs_no_pattern() -> None:
    assert POLICY.rules[1].pattern is None


@pytest.fixture(scope="module")
def meaning() -> Meaning:
    return Meaning()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("our solicitors will be in touch with you on Monday", Reason.LEGAL),
        ("Nobody used it since March. Please put the 90 euros back on my card.", Reason.REFUND_REQUEST),
        ("If you could come down to 7 a seat for our 60 people, we would sign today.", Reason.PRICING_NEGOTIATION),
        ("enough of this machine, put me through to somebody who works there", Reason.HUMAN_REQUESTED),
        ("A stranger got into my account and locked all of us out.", Reason.OTHER),
    ],
)
async def test_what_is_meant_is_read_without_its_key_word(meaning: Meaning, text: str, reason: Reason) -> None:
    read = (await meaning.read([text])).reasons
    assert tuple(read) == READ
    assert max(read, key=lambda each: read[each]) is reason
    assert read[reason] > 0.6


@pytest.mark.parametrize(
    "text",
    [
        "How do I assign a task to another person?",
        "What does Business cost a month for 12 people?",
        "Can a custom field hold a price in euros?",
        "Where can we download your data processing agreement?",
        "How do I cancel before the renewal?",
        "My password reset mail does not arrive, what can I check?",
    ],
)
async def test_an_ordinary_question_means_nothing_special(meaning: Meaning, text: str) -> None:
    assert max((await meaning.read([text])).reasons.values()) < 0.3


async def test_what_is_not_english_is_not_read(meaning: Meaning) -> None:
    assert await meaning.read(["Ich will mein Geld zur\u00fcck, und zwar heute noch."]) is NOTHING_READ
    assert await meaning.read(["", "> I want my money back"]) is NOTHING_READ


async def test_quoted_mail_means_nothing(meaning: Meaning) -> None:
    quoted = "Thanks, that worked.\n> We want our money back or our lawyers will call.\n> Put a person on it."
    assert max((await meaning.read([quoted])).reasons.values()) < 0.3


async def test_one_sentence_of_a_long_mail_still_counts(meaning: Meaning) -> None:
    story = "We moved all our boards in spring and invited the whole team to them. " * 12
    assert (await meaning.read([story])).reasons[Reason.REFUND_REQUEST] < 0.3
    read = await meaning.read(["Our boards", story + "Please pay the last invoice back to us. " + story])
    assert read.reasons[Reason.REFUND_REQUEST] > 0.6


def test_long_texts_are_read_in_whole_sentences_and_not_endlessly() -> None:
    sentence = "This is one of many sentences that somebody wrote in a long mail to us. "
    found = list(pieces(sentence * 200))
    assert len(found) == 8
    assert all(piece.endswith("to us.") and len(piece) <= 500 for piece in found)
    assert list(pieces("")) == []
    assert list(pieces("One.\nTwo.")) == ["One.\nTwo."]


async def test_entering_loads_it_before_the_first_text() -> None:
    async with Meaning() as entered:
        assert await entered.read(["hello there"])


async def test_what_was_read_once_is_not_read_again(meaning: Meaning) -> None:
    read = await meaning.read(["Where", "do I find the trash?"])
    assert await meaning.read(["Where", "do I find the trash?"]) is read
    for number in range(64):
        await meaning.read([f"Where do I find trash number {number}?"])
    assert await meaning.read(["Where", "do I find the trash?"]) is not read
