"""From trials to figures: every share with its interval, for English apart from other languages."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, get_args

from evaluation.intervals import Share, weighted
from evaluation.labels import NEGATIVE_BELOW, Trigger
from evaluation.questions import Trial

TRIGGERS: Final[tuple[str, ...]] = get_args(Trigger)
MOOD: Final = "negative_sentiment"
"""The trigger that a model of mood finds, and no rule."""

MIX: Final[Mapping[str, float]] = {
    "answerable": 0.52,
    "follow_up": 0.10,
    "thanks": 0.10,
    "near_miss": 0.08,
    "unanswerable": 0.08,
    "trigger": 0.07,
    "several_questions": 0.05,
}
"""How often each sort of message is taken to come. A judgement of what a support inbox looks like, not a count."""

_TICKETS_A_YEAR: Final = 500 * 52


def figures(trials: Sequence[Trial]) -> dict[str, Any]:
    """All that there is to say about one set, ready for JSON."""
    english = [trial for trial in trials if trial.question.is_english]
    elsewhere = [trial for trial in trials if not trial.question.is_english]
    return {
        "messages": len(trials),
        "outcomes": dict(Counter(trial.outcome for trial in trials).most_common()),
        "answered_by": dict(Counter(trial.seen.model or "rules alone" for trial in trials).most_common()),
        "english": _of_language(english),
        "other_languages": _of_language(elsewhere),
        "all_languages": _of_language(trials),
        "strata": {
            stratum: dict(Counter(each.outcome for each in trials if each.question.stratum == stratum).most_common())
            for stratum in dict.fromkeys(trial.question.stratum for trial in trials)
        },
        "sent": _sent(trials),
        "spent": _spent(trials),
        "milliseconds": percentiles([trial.seen.seconds for trial in trials if trial.seen.model]),
    }


def share(hits: int, total: int) -> dict[str, Any]:
    """A share with its interval, as JSON keeps it; the share is None of nothing."""
    counted = Share(hits, total)
    low, high = counted.interval
    value = None if not total else round(counted.value, 4)
    return {"share": value, "low": round(low, 4), "high": round(high, 4), "hits": hits, "total": total}


def precision_and_recall(pairs: Iterable[tuple[bool, bool]]) -> dict[str, Any]:
    """Both, over pairs of what was found and what is so."""
    counts = Counter(pairs)
    hits = counts[True, True]
    return {"precision": share(hits, hits + counts[True, False]), "recall": share(hits, hits + counts[False, True])}


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """p50 and p95 in milliseconds: the nearest ranks."""
    if not seconds:
        return {"p50": 0.0, "p95": 0.0}
    ordered = sorted(seconds)
    return {f"p{rank}": round(ordered[-(-rank * len(ordered) // 100) - 1] * 1000, 1) for rank in (50, 95)}


def _of_language(trials: Sequence[Trial]) -> dict[str, Any]:
    def part(of: Callable[[Trial], bool], what: Callable[[Trial], bool]) -> dict[str, Any]:
        chosen = [trial for trial in trials if of(trial)]
        return share(sum(map(what, chosen)), len(chosen))

    def answerable(trial: Trial) -> bool:
        return trial.question.ending == "reply"

    def answered(trial: Trial) -> bool:
        return answerable(trial) and trial.is_answered

    found: dict[str, Any] = {
        "messages": len(trials),
        "article_found": part(answerable, lambda trial: trial.found_article),
        "article_found_first": part(answerable, lambda trial: trial.found_article_first),
        "right_article": part(answerable, lambda trial: trial.has_right_article),
        "right_article_of_the_answered": part(answered, lambda trial: trial.has_right_article),
        "every_article": part(answerable, lambda trial: trial.has_every_article),
        "every_fact": part(lambda trial: answerable(trial) and bool(trial.question.facts), lambda t: t.has_facts),
        "escalated_of_the_answerable": part(answerable, lambda trial: trial.is_escalated),
        "handed_over_for_language": part(answerable, lambda trial: trial.is_language_handover),
        "escalated_otherwise": part(answerable, lambda t: t.is_escalated and not t.is_language_handover),
        "false_answers": part(lambda trial: trial.question.is_unanswerable, lambda trial: trial.is_answered),
        "thanks_closed": part(lambda t: t.question.ending == "close", lambda t: t.outcome == "closed kindly"),
        "to_a_person": part(lambda t: t.question.ending == "escalate", lambda t: t.is_escalated),
        "right_reason": part(lambda t: t.question.ending == "escalate", lambda t: t.has_right_reason),
        "escalated_of_a_mix": _escalated_of_a_mix(trials),
    }
    if any(trial.question.category for trial in trials):
        found["right_category"] = part(
            lambda trial: answerable(trial) and bool(trial.question.category),
            lambda trial: trial.seen.category == trial.question.category,
        )
    if trials and all(trial.question.triggers is not None for trial in trials):
        found["triggers"] = _triggers(trials)
    if moods := [trial for trial in trials if trial.question.sentiment is not None]:
        found["mood"] = _mood(moods)
    return found


def _triggers(trials: Sequence[Trial]) -> dict[str, Any]:
    def pairs(names: Sequence[str]) -> list[tuple[bool, bool]]:
        return [
            (name in trial.seen.triggers, name in (trial.question.triggers or ())) for trial in trials for name in names
        ]

    rules = [name for name in TRIGGERS if name != MOOD]
    of_a_message = ((bool(trial.seen.triggers), bool(trial.question.triggers)) for trial in trials)
    return {
        "all_rules": precision_and_recall(pairs(rules)),
        "any_trigger": precision_and_recall(of_a_message),
        **{name: precision_and_recall(pairs([name])) for name in TRIGGERS},
    }


def _mood(trials: Sequence[Trial]) -> dict[str, Any]:
    """How far the score of mood is off, and how often it is on the right side of where a person is called."""
    read = [(trial.seen.sentiment, trial.question.sentiment) for trial in trials]
    both = [(seen, right) for seen, right in read if seen is not None and right is not None]
    agreed = sum((seen < NEGATIVE_BELOW) == (right < NEGATIVE_BELOW) for seen, right in both)
    errors = [abs(seen - right) for seen, right in both]
    return {
        "right_side": share(agreed, len(read)),
        "mean_error": round(statistics.fmean(errors), 3) if errors else None,
        **precision_and_recall((seen < NEGATIVE_BELOW, right < NEGATIVE_BELOW) for seen, right in both),
    }


def _escalated_of_a_mix(trials: Sequence[Trial]) -> dict[str, Any] | None:
    """The share that a person gets when messages come in the proportions of `MIX`; None when a sort is missing."""
    parts = []
    for stratum, weight in MIX.items():
        chosen = [trial for trial in trials if trial.question.stratum == stratum]
        if not chosen:
            return None
        parts.append((weight, Share(sum(trial.is_escalated for trial in chosen), len(chosen))))
    value, low, high = weighted(parts)
    return {"share": round(value, 4), "low": round(low, 4), "high": round(high, 4)}


def _sent(trials: Sequence[Trial]) -> dict[str, int]:
    return {
        "replies": sum(trial.is_answered for trial in trials),
        "sentences": sum(trial.seen.sentences for trial in trials),
        "unsupported_sentences": sum(len(trial.seen.unsupported) for trial in trials),
        "strange_figures_and_addresses": sum(len(trial.seen.strange) for trial in trials),
        "without_an_ending": sum(trial.seen.ending == "none" for trial in trials),
    }


def _spent(trials: Sequence[Trial]) -> dict[str, Any]:
    if not trials:
        return {"input_tokens": 0, "output_tokens": 0, "dollars": 0.0, "dollars_a_year": 0.0}
    strata = {trial.question.stratum for trial in trials}
    weights = {stratum: MIX[stratum] for stratum in strata}
    mean = sum(
        weights[stratum] * statistics.fmean(t.seen.cost_micros for t in trials if t.question.stratum == stratum)
        for stratum in strata
    ) / sum(weights.values())
    return {
        "input_tokens": sum(trial.seen.input_tokens for trial in trials),
        "output_tokens": sum(trial.seen.output_tokens for trial in trials),
        "dollars": round(sum(trial.seen.cost_micros for trial in trials) / 1e6, 4),
        "dollars_a_year": round(mean * _TICKETS_A_YEAR / 1e6, 2),
    }
