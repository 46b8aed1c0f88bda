import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.ranking.correct import Corrector

TEXTS = [
    "Reset a forgotten password",
    "The keyboard shortcut for a new workspace; subscriptions and invoices",
    "Choose a password for the workspace",
]
KNOWN = frozenset({"married", "keynote", "invoke"})
CORRECTOR = Corrector(TEXTS, KNOWN)
VOCABULARY = sorted({word.strip(";").lower() for text in TEXTS for word in text.split()})


@given(st.lists(st.sampled_from([*VOCABULARY, *sorted(KNOWN)]), max_size=12).map(" ".join))
def test_a_word_that_someone_uses_is_never_changed(question: str) -> None:
    assert CORRECTOR.mend(question) == question
    assert CORRECTOR.mend(question.upper()) == question.upper()


@given(st.text(max_size=200))
def test_mending_twice_is_mending_once_and_touches_only_letters(question: str) -> None:
    mended = CORRECTOR.mend(question)
    assert CORRECTOR.mend(mended) == mended
    kept = [c for c in question if not c.isalpha()]
    assert [c for c in mended if not c.isalpha()] == kept


@given(st.sampled_from([word for word in VOCABULARY if len(word) >= 8]), st.data())
def test_one_slip_in_a_long_word_is_mended(word: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(1, len(word) - 2))
    slipped = data.draw(
        st.sampled_from(
            [
                word[:place] + word[place + 1 :],
                word[:place] + "q" + word[place:],
                word[:place] + "q" + word[place + 1 :],
                word[:place] + word[place + 1] + word[place] + word[place + 2 :],
            ]
        )
    )
    # A slip may give another form of the word, such as its plural's singular: that is no error to mend.
    assert CORRECTOR.mend(slipped) in (word, slipped if word.startswith(slipped) else word)


@pytest.mark.parametrize(
    ("question", "mended"),
    [
        ("hi forgot my pasword!!", "hi forgot my password!!"),
        ("workpsace", "workspace"),
        ("subscritpons", "subscriptions"),
    ],
)
def test_common_slips_are_mended_in_place(question: str, mended: str) -> None:
    assert CORRECTOR.mend(question) == mended


@pytest.mark.parametrize(
    "question", ["new", "newx", "xassword", "PW-5127", "marry", "passwords", "https://a.example/x1"]
)
def test_short_words_other_initials_numbers_and_inflections_are_left_alone(question: str) -> None:
    assert CORRECTOR.mend(question) == question


def test_of_words_equally_near_the_one_used_most_wins() -> None:
    corrector = Corrector(["boats", "boards", "boards and more"], frozenset())
    assert corrector.mend("boaqs") == "boats"
    assert Corrector(["plank", "plant", "plant it"], frozenset()).mend("plani") == "plant"


def test_an_empty_knowledge_base_mends_nothing() -> None:
    assert Corrector([], frozenset()).mend("pasword") == "pasword"
