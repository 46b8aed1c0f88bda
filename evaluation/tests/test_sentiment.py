"""The model of mood: made again byte for byte, better than guessing, and quick."""

import json
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.thinking.sentiment import LEVELS, MODEL, MOODS, Lexicon, Model, features, model, score
from evaluation import labels
from evaluation.sentiment.train import by_lexicon, detection, labelled, lists, train

TRAIN, TEST = labelled("train"), labelled("test")


def test_training_again_gives_the_model_that_is_checked_in() -> None:
    assert json.dumps(train(), ensure_ascii=False, indent=1) + "\n" == MODEL.read_text("utf-8")


def test_the_file_is_small_enough_to_ship() -> None:
    assert MODEL.stat().st_size < 300_000


def test_there_are_enough_messages_in_every_mood_and_language() -> None:
    assert len(TRAIN) + len(TEST) >= 600
    for part in (TRAIN, TEST):
        counts = Counter((message.language, message.mood) for message in part)
        assert set(counts) == {(language, mood) for language in ("en", "es", "de", "fr", "pt") for mood in MOODS}
        assert min(counts.values()) >= 8


def test_no_message_is_measured_on_that_was_trained_on() -> None:
    trained = {message.text.casefold() for message in TRAIN}
    assert len(trained) == len(TRAIN)
    assert not trained & {message.text.casefold() for message in TEST}
    assert not trained & {message.text.casefold() for message in labels.messages()}


def test_the_model_finds_more_of_the_bitter_messages_than_the_lexicon_alone() -> None:
    lexicon = Lexicon(lists())
    alone = detection(lambda text: by_lexicon(text, lexicon), TEST)
    found = detection(score, TEST)
    assert found.recall.value > alone.recall.value
    # Far below what was measured, far above chance: a fault in the features shows, a changed word does not.
    assert found.precision.value > 0.7
    assert found.recall.value > 0.5


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ("Thank you, this is great!", "The link is broken."),
        ("The link is broken.", "This is the worst product ever, I am disgusted."),
        ("Danke, alles läuft wieder!", "Der Import klappt nicht."),
        ("No puedo entrar.", "Es una vergüenza, estoy harto de ustedes."),
        ("Comment changer la langue ?", "C'est honteux, quelle catastrophe."),
        ("Onde vejo as faturas?", "Péssimo, que vergonha de serviço."),
        ("I am happy.", "I am not happy."),
    ],
)
def test_a_worse_mood_scores_lower(better: str, worse: str) -> None:
    assert score(better) > score(worse)


def test_one_bitter_sentence_in_a_sober_mail_lowers_its_score() -> None:
    sober = "Hello. We use the timeline. Where is the list of members? We have four boards. Regards, Ole."
    bitter = f"{sober} {sober} {sober} You have ruined everything, it is a disgrace."
    of_the_whole = sum(
        level * share for level, share in zip(LEVELS, model().probabilities(bitter).values(), strict=True)
    )
    assert score(bitter) < of_the_whole - 0.01
    assert score(bitter) < score(sober) - 0.1


@given(st.text(max_size=300))
def test_every_text_has_a_score_between_the_bounds_and_always_the_same(text: str) -> None:
    found = score(text)
    assert 0 <= found <= 1
    assert score(text) == found


def test_a_model_that_has_seen_nothing_yet_scores_as_one_that_has() -> None:
    fresh = Model(json.loads(MODEL.read_text("utf-8")))
    for message in TEST[:20]:
        assert fresh.score(message.text) == score(message.text)


def test_the_quick_sums_are_those_of_the_features_trained_on() -> None:
    lexicon = Lexicon(lists())
    for message in TEST[:20]:
        seen = features(message.text, lexicon)
        assert model().logits(message.text) == pytest.approx(model().logits_of(seen), abs=1e-9)


def test_a_huge_message_is_scored_at_once() -> None:
    began = time.process_time()
    score("why! " * 200_000)
    assert time.process_time() - began < 0.5
