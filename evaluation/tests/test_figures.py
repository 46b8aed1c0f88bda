"""Known trials give known figures, and each figure can fail."""

from dataclasses import replace
from typing import Any

import pytest

from evaluation.figures import MIX, figures, percentiles, precision_and_recall
from evaluation.intervals import Share, weighted
from evaluation.questions import Question, Seen, Trial

ASKED = Question("q", "answerable", "email", "en", "", (), "?", "reply", articles=("A",), facts=("5",))
UNKNOWN = replace(ASKED, stratum="unanswerable", ending="escalate", reason="NO_ANSWER_FOUND", articles=(), facts=())
ANGRY = replace(UNKNOWN, stratum="trigger", reason="ANGRY", triggers=frozenset({"angry", "negative_sentiment"}))
RIGHT = Seen("reply", text="5", articles=("A",), sentences=1)
WRONG = Seen("reply", text="6", articles=("B",), sentences=2, unsupported=("6",), strange=("6",))
PASSED_ON = Seen("escalate", "NO_ANSWER_FOUND")


def counts(found: Any) -> tuple[int, int]:
    return found["hits"], found["total"]


def test_answers_are_counted_over_all_that_could_be_answered() -> None:
    trials = [
        Trial(ASKED, RIGHT),
        Trial(ASKED, RIGHT),
        Trial(ASKED, WRONG),
        Trial(ASKED, PASSED_ON),
        Trial(UNKNOWN, WRONG),
    ]
    english = figures(trials)["english"]
    assert counts(english["right_article"]) == (2, 4)
    assert counts(english["right_article_of_the_answered"]) == (2, 3)
    assert counts(english["every_fact"]) == (2, 4)
    assert counts(english["escalated_of_the_answerable"]) == (1, 4)
    assert counts(english["false_answers"]) == (1, 1)


def test_what_was_found_is_counted_whether_it_was_used_or_not() -> None:
    found = [("A", "B"), ("B", "A"), ("B",), ()]
    english = figures([Trial(ASKED, replace(PASSED_ON, found=each)) for each in found])["english"]
    assert (counts(english["article_found"]), counts(english["article_found_first"])) == ((2, 4), (1, 4))


def test_what_nothing_supports_is_counted_wherever_it_was_sent() -> None:
    sent = figures([Trial(ASKED, RIGHT), Trial(ASKED, WRONG), Trial(UNKNOWN, WRONG), Trial(ASKED, Seen("none"))])[
        "sent"
    ]
    assert sent == {
        "replies": 3,
        "sentences": 5,
        "unsupported_sentences": 2,
        "strange_figures_and_addresses": 2,
        "without_an_ending": 1,
    }


def test_a_handover_for_its_language_is_no_needless_escalation() -> None:
    german = replace(ASKED, language="de")
    found = figures([Trial(german, Seen("escalate", "LANGUAGE")), Trial(german, PASSED_ON), Trial(ASKED, RIGHT)])
    assert counts(found["other_languages"]["handed_over_for_language"]) == (1, 2)
    assert counts(found["other_languages"]["escalated_otherwise"]) == (1, 2)
    assert counts(found["english"]["escalated_of_the_answerable"]) == (0, 1)


def test_a_trigger_that_is_missed_and_one_that_is_not_there_both_cost() -> None:
    trials = [
        Trial(ANGRY, replace(PASSED_ON, triggers=frozenset({"angry"}))),
        Trial(ANGRY, replace(PASSED_ON, triggers=frozenset({"profanity"}))),
        Trial(ASKED, RIGHT),
    ]
    triggers = figures(trials)["english"]["triggers"]
    assert (counts(triggers["angry"]["precision"]), counts(triggers["angry"]["recall"])) == ((1, 1), (1, 2))
    assert (counts(triggers["profanity"]["precision"]), counts(triggers["profanity"]["recall"])) == ((0, 1), (0, 0))
    # Mood is no rule: what it misses is not held against them.
    assert (counts(triggers["all_rules"]["precision"]), counts(triggers["all_rules"]["recall"])) == ((1, 2), (1, 2))
    assert counts(triggers["negative_sentiment"]["recall"]) == (0, 2)
    assert counts(triggers["any_trigger"]["recall"]) == (2, 2)


