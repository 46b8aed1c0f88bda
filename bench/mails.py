"""Mails of any size, in the shapes that cost their readers most."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping

MEBIBYTE = 1024 * 1024
_HEADERS = (
    b"Authentication-Results: mx.google.com; dmarc=pass header.from=example.com\r\n"
    b"From: Ada Lovelace <ada@example.com>\r\n"
    b"To: support@techcorp.example\r\n"
    b"Subject: =?utf-8?q?Export_of_a_board=3F?=\r\n"
    b"Message-ID: <one@example.com>\r\n"
    b"MIME-Version: 1.0\r\n"
)
_SENTENCE = "How do I export a board with all its comments, and can Zoë do that too?\r\n".encode()
_PLAIN = b"Content-Type: text/plain; charset=utf-8\r\n\r\n"
_HTML = b"Content-Type: text/html; charset=utf-8\r\n\r\n"
_FILES, _PARTS, _LEVELS = 4, 900, 18


def plain(size: int) -> bytes:
    """Nothing but text."""
    return _HEADERS + _PLAIN + _filled(_SENTENCE, size)


def quoted(size: int) -> bytes:
    """A sentence over the whole correspondence."""
    return (
        _HEADERS
        + _PLAIN
        + _SENTENCE
        + b"\r\nOn Mon, 3 Nov 2025, Bo <bo@x.example> wrote:\r\n"
        + _filled(b"> " + _SENTENCE, size)
    )


def html_only(size: int) -> bytes:
    """A page as a mail program makes it, with no plain text beside it."""
    paragraph = (
        b'<div style="margin:0"><p>How do I <b>export</b> a <a href="https://x.example/">board</a>?</p></div>\r\n'
    )
    return _HEADERS + _HTML + b"<html><body>" + _filled(paragraph, size) + b"</body></html>\r\n"


def files(size: int) -> bytes:
    """A question with files, in base64."""
    file = base64.encodebytes(bytes(range(256)) * (size * 3 // 4 // _FILES // 256)).replace(b"\n", b"\r\n")
    head = b"Content-Type: image/png; name=board.png\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return _HEADERS + _multipart(b"cut", [_PLAIN + _SENTENCE, *[head + file] * _FILES])


def many_parts(size: int) -> bytes:
    """As many small texts as are read at all."""
    return _HEADERS + _multipart(b"cut", [_PLAIN + _filled(_SENTENCE, size // _PARTS)] * _PARTS)


def nested(size: int) -> bytes:
    """Texts within texts, nearly as deep as is read."""
    text = _filled(_SENTENCE, size // _LEVELS)
    inner = _PLAIN + text
    for level in range(_LEVELS - 1):
        inner = _multipart(f"level{level}x".encode(), [_PLAIN + text, inner])
    return _HEADERS + inner


SHAPES: Mapping[str, Callable[[int], bytes]] = {
    "plain text": plain,
    "quotations": quoted,
    "HTML only": html_only,
    "files in base64": files,
    "many parts": many_parts,
    "deeply nested": nested,
}
"""By name, what makes a mail of about so many bytes."""


def _filled(line: bytes, size: int) -> bytes:
    return line * max(1, size // len(line))


def _multipart(boundary: bytes, parts: list[bytes]) -> bytes:
    delimited = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
    return (
        b'Content-Type: multipart/mixed; boundary="'
        + boundary
        + b'"\r\n\r\n'
        + delimited
        + b"--"
        + boundary
        + b"--\r\n"
    )
