"""What a customer wrote themselves, and how it is written down so that disguises and spellings compare the same."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from agent.thinking.words import normalised

CHARACTERS_MAX: Final = 20_000
"""How much of one text is read. The desk takes no message of half this length."""

# What mail programs write over the mail that is being answered. The quote's own lines begin with ">".
_QUOTE_HEADER: Final = re.compile(
    r"^(?:on|am|el|le|em|il|op|den)\b[^\n]{0,200}"
    r"\b(?:wrote|schrieb|escribi[oó]|a écrit|escreveu|scritto|schreef|skrev)\b[^\n]{0,100}:\n(?=\n?>)",
    re.IGNORECASE | re.MULTILINE,
)
_QUOTED_LINE: Final = re.compile(r"^>.*$", re.MULTILINE)
# From here on, all is an earlier mail: some programs do not mark its lines.
_EARLIER_MAIL: Final = re.compile(
    r"^(?:-{2,} ?(?:original message|forwarded message|ursprüngliche nachricht|weitergeleitete nachricht|"
    r"mensaje original|message d'origine|message transféré|mensagem original) ?-{2,}"
    r"|_{20,}\n(?:from|von|de):.*)$",
    re.IGNORECASE | re.MULTILINE,
)
# RFC 3676, section 4.3: two hyphens and a space stand before a signature. Many programs drop the space.
_SIGNATURE: Final = re.compile(r"^--$", re.MULTILINE)
_CLOSING: Final = re.compile(
    r"^(?:(?:(?:kind|best|warm|kindest|with (?:kind|best)) )?regards|best wishes|all the best|cheers|"
    r"(?:yours )?(?:sincerely|faithfully|truly)(?: yours)?|"
    r"(?:mit )?(?:(?:freundlichen?|besten?|herzlichen?|vielen?|liebe) )?grü(?:ß|ss)en?|mfg|"
    r"(?:un )?(?:cordial )?saludos?(?: cordial(?:es)?)?|atentamente|"
    r"(?:bien )?cordialement|(?:sincères )?salutations|bien à vous|"
    r"(?:com os melhores )?cumprimentos|atenciosamente|abraços?) ?[,.!]?$",
    re.IGNORECASE | re.MULTILINE,
)
_SIGNATURE_LINES_MAX: Final = 6
_SIGNATURE_CHARACTERS_MAX: Final = 60
_POSTSCRIPT: Final = re.compile(r"^\s*p\.?\s?s\b", re.IGNORECASE)
_DEVICE: Final = re.compile(
    r"^(?:sent|gesendet|von meinem|enviado|envoyé)\b[^\n]{0,40}\b(?:iphone|ipad|android|outlook|smartphone|"
    r"handy|móvil|mobile|telefone|blackberry)\b[^\n]{0,40}$",
    re.IGNORECASE | re.MULTILINE,
)

# Letters that Unicode takes for letters of their own, in the spelling that patterns are written in.
_SPELLED: Final = str.maketrans(
    {"ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "\u0131": "i", "þ": "th"}
)
# Letters of other scripts that look like Latin ones: only taken for these inside a word that has Latin letters too.
_LOOKALIKES: Final = dict(zip("авекмнорстухіјѕԁɡһѵԝⅼαβεηικνορτυχω", "abekmhopctyxijsdghvwlabenikvoptuxw", strict=True))
_WORD: Final = re.compile(r"[^\W\d_]+")
_MASKED: Final = re.compile(r"(?<![\w*])([a-z]{1,6})([*#@$]{1,6})([a-z]{1,20})(?!\w)")
_MASKED_END: Final = re.compile(r"(?<![\w*])([a-z]{1,8})(\*{2,8})(?![\w*])")
_FIGURES: Final = str.maketrans({"1": "i", "0": "o", "3": "e", "4": "a", "@": "a", "$": "s", "!": "i"})
_WITH_FIGURES: Final = re.compile(r"(?<!\w)(?=[a-z$])(?=\w*[0134@$!])[a-z0134@$!]{3,20}(?![\w@])")
_SPACED: Final = re.compile(r"(?<!\w)[a-z](?:[ .\-_][a-z]){2,20}(?!\w)")
_NO_LETTERS: Final = re.compile(r"[ .\-_]")
_REPEATED: Final = re.compile(r"([a-z])\1{2,}")
_SPACE: Final = re.compile(r"\s+")
_SPACE_IN_LINE: Final = re.compile(r"[^\S\n]+")


def own_text(texts: Iterable[str]) -> str:
    """What somebody wrote in several texts, one below the other, without those that are all quoted or empty."""
    return "\n".join(own for text in texts if (own := own_words(text).strip()))


def own_words(text: str) -> str:
    """What the customer wrote themselves: without quoted mail, earlier mail beneath, signature, or note of a device.

    In doubt a line stays: what is left out is not judged.
    """
    spaced = _SPACE_IN_LINE.sub(" ", normalised(text[:CHARACTERS_MAX]).replace("\r\n", "\n"))
    text = "\n".join(line.strip() for line in spaced.split("\n"))
    for end in (_EARLIER_MAIL, _SIGNATURE):
        if found := end.search(text):
            text = text[: found.start()]
    text = _QUOTED_LINE.sub("", _QUOTE_HEADER.sub("", text))
    return _without_closing(_DEVICE.sub("", text))


def folded(text: str) -> str:
    """The text in lower-case letters from a to z, as far as it has any, and single spaces.

    Accents, invisible characters and look-alike letters of other scripts are gone, and letters that are drawn out or
    masked by signs come out the same: a masked one is an underscore.
    """
    text = text.casefold()
    if not text.isascii():
        text = _WORD.sub(_latin, _plain(text))
    text = _MASKED.sub(_underscored, text)
    text = _MASKED_END.sub(lambda found: found[1] + "_" * len(found[2]), text)
    return _REPEATED.sub(r"\1", _SPACE.sub(" ", text)).strip()


def undisguised(text: str) -> str:
    """A folded text with words in figures and spaced words in plain letters: `sh1t`, `r e f u n d`."""
    text = _WITH_FIGURES.sub(lambda found: found[0].translate(_FIGURES), text)
    return _SPACED.sub(lambda found: _NO_LETTERS.sub("", found[0]), text)


def plain_pattern(pattern: str) -> str:
    """A pattern in the letters that `folded` leaves. Its case stays: `\\W` is not `\\w`."""
    return _plain(pattern.replace("ß", "ss")).translate(_SPELLED)


def capitals(text: str) -> tuple[int, int]:
    """How many of a text's letters are capitals, and how many letters it has."""
    upper = sum(map(str.isupper, text))
    return upper, upper + sum(map(str.islower, text))