def test_no_figures_of_triggers_come_from_a_set_that_knows_only_the_first() -> None:
    assert "triggers" not in figures([Trial(replace(ANGRY, triggers=None), PASSED_ON)])["english"]


def test_the_mix_weighs_each_sort_and_not_each_message() -> None:
    trials = [Trial(replace(ASKED, stratum=stratum), RIGHT) for stratum in MIX if stratum != "trigger"]
    trials += [Trial(ANGRY, PASSED_ON)] * 50
    assert figures(trials)["english"]["escalated_of_a_mix"]["share"] == pytest.approx(MIX["trigger"])


def test_a_mix_with_a_sort_missing_is_no_mix() -> None:
    assert figures([Trial(ASKED, RIGHT)])["english"]["escalated_of_a_mix"] is None
    assert sum(MIX.values()) == pytest.approx(1.0)


def test_a_year_costs_what_a_ticket_of_the_mix_costs_26000_times() -> None:
    dear, cheap = replace(RIGHT, cost_micros=2000, input_tokens=90, output_tokens=9), replace(PASSED_ON, cost_micros=0)
    trials = [Trial(replace(ASKED, stratum=s), dear) for s in MIX if s != "trigger"] + [Trial(ANGRY, cheap)] * 9
    spent = figures(trials)["spent"]
    assert spent["dollars_a_year"] == pytest.approx(26_000 * 0.002 * (1 - MIX["trigger"]), abs=0.01)
    assert (spent["input_tokens"], spent["output_tokens"], spent["dollars"]) == (540, 54, 0.012)


def test_a_mood_is_read_right_on_the_right_side_and_by_how_far_it_is_off() -> None:
    pairs = [(0.1, 0.2), (0.5, 0.2), (0.2, 0.6), (0.6, 0.6)]
    trials = [Trial(replace(ASKED, sentiment=right), replace(RIGHT, sentiment=seen)) for seen, right in pairs]
    mood = figures(trials)["english"]["mood"]
    assert counts(mood["right_side"]) == (2, 4)
    assert (counts(mood["precision"]), counts(mood["recall"])) == ((1, 2), (1, 2))
    assert mood["mean_error"] == pytest.approx(0.2)


def test_only_runs_that_asked_a_model_are_timed() -> None:
    trials = [Trial(ASKED, replace(RIGHT, seconds=0.001)), Trial(ASKED, replace(RIGHT, seconds=0.2, model="m"))]
    assert figures(trials)["milliseconds"] == {"p50": 200.0, "p95": 200.0}


def test_samples_are_sorted_as_expected_or_not() -> None:
    sample = replace(ASKED, category="billing")
    found = figures(
        [Trial(sample, replace(RIGHT, category="billing")), Trial(sample, replace(RIGHT, category="other"))]
    )
    assert counts(found["english"]["right_category"]) == (1, 2)


def test_nothing_measured_is_no_success() -> None:
    found = figures([])
    assert found["english"]["right_article"]["share"] is None
    assert found["spent"]["dollars"] == 0.0


def test_percentiles_are_nearest_ranks() -> None:
    assert percentiles([second / 1000 for second in range(1, 101)]) == {"p50": 50.0, "p95": 95.0}
    assert percentiles([0.007]) == {"p50": 7.0, "p95": 7.0}


def test_precision_is_of_what_was_found_and_recall_of_what_is_so() -> None:
    found = precision_and_recall([(True, True), (True, False), (False, True), (False, True), (False, False)])
    assert (counts(found["precision"]), counts(found["recall"])) == ((1, 2), (1, 3))


def test_a_weighted_share_of_one_part_has_that_parts_interval() -> None:
    share = Share(3, 10)
    assert weighted([(1.0, share)]) == pytest.approx((share.value, *share.interval))


def test_a_weighted_share_of_two_parts_is_surer_than_either() -> None:
    value, low, high = weighted([(0.5, Share(3, 10)), (0.5, Share(3, 10))])
    assert value == pytest.approx(0.3)
    one_low, one_high = Share(3, 10).interval
    assert one_low < low < value < high < one_high
