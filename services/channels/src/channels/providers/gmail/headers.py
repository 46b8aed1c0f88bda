"""The header fields of a mail, whatever somebody made of them."""

from __future__ import annotations

import codecs
import email.header
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.parser import BytesHeaderParser
from email.policy import compat32

from channels import model

_BLOCK_BYTES_MAX = 256 * 1024
_FIELDS_MAX = 1000
_VALUE_CHARACTERS_MAX = 16 * 1024
# A line of a mail has at most 998 characters (RFC 5322, 2.1.1); the decoder's time grows faster than its input.
_ENCODED_CHARACTERS_MAX = 2000
# Codecs that are no charsets of texts: what they do takes more than linear time, or turns text into escapes.
_NO_CHARSETS = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined"})
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
_BLANKS = re.compile(r"\s+")
_PARSER = BytesHeaderParser(policy=compat32)


@dataclass(frozen=True, slots=True)
class Headers:
    """Names in lower case with their values, unfolded, in the order they stand in the mail."""

    fields: tuple[tuple[str, str], ...]

    def all(self, name: str) -> Iterator[str]:
        """Every value of this name, topmost first."""
        return (value for known, value in self.fields if known == name)

    def first(self, name: str) -> str:
        """The topmost value of this name, empty without one."""
        return next(self.all(name), "")

    def has(self, name: str) -> bool:
        """Whether there is a field of this name."""
        return any(known == name for known, _ in self.fields)


def parse_headers(block: bytes) -> Headers:
    """The fields of a header block. What is past 256 KiB, 1000 fields or 16 KiB of one field is left out."""
    fields: list[tuple[str, str]] = []
    for name, value in _PARSER.parsebytes(block[:_BLOCK_BYTES_MAX]).raw_items():
        if len(fields) == _FIELDS_MAX:
            break
        fields.append((name.lower(), _unfolded(str(value)[:_VALUE_CHARACTERS_MAX])))
    return Headers(tuple(fields))


def decoded(value: str) -> str:
    """A value with its encoded words (RFC 2047) read, as one line of what can be seen.

    Line breaks that were hidden in an encoded word become blanks: what is read here may become a header again.
    """
    if "=?" in value:
        value = _words_decoded(value[:_ENCODED_CHARACTERS_MAX])
    return one_line(value)


def one_line(text: str) -> str:
    """The text without control characters, every run of blanks as one."""
    return _BLANKS.sub(" ", model.clean_line(visible(text))).strip()


def visible(text: str) -> str:
    """The text without control characters, but with its line breaks and tabs."""
    return _CONTROL.sub("", text)


def decode_text(content: bytes, charset: str) -> str:
    """The bytes as text. An unknown charset is taken for UTF-8, and what is not that for Windows-1252; never raises."""
    for name in (_known(charset), "utf-8"):
        if name:
            try:
                return content.decode(name)
            except (UnicodeError, ValueError):
                continue
    return content.decode("cp1252", errors="replace")


def _known(charset: str) -> str:
    try:
        codec = codecs.lookup(charset[:40].strip("'\" "))
    except (LookupError, UnicodeError, ValueError):
        return ""
    # Python's other codecs, as zlib's, are refused by `bytes.decode` itself, as a LookupError.
    if codec.name.replace("_", "-") in _NO_CHARSETS or not getattr(codec, "_is_text_encoding", True):
        return ""
    # What is sent as Latin-1 is Windows-1252 in truth, as WHATWG's encoding standard has it.
    return "cp1252" if codec.name == "iso8859-1" else codec.name


def _unfolded(value: str) -> str:
    # The parser keeps bytes outside ASCII as surrogates, which nothing behind us may see.
    if not value.isascii():
        value = decode_text(value.encode("utf-8", "surrogateescape"), "utf-8")
    return _BLANKS.sub(" ", value).strip()


def _words_decoded(value: str) -> str:
    try:
        chunks = email.header.decode_header(value)
    except (HeaderParseError, ValueError, LookupError):
        return value
    words = "".join(
        chunk if isinstance(chunk, str) else decode_text(chunk, charset or "utf-8") for chunk, charset in chunks
    )
    # What is encoded wrongly may come out as nothing.
    return words if words.strip() else value
