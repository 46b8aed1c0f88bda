"""Whether what was sent stands on what it cites: by the agent's own check, and by one that shares no code with it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from agent.model import Reply, Sentence
from agent.thinking import grounding
from agent.thinking.words import LISTS

_KIND_WORDS: Final = tuple(words for closings in LISTS["closings"].values() for words in closings.values())
_STEP_NUMBER: Final = re.compile(r"^\s*\d{1,2}[.)]\s", re.MULTILINE)
_FIGURE: Final = re.compile(r"\d+(?:[.,:]\d+)*")
_ADDRESS: Final = re.compile(
    r"https?://[^\s<>()]+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+|\b(?:[\w-]+\.)+(?:com|org|net|example)\b"
)


def unsupported(
    reply: Reply, sentences: Sequence[Sentence], coverage_min: float
) -> tuple[int, tuple[grounding.Sentence, ...]]:
    """How many sentences a reply has, and those that no passage it cites supports.

    The kind words that state nothing are no sentences here. `sentences` are the run's own record: only their quotes
    are taken from it, for what is said in another language than the passage.
    """
    quotes = [each.quote for each in sentences]
    verdict = grounding.check(_stated(reply.text), reply.citations, coverage_min=coverage_min, quotes=quotes)
    return len(verdict.supported) + len(verdict.unsupported), verdict.unsupported


def strange(reply: Reply, sections: Mapping[str, str]) -> tuple[str, ...]:
    """The figures and addresses in a reply that stand in none of the sections it cites, as the documents have them.

    `sections` are the documents' sections by heading. It knows nothing of passages, words or languages.
    """
    cited = "\n".join(sections.get(heading_of(passage.heading), "") for passage in reply.citations)
    text = _STEP_NUMBER.sub(" ", _stated(reply.text))
    addresses = {found.rstrip(".,") for found in _ADDRESS.findall(text)}
    figures = set(_FIGURE.findall(_ADDRESS.sub(" ", text))) - set(_FIGURE.findall(cited))
    return tuple(sorted(figures | {each for each in addresses if each not in cited}))


def heading_of(heading: str) -> str:
    """The section's own heading, without those it stands under."""
    return heading.rsplit(" > ", 1)[-1]


def _stated(text: str) -> str:
    for words in _KIND_WORDS:
        text = text.replace(words, "")
    return text.strip()
