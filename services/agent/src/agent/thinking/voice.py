"""How a reply reads on each channel: how long it may be, and plain text everywhere.

The limits are those of `context/brand-voice.md`; greeting, sign-off, reference and splitting are the channel's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_EMPHASIS: Final = re.compile(r"(\*{1,3}|_{2,3})(?=\S)([^*_\n]+?)(?<=\S)\1")
_HEADING: Final = re.compile(r"^#{1,6}\s+", re.MULTILINE)
_LINK: Final = re.compile(r"!?\[([^\]\n]*)\]\(([^)\s]*)[^)\n]*\)")
_STEP: Final = re.compile(r"^\s*(?:\d{1,2}[.)]|[-*•])\s+")


@dataclass(frozen=True, slots=True)
class Voice:
    """What a channel's readers expect: at most `words` and `characters`, and `characters_wanted` where it can be."""

    words: int
    characters: int
    characters_wanted: int
    steps: bool

    @property
    def paragraph(self) -> str:
        """What stands between two paragraphs."""
        return "\n\n" if self.steps else " "

    @property
    def asked(self) -> str:
        """The same as a model is told it."""
        if self.steps:
            return f"at most {self.words} words, plain text, numbered steps"
        return f"at most {self.characters_wanted} characters where it can be, plain sentences, no list"


_OTHERWISE: Final = Voice(words=250, characters=4000, characters_wanted=1600, steps=True)
_VOICES: Final[Mapping[str, Voice]] = {
    "EMAIL": Voice(words=500, characters=8000, characters_wanted=2400, steps=True),
    # Three messages at most; the reference has to find room in the first.
    "WHATSAPP": Voice(words=150, characters=900, characters_wanted=280, steps=False),
}


def voice_of(channel: str) -> Voice:
    """The voice of a channel, by the contract's name of it; the web's for all others."""
    return _VOICES.get(channel.upper(), _OTHERWISE)


def in_voice(text: str, voice: Voice) -> str:
    """The text as plain words: no Markdown, and where the channel has no lists, its steps as sentences in one line."""
    shown = _LINK.sub(lambda found: f"{found[1]} {found[2]}".strip(), text)
    shown = _HEADING.sub("", _EMPHASIS.sub(r"\2", shown)).replace("`", "")
    if voice.steps:
        return shown.strip()
    return " ".join(_sentence(line) for line in shown.splitlines() if line.strip())


def _sentence(line: str) -> str:
    marker = _STEP.match(line)
    if marker is None:
        return line.strip()
    step = line[marker.end() :].strip()
    return step if step.endswith((".", "!", "?", ":")) else f"{step}."
