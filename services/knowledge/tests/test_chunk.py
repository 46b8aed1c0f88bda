import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.errors import DocumentInvalid
from knowledge.model import Section
from knowledge.ranking.chunk import PASSAGE_CHARACTERS_MAX, split

WORDS = (
    st.text("abcdefgh .,:é漢", min_size=1, max_size=60).map(str.strip).filter(lambda text: text and text[0].isalpha())
)
BLOCKS = st.one_of(
    WORDS,
    st.lists(WORDS, min_size=1, max_size=6).map(lambda steps: "\n".join(f"1. {step}" for step in steps)),
    st.lists(WORDS, min_size=1, max_size=6).map("\n".join),
    WORDS.map(lambda text: f"```\n# {text}\n```"),
    st.integers(1, 400).map(lambda length: "x" * length),
)
CHAPTERS = st.lists(st.tuples(st.integers(2, 4), WORDS, st.lists(BLOCKS, max_size=5)), min_size=1, max_size=6)


def written(chapters: list[tuple[int, str, list[str]]]) -> str:
    parts = ["# Title"]
    for level, heading, blocks in chapters:
        parts += [f"{'#' * level} {heading}", *blocks]
    return "\n\n".join(parts)


def letters(text: str) -> str:
    return re.sub(r"\s", "", text)


@given(CHAPTERS, st.integers(20, 300))
def test_no_word_is_lost_doubled_or_moved(chapters: list[tuple[int, str, list[str]]], limit: int) -> None:
    chapters = [*chapters, (2, "last", ["the end"])]
    document = split("any", written(chapters), limit=limit)
    said = "".join(letters(section.text) for section in document.sections)
    assert said == "".join(letters(block) for _, _, blocks in chapters for block in blocks)


@given(CHAPTERS, st.integers(20, 300))
def test_no_passage_is_empty_or_longer_than_the_limit(chapters: list[tuple[int, str, list[str]]], limit: int) -> None:
    document = split("any", written([*chapters, (2, "last", ["the end"])]), limit=limit)
    assert all(0 < len(section.text) <= limit for section in document.sections)


@given(CHAPTERS)
def test_each_passage_stands_under_the_headings_that_lead_to_it(chapters: list[tuple[int, str, list[str]]]) -> None:
    chapters = [*chapters, (2, "last", ["the end"])]
    expected = []
    path: list[tuple[int, str]] = []
    for level, heading, blocks in chapters:
        path = [above for above in path if above[0] < level] + [(level, heading)]
        if blocks:
            expected.append(" > ".join(" ".join(name.split()) for _, name in path))
    found = [section.heading for section in split("any", written(chapters), limit=100_000).sections]
    assert found == expected


def test_sub_headings_are_paths_and_the_introduction_is_left_out() -> None:
    document = split(
        "guide", "# Guide\n\nWelcome.\n\n## Sign-in\n\nA.\n\n### Reset a `password`\n\nB.\n\n## Billing\n\nC.\n"
    )
    assert document.title == "Guide"
    assert document.sections == (
        Section("Sign-in", "A."),
        Section("Sign-in > Reset a password", "B."),
        Section("Billing", "C."),
    )


def test_a_heading_in_code_or_in_a_quotation_is_text() -> None:
    document = split("guide", "# Guide\n\n## One\n\n```\n## not a heading\n```\n\n> ## nor this\n")
    assert document.sections == (Section("One", "```\n## not a heading\n```\n\n> ## nor this"),)


def test_a_long_section_is_cut_between_paragraphs() -> None:
    paragraphs = [f"Paragraph {number} " + "word " * 30 + "ends." for number in range(12)]
    document = split("guide", "# Guide\n\n## Long\n\n" + "\n\n".join(paragraphs))
    assert len(document.sections) > 1
    assert [p for section in document.sections for p in section.text.split("\n\n")] == paragraphs
    assert all(section.heading == "Long" for section in document.sections)
    assert all(len(section.text) <= PASSAGE_CHARACTERS_MAX for section in document.sections)


def test_a_paragraph_longer_than_the_limit_is_cut_after_a_sentence() -> None:
    sentences = [f"Sentence number {number} is here." for number in range(20)]
    document = split("guide", "# Guide\n\n## Long\n\n" + " ".join(sentences), limit=100)
    assert all(section.text.endswith(".") for section in document.sections)


def test_link_definitions_and_other_lines_without_a_block_are_kept() -> None:
    document = split("guide", "# Guide\n\n## One\n\nSee [the form].\n\n[the form]: https://techcorp.example/form\n")
    assert "https://techcorp.example/form" in document.sections[0].text


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_of_other_systems_and_a_byte_order_mark_change_nothing(end: str) -> None:
    text = "# Guide\n\n## One\n\nA.\n\n## Two\n\nB.\n"
    assert split("guide", "\ufeff" + text.replace("\n", end)) == split("guide", text)


def test_a_nul_never_reaches_the_database() -> None:
    assert split("guide", "# Guide\n\n## One\n\nA\x00B\n").sections == (Section("One", "A\ufffdB"),)


@pytest.mark.parametrize(
    ("text", "rule"),
    [("## One\n\nA.\n", "has no title"), ("", "has no title"), ("# Guide\n\nOnly this.\n", "has no section")],
)
def test_a_document_without_title_or_section_is_refused_with_the_mend(text: str, rule: str) -> None:
    with pytest.raises(DocumentInvalid, match=rule) as refused:
        split("guide", text)
    assert "guide.md" in str(refused.value)
