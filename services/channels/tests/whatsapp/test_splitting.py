"""Long answers as messages that each read well."""

from __future__ import annotations

import re
import time

import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from channels.providers.whatsapp.splitting import CHARACTERS_HARD_MAX, split

LINK = "https://help.techcorp.example/articles/export?format=csv&page=2#top"
FAMILY = "👩‍👩‍👧‍👦"
ENDING = "\n\nRef. TKT-7K3Q9V"

written = st.text(
    st.sampled_from("abc ABC 123 .,:;!?…()\"'\n\t\u00a0-/+。\uff01? e\u0301\u200d👩👧🏽🇩🇪1️⃣")
    | st.characters(exclude_categories=["Cs"]),
    max_size=900,
)
worded = st.lists(
    st.sampled_from(
        [
            "Open",
            "the",
            "settings.",
            "1.",
            "2)",
            "e.g.",
            "Dr.",
            "+1 (202) 555 0142",
            "1,234.56",
            "12:30",
            LINK,
            FAMILY,
            "Select",
            "Export!",
            "\n",
            "\n\n",
            "これは文です。",
            "x" * 70,
        ]
    ),
    max_size=80,
).map(" ".join)


def test_a_short_answer_is_one_message() -> None:
    assert split("Select Export.", 300) == ("Select Export.",)


@pytest.mark.parametrize("text", ["", " ", "\n\n"])
def test_nothing_is_no_message(text: str) -> None:
    assert split(text, 300) == ()


def test_messages_end_where_sentences_do() -> None:
    text = "Open the settings. Then select Export, and wait! Is it there? Download it."

    assert split(text, 50) == (
        "Open the settings. Then select Export, and wait!",
        "Is it there? Download it.",
    )


@pytest.mark.parametrize(
    "whole",
    [
        "Ask Dr. Smith about it",
        "Use another format, e.g. CSV or so",
        "It takes approx. Two days",
        "Wait ... and see what it does",
        "Then J. Smith answers",
    ],
)
def test_a_full_stop_within_a_sentence_is_not_its_end(whole: str) -> None:
    first = "This is what comes before it. "

    assert split(first + whole, len(first) + len(whole) - 1)[0] == first.strip()


def test_lines_are_ends_and_the_mark_of_a_step_stays_with_it() -> None:
    text = "Do this:\n1. Open the settings\n2. Select Export\n10) Wait"

    assert split(text, 32) == ("Do this:\n1. Open the settings", "2. Select Export\n10) Wait")
    assert split("1. Internationalization", 22) == ("1. Internationalizatio", "n")


def test_a_sentence_that_is_too_long_is_parted_between_words() -> None:
    assert split("one two three four five", 10) == ("one two", "three four", "five")


def test_a_text_of_1601_characters_without_a_blank_is_parted() -> None:
    assert [len(part) for part in split("x" * 1601, 1600)] == [1600, 1]
    assert [len(part) for part in split("x" * 1601, 5000)] == [1600, 1]


def test_a_link_goes_alone_rather_than_in_pieces() -> None:
    assert split(f"Look at {LINK} for more.", 20) == ("Look at", LINK, "for more.")


def test_a_link_that_no_message_can_hold_is_parted() -> None:
    link = "https://techcorp.example/" + "x" * 2000

    parts = split(link, 300)

    assert "".join(parts) == link
    assert all(len(part) <= 300 for part in parts)


@pytest.mark.parametrize(
    "number", ["+1 (202) 555 0142", "1,234,567.89", "12:30", "2026-11-21", "4111 1111 1111 1111", "10\u202f000", "3/4"]
)
@pytest.mark.parametrize("limit", range(1, 24))
def test_a_number_is_never_parted(number: str, limit: int) -> None:
    assert any(number in part for part in split(f"Call {number} now", limit))


@pytest.mark.parametrize("cluster", [FAMILY, "🇩🇪", "e\u0301", "1️⃣", "👍🏽", "각", "क्षि"])
@pytest.mark.parametrize("limit", range(1, 12))
def test_a_character_as_readers_see_it_is_never_parted(cluster: str, limit: int) -> None:
    parts = split(f"ab{cluster * 3}cd", limit)

    assert "".join(parts) == f"ab{cluster * 3}cd"
    assert sum(part.count(cluster) for part in parts) == 3


