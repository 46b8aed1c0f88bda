"""One spelling for text, and what is wrong with text that has none."""

from __future__ import annotations

import hashlib
import re
import unicodedata

from meshkit.errors import InvalidArgument, Violation

NAME_CHARACTERS_MAX = 100
SUBJECT_CHARACTERS_MAX = 200
TEXT_CHARACTERS_MAX = 10_000

# Bidi overrides and isolates make text read otherwise than it is; zero-width ones make equal words differ. The
# zero-width joiners stay: emoji and several scripts are spelt with them.
_DECEPTIVE = re.compile("[\u202a-\u202e\u2066-\u2069\u200b\ufeff]")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_OTHER_LINE_BREAKS = re.compile("[\u0085\u2028\u2029]+")


def clean(text: str) -> str:
    """Text in one spelling: no bidi overrides or invisible spaces, line breaks as LF, composed (Unicode NFC)."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    # By far the most forms: nothing else can be wrong with ASCII.
    return text if text.isascii() else unicodedata.normalize("NFC", _DECEPTIVE.sub("", text))


def clean_line(text: str) -> str:
    """As `clean`, on one line and without blanks around it: it may become a header of a mail."""
    text = clean(text)
    return (text if text.isascii() else _OTHER_LINE_BREAKS.sub(" ", text)).strip()


def fit(text: str, characters_max: int) -> str:
    """Text of a provider, clean and at most so long: what it passed on cannot be refused any more.

    Control characters but line breaks and tabs go: no store takes NUL, and nobody can see the others.
    """
    return clean(_CONTROLS.sub("", clean(text)))[:characters_max]


def fit_line(text: str, characters_max: int) -> str:
    """As `fit`, on one line."""
    return " ".join(fit(text, 4 * characters_max).split())[:characters_max]


def digest(*parts: str) -> bytes:
    """SHA-256 of the parts; none of them holds NUL, which the contract refuses."""
    return hashlib.sha256("\0".join(parts).encode()).digest()


def violations(field: str, text: str, characters_max: int) -> list[Violation]:
    """What is wrong with a field's text once it is clean: nothing to be seen in it, or too long."""
    if not any(character.isprintable() and not character.isspace() for character in text):
        return [Violation(field, "must hold something that can be seen; write a few words")]
    if len(text) > characters_max:
        # Composed text can be longer than what was typed: NFC takes some characters apart.
        rule = f"must have at most {characters_max} characters in Unicode's composed form (NFC); shorten it"
        return [Violation(field, rule)]
    return []


def refusal(found: list[Violation]) -> InvalidArgument:
    """The refusal of text with these violations."""
    first = found[0]
    return InvalidArgument(f"{first.field}: {first.description}", violations=found)