def latin_share(text: str) -> float:
    """Which share of a text's letters are Latin ones; 1 when it has none."""
    letters = [character for character in _plain(text.casefold()) if character.isalpha()]
    return sum(map(str.isascii, letters)) / len(letters) if letters else 1.0


def _without_closing(text: str) -> str:
    for found in _CLOSING.finditer(text):
        lines = [line for line in text[found.end() :].splitlines() if line.strip()]
        if len(lines) <= _SIGNATURE_LINES_MAX and all(map(_may_sign, lines)):
            return text[: found.start()]
    return text


def _may_sign(line: str) -> bool:
    if len(line) > _SIGNATURE_CHARACTERS_MAX or _POSTSCRIPT.match(line):
        return False
    return not line.rstrip().endswith(("?", "!"))


def _plain(text: str) -> str:
    if text.isascii():
        return text
    apart = unicodedata.normalize("NFKD", text)
    return "".join(each for each in apart if unicodedata.category(each) not in ("Mn", "Cf")).translate(_SPELLED)


def _latin(found: re.Match[str]) -> str:
    word = found[0]
    if word.isascii() or not any(map(str.isascii, word)):
        return word
    return "".join(_LOOKALIKES.get(letter, letter) for letter in word)


def _underscored(found: re.Match[str]) -> str:
    # An address is no masked word.
    if found[2] == "@" and len(found[3]) > 3:
        return found[0]
    return found[1] + "_" * len(found[2]) + found[3]