def test_a_character_that_no_message_can_hold_does_not_stop_the_others() -> None:
    monster = "o" + "\u0301" * 5000

    parts = split(f"Before. {monster} After.", 300)

    assert parts[0] == "Before."
    assert "".join(parts).endswith("After.")
    assert max(map(len, parts)) <= CHARACTERS_HARD_MAX


def test_languages_without_blanks_are_parted_at_their_full_stops() -> None:
    assert split("これは文です。「次の文です\uff01」三つ目", 10) == ("これは文です。", "「次の文です\uff01」", "三つ目")


def test_the_ending_stands_at_the_end_of_the_last_message() -> None:
    assert split("Select Export.", 300, ENDING) == ("Select Export.\n\nRef. TKT-7K3Q9V",)


def test_the_last_sentence_keeps_the_ending_company() -> None:
    text = "Open the settings, then the data. Select Export there."

    assert split(text, 60, ENDING) == (
        "Open the settings, then the data.",
        "Select Export there.\n\nRef. TKT-7K3Q9V",
    )


def test_an_ending_without_room_goes_alone() -> None:
    assert split(LINK, 40, ENDING) == (LINK, "Ref. TKT-7K3Q9V")
    assert split("", 40, ENDING) == ("Ref. TKT-7K3Q9V",)


def wholes(part: str) -> bool:
    """Whether the part is one unit: a link, a number or a cluster, with its own step's mark."""
    return bool(regex.fullmatch(r"(?:\d{1,3}[.)]\s+)?(?:\X|(?i:https?://|www\.)\S+|[+(]?\d[\d\s.,:/()'-]*\X?)", part))


@given(written | worded, st.integers(min_value=1, max_value=400))
@example("1. " + "x" * 20, 2)
@example("12345678 " * 30, 5)
@settings(max_examples=400, deadline=None)
def test_the_parts_make_up_the_text_in_messages_that_fit(text: str, limit: int) -> None:
    parts = split(text, limit)

    assert "".join("".join(parts).split()) == "".join(text.split())
    for part in parts:
        assert part.strip()
        assert len(part) <= CHARACTERS_HARD_MAX
        assert len(part) <= limit or wholes(part), part


@given(written | worded, st.integers(min_value=1, max_value=400))
@settings(max_examples=200, deadline=None)
def test_no_link_and_no_cluster_is_parted(text: str, limit: int) -> None:
    parts = split(text, limit)

    joined = "".join("".join(part.split()) for part in parts)
    # Clusters of the text, blanks left out as the parts do.
    assert [c for part in parts for c in regex.findall(r"\X", part) if not c.isspace()] == [
        c for c in regex.findall(r"\X", text.strip()) if not c.isspace()
    ]
    assert joined.count(LINK) == text.count(LINK) == sum(part.count(LINK) for part in parts)


@given(worded, st.integers(min_value=40, max_value=400))
@settings(max_examples=200, deadline=None)
def test_the_ending_never_makes_a_message_too_long(text: str, limit: int) -> None:
    parts = split(text, limit, ENDING)

    assert parts[-1].endswith(ENDING.strip())
    assert all(len(part) <= limit or wholes(part) for part in parts)
    assert "".join("".join(parts).split()) == "".join((text + ENDING).split())


@pytest.mark.parametrize(
    "unit",
    [
        "Open it. ",
        "x",
        " ",
        "1 ",
        "1.",
        "((((",
        "....",
        ". ",
        "\n",
        "1. ",
        "http://",
        "e\u0301",
        "。",
        '."',
        "a.",
        "+",
        "www.",
    ],
)
def test_the_time_to_split_grows_no_faster_than_the_text(unit: str) -> None:
    def seconds(characters: int) -> float:
        text = "a" + unit * (characters // len(unit)) + "a"
        best = float("inf")
        for _ in range(3):
            begun = time.perf_counter()
            split(text, 300)
            best = min(best, time.perf_counter() - begun)
        return best

    # Ten times the text: far from the hundred that a square would take.
    assert seconds(40_000) < 35 * seconds(4_000) + 0.005
    assert re.search(r"\w", unit) is None or split("a" + unit, 300)
