"""Which candidates answer a question, and how well: nearness of meaning, and the question's rare words."""

import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from knowledge.model import Candidate, Candidates

SCORE_MIN = 0.25
"""Below this a passage is off the subject (the contract's figure)."""
# Calibrated on sample tickets and other questions, see bench/search_quality.py: it lifts what can be answered over
# 0.65, the contract's "safe to answer from", and little of what cannot.
_COVERAGE_WEIGHT = 0.3


@dataclass(frozen=True)
class Frequencies:
    """In how many of all passages each lexeme stands."""

    passages: int
    by_lexeme: Mapping[str, int]

    def rarity(self, lexeme: str) -> float:
        """How much a lexeme tells: its inverse document frequency, highest for what no passage has."""
        return math.log(1 + self.passages / (0.5 + self.by_lexeme.get(lexeme, 0)))


def rank(candidates: Candidates, frequencies: Frequencies, limit: int) -> list[tuple[uuid.UUID, float]]:
    """Returns the ids of the `limit` best passages with their scores, best first; none below `SCORE_MIN`.

    The score is the nearness in meaning, and on top the share of the question's words that the passage and its known
    questions have, weighted by rarity, so that a word nobody wrote about (another product, an error number) holds it
    down; at most 1. A question of nothing but stop words asks for nothing.
    """
    if not candidates.asked:
        return []
    rarity = {lexeme: frequencies.rarity(lexeme) for lexeme in candidates.asked}
    total = math.fsum(rarity.values())

    def score(candidate: Candidate) -> float:
        return candidate.nearness + _COVERAGE_WEIGHT * math.fsum(rarity[lexeme] for lexeme in candidate.shared) / total

    scored: Sequence[tuple[float, Candidate]] = [(score(candidate), candidate) for candidate in candidates.found]
    # By id where two are equal, so that the same question has the same answer again.
    best = sorted(scored, key=lambda each: (-each[0], each[1].passage_id))[:limit]
    return [(candidate.passage_id, min(score, 1.0)) for score, candidate in best if score >= SCORE_MIN]
