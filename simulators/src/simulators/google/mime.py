"""Mails as bytes, and as the Gmail API shows them."""

from __future__ import annotations

import base64
import email.message
import email.parser
import email.policy
import hashlib
import html
import re
from collections.abc import Collection, Iterator
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from typing import Any, TypeAlias

_Part: TypeAlias = "email.message.Message[str, str]"

_HEADERS = email.parser.BytesHeaderParser(policy=email.policy.compat32)
_WHOLE = email.parser.BytesParser(policy=email.policy.compat32)
_HEADERS_BYTES_MAX = 512 * 1024
_SNIPPET_SOURCE_BYTES = 16 * 1024
_TAGS = re.compile(r"<(script|style)\b[^>]*>.*?</\1\s*>|<[^>]*>", re.IGNORECASE | re.DOTALL)


def base64url(octets: bytes) -> str:
    """Base64 with `-` and `_`, padded, as the Gmail API writes bytes."""
    return base64.urlsafe_b64encode(octets).decode("ascii")


def from_base64url(text: str) -> bytes:
    """The bytes of a base64url text, padded or not. Raises ValueError."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def split(raw: bytes) -> tuple[bytes, bytes]:
    """The header section with its last line ending, and what follows the empty line."""
    found = re.search(rb"\r?\n\r?\n", raw[:_HEADERS_BYTES_MAX])
    if found is None:
        return raw.rstrip(b"\r\n") + b"\r\n", b""
    return raw[: found.start()] + b"\r\n", raw[found.end() :]


def headers(raw: bytes) -> tuple[tuple[str, str], ...]:
    """The mail's headers, topmost first, unfolded and with encoded words decoded."""
    return tuple((name, _decoded(str(value))) for name, value in _HEADERS.parsebytes(split(raw)[0]).items())


def with_headers(raw: bytes, *, drop: Collection[str], top: str) -> bytes:
    """The mail without the headers of those names, and with the lines of `top` above all others.

    Works on the bytes: what is not touched stays as it was written, whatever a parser would make of it.
    """
    section, body = split(raw)
    unwanted = {name.lower().encode() for name in drop}
    kept: list[bytes] = []
    dropping = False
    for line in section.splitlines(keepends=True):
        if not line.startswith((b" ", b"\t")):
            dropping = line.partition(b":")[0].strip().lower() in unwanted
        if not dropping:
            kept.append(line)
    return top.encode("utf-8", "surrogateescape") + b"".join(kept) + b"\r\n" + body


def snippet(raw: bytes) -> str:
    """The first words of the text, at most 200 characters, escaped as HTML as Gmail does."""
    text, html_text = texts(raw[:_SNIPPET_SOURCE_BYTES])
    words = (text or _TAGS.sub(" ", html_text)).split()
    return html.escape(" ".join(words)[:200], quote=True)


def texts(raw: bytes) -> tuple[str, str]:
    """The first plain text and the first HTML that are no attachment; empty where there is none."""
    found = {"text/plain": "", "text/html": ""}
    for _, part in _walk(_parse(raw)):
        kind = part.get_content_type()
        if kind in found and not found[kind] and not part.get_filename() and not part.is_multipart():
            found[kind] = _octets(part).decode("utf-8", "replace")
    return found["text/plain"], found["text/html"]


def payload(raw: bytes) -> dict[str, Any]:
    """The mail as a tree of MessagePart resources, with texts inline and attachments by their id."""
    tree: dict[str, dict[str, Any]] = {}
    for path, part in _walk(_parse(raw)):
        rendered = _rendered(path, part, headers(raw) if not path else _headers_of(part))
        tree[path] = rendered
        if path:
            tree[path.rpartition(".")[0]].setdefault("parts", []).append(rendered)
    return tree[""]


def attachment(raw: bytes, attachment_id: str) -> bytes | None:
    """The bytes of the attachment with that id; None when the mail has none such."""
    for path, part in _walk(_parse(raw)):
        if _is_attachment(part) and _attachment_id(path, part) == attachment_id:
            return _octets(part)
    return None


def _parse(raw: bytes) -> _Part:
    try:
        return _WHOLE.parsebytes(raw)
    except RecursionError:
        # Nested deeper than Python parses: the headers, and all else as one body.
        return _HEADERS.parsebytes(raw)


def _walk(part: _Part, path: str = "") -> Iterator[tuple[str, _Part]]:
    """The part and all below it, each with its id: empty for the mail, then 0, 1, 1.0 and so on, as Gmail counts."""
    waiting = [(path, part)]
    while waiting:
        path, part = waiting.pop()
        yield path, part
        children = part.get_payload() if part.is_multipart() else ()
        numbered = [
            (f"{path}.{number}".lstrip("."), child)
            for number, child in enumerate(children)
            if isinstance(child, email.message.Message)
        ]
        waiting.extend(reversed(numbered))


def _rendered(path: str, part: _Part, own_headers: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    octets = b"" if part.is_multipart() else _octets(part)
    body: dict[str, Any] = {"size": len(octets)}
    if _is_attachment(part):
        body["attachmentId"] = _attachment_id(path, part)
    elif octets:
        body["data"] = base64url(octets)
    return {
        "partId": path,
        "mimeType": part.get_content_type(),
        "filename": _filename(part),
        "headers": [{"name": name, "value": value} for name, value in own_headers],
        "body": body,
    }


def _headers_of(part: _Part) -> tuple[tuple[str, str], ...]:
    return tuple((name, _decoded(str(value))) for name, value in part.items())


def _is_attachment(part: _Part) -> bool:
    return not part.is_multipart() and bool(_filename(part))


def _filename(part: _Part) -> str:
    return _decoded(part.get_filename() or "")


def _attachment_id(path: str, part: _Part) -> str:
    digest = hashlib.sha256(path.encode() + b":" + _octets(part)).digest()
    return "ANGjdJ" + base64url(digest).rstrip("=")


def _octets(part: _Part) -> bytes:
    """The decoded body; text comes in UTF-8, whatever it was written in."""
    content = part.get_payload(decode=True)
    octets = content if isinstance(content, bytes) else b""
    charset = part.get_content_charset()
    if part.get_content_maintype() != "text" or charset in (None, "utf-8", "us-ascii"):
        return octets
    try:
        return octets.decode(charset or "utf-8", "replace").encode("utf-8")
    except (LookupError, ValueError):
        return octets


def _decoded(value: str) -> str:
    unfolded = re.sub(r"\r?\n(?=[ \t])", "", value)
    if "=?" not in unfolded:
        return unfolded
    try:
        return str(make_header(decode_header(unfolded)))
    except (HeaderParseError, LookupError, ValueError):
        return unfolded
