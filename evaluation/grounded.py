"""How well the check of replies tells a supported sentence from one that is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agent.model import Passage
from agent.thinking import grounding
from evaluation.figures import precision_and_recall
from evaluation.labels import Grounded


def measure(rows: Sequence[Grounded], sections: Mapping[str, str], coverage_min: float) -> dict[str, Any]:
    """Precision and recall of "supported", over all sentences and by language, and how many passed wrongly.

    `sections` are the documents' sections by heading.
    """
    judged = [(row, is_passed(row, sections, coverage_min)) for row in rows]
    parts = {
        "all": judged,
        "english": [each for each in judged if each[0].language == "en"],
        "other_languages": [each for each in judged if each[0].language != "en"],
    }
    return {
        "sentences": len(rows),
        **{name: precision_and_recall((passed, row.supported) for row, passed in part) for name, part in parts.items()},
        "wrongly_passed": sum(passed and not row.supported for row, passed in judged),
    }


def is_passed(row: Grounded, sections: Mapping[str, str], coverage_min: float) -> bool:
    """Whether the check lets a sentence through that was written from these passages."""
    passages = [Passage(f"sections/{heading}", heading, sections[heading], 1.0) for heading in row.passages]
    return not grounding.check(row.sentence, passages, coverage_min=coverage_min, quotes=row.quotes).unsupported
