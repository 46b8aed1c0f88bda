"""A mail's bytes as what a person would read: text, files, and the report of a bounce.

Mails are written by anybody, so every walk here is bounded and takes time in proportion to the bytes: parts are found
by searching for their boundaries within bounds of the one buffer, nothing is unpacked, and what is past a limit is
recorded as a file that was not read. The standard library's parser checks each line against the boundaries of all
levels and recurses without end, which is why it reads header blocks only.
"""

from __future__ import annotations

import binascii
import dataclasses
import hashlib
import re
from collections.abc import Callable, Iterator
from email.message import Message

from channels.model import ATTACHMENTS_MAX, Attachment
from channels.providers.gmail.headers import Headers, decode_text, decoded, parse_headers, visible
from channels.providers.gmail.html import to_text

PARTS_MAX = 1000
DEPTH_MAX = 20

# Of text, many times what a message may have; the rest of a part is recorded.
_TEXT_BYTES_MAX = 512 * 1024
_PARAMETER_CHARACTERS_MAX = 2000
_BOUNDARY_CHARACTERS_MAX = 200
_FILE_NAME_CHARACTERS_MAX = 255
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}")
_UNKNOWN_TYPE = "application/octet-stream"


@dataclasses.dataclass(frozen=True, slots=True)
class Mail:
    """A mail that was read.

    `text` is what it says, quotations and all, with LF line breaks. `report_type` is that of a `multipart/report` (RFC
    6522), `report` its machine-readable part, and `returned` the headers of the mail that it is about.
    """

    headers: Headers
    text: str
    attachments: tuple[Attachment, ...]
    report_type: str = ""
    report: bytes = b""
    returned: Headers | None = None


def parse(raw: bytes) -> Mail:
    """The mail in these bytes. Never raises: what is not what it claims is read as text, or recorded as a file."""
    return _Reader(raw).mail()


@dataclasses.dataclass(frozen=True, slots=True)
class _Span:
    """A part within the buffer: where it starts, where its body does, and where it ends."""

    start: int
    body: int
    end: int


@dataclasses.dataclass(frozen=True, slots=True)
class _Text:
    """The text of a part. `plain` says that nobody had to make it of HTML."""

    text: str = ""
    plain: bool = False


class _Content:
    """What the Content-… fields of a part say of it."""

    def __init__(self, headers: Headers) -> None:
        # The standard library knows how parameters are written, continued and encoded (RFC 2231).
        message = Message()
        for name in ("content-type", "content-disposition", "content-transfer-encoding"):
            if value := headers.first(name):
                message[name] = value[:_PARAMETER_CHARACTERS_MAX]
        self.type = _read(message.get_content_type) or "text/plain"
        # Each question reads the whole field anew, and a mail may have a thousand parts: only what can matter is asked.
        whole = self.type.startswith("multipart/")
        self.charset = "" if whole else _read(message.get_content_charset)
        self.boundary = _read(message.get_boundary)[:_BOUNDARY_CHARACTERS_MAX] if whole else ""
        self.report_type = (
            _read(lambda: message.get_param("report-type")).lower() if self.type == "multipart/report" else ""
        )
        disposed = "content-disposition" in message
        self.is_attached = disposed and _read(message.get_content_disposition) == "attachment"
        named = disposed or "name" in (headers.first("content-type") or "").lower()
        self.file_name = _base_name(_read(message.get_filename)) if named else ""
        self.encoding = headers.first("content-transfer-encoding").lower()[:40]

    @property
    def is_multipart(self) -> bool:
        return self.type.startswith("multipart/") and self.boundary != ""


class _Reader:
    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._parts = 0
        self._files = _Files()
        self._report_type = ""
        self._report = b""
        self._returned: Headers | None = None

    def mail(self) -> Mail:
        span, headers = self._opened(0, len(self._raw))
        content = _Content(headers)
        if content.type == "multipart/report":
            self._report_type = content.report_type or "unknown"
        text = self._read(span, content, depth=0).text
        return Mail(headers, text, self._files.facts(), self._report_type, self._report, self._returned)

    def _opened(self, start: int, end: int) -> tuple[_Span, Headers]:
        body = self._body_start(start, end)
        return _Span(start, body, end), parse_headers(self._raw[start:body])

    def _body_start(self, start: int, end: int) -> int:
        raw = self._raw
        for line_break in (b"\r\n", b"\n"):
            if raw.startswith(line_break, start, end):
                return start + len(line_break)
        at = raw.find(b"\n\n", start, end)
        other = raw.find(b"\n\r\n", start, end if at < 0 else at)
        if other >= 0:
            return other + 3
        return at + 2 if at >= 0 else end

    def _read(self, span: _Span, content: _Content, *, depth: int) -> _Text:
        if content.is_multipart:
            if depth < DEPTH_MAX:
                return self._read_parts(span, content, depth=depth)
            self._files.add_unread(content.type, span.end - span.body)
            return _Text()
        if self._report_type and depth > 0 and self._take_report(span, content):
            return _Text()
        # A multipart without a boundary holds no parts.
        is_words = content.type in ("text/plain", "text/html") or content.type.startswith("multipart/")
        if is_words and not content.is_attached and (not content.file_name or depth == 0):
            return self._read_words(span, content)
        body = self._raw[span.body : span.end]
        self._files.add(content.file_name, _safe_type(content.type), _unwrapped(body, content.encoding))
        return _Text()

    def _read_parts(self, span: _Span, content: _Content, *, depth: int) -> _Text:
        alternatives = content.type == "multipart/alternative"
        found: list[_Text] = []
        reached = span.body
        for start, end in self._parts_of(span, content.boundary):
            if self._parts == PARTS_MAX:
                self._files.add_unread("multipart/mixed", span.end - start)
                return _joined(found, alternatives)
            self._parts += 1
            reached = end
            part, headers = self._opened(start, end)
            inner = _Content(headers)
            if alternatives and inner.type == "text/html" and any(text.plain for text in found):
                # The same words once more, and dearer to read.
                continue
            text = self._read(part, inner, depth=depth + 1)
            if text.text.strip():
                found.append(text)
        if reached == span.body:
            # No boundary to be seen: what is there is read as it stands.
            return self._read_words(span, _Content(Headers(())))
        return _joined(found, alternatives)

    def _parts_of(self, span: _Span, boundary: str) -> Iterator[tuple[int, int]]:
        """Start and end of each part between the delimiter lines (RFC 2046, 5.1.1); the last may lack its end."""
        raw, delimiter = self._raw, b"--" + boundary.encode("utf-8", "replace")
        started = -1
        at = raw.find(delimiter, span.body, span.end)
        while at >= 0:
            line_end = raw.find(b"\n", at, span.end)
            line_end = span.end if line_end < 0 else line_end
            tail = raw[at + len(delimiter) : line_end]
            at_line_start = at == span.body or raw[at - 1 : at] == b"\n"
            if at_line_start and tail.strip() in (b"", b"--"):
                if started >= 0:
                    yield started, _without_line_break(raw, started, at)
                if tail.strip() == b"--":
                    return
                started = min(line_end + 1, span.end)
            at = raw.find(delimiter, line_end if at_line_start else at + len(delimiter), span.end)
        if started >= 0:
            yield started, span.end

    def _read_words(self, span: _Span, content: _Content) -> _Text:
        # Encoded, three bytes take four, or one takes three.
        length = span.end - span.body
        taken = min(length, 3 * _TEXT_BYTES_MAX)
        body = _unwrapped(self._raw[span.body : span.body + taken], content.encoding)[:_TEXT_BYTES_MAX]
        if taken < length:
            self._files.add_unread(content.type, length - taken)
        text = decode_text(body, content.charset)
        if content.type == "text/html":
            return _Text(to_text(text))
        return _Text(visible(text.replace("\r\n", "\n").replace("\r", "\n")), plain=True)

    def _take_report(self, span: _Span, content: _Content) -> bool:
        if content.type in ("message/delivery-status", "message/global-delivery-status"):
            body = self._raw[span.body : span.body + min(span.end - span.body, _TEXT_BYTES_MAX)]
            self._report = self._report or _unwrapped(body, content.encoding)
            return True
        if content.type in ("message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers"):
            body = self._raw[span.body : span.body + min(span.end - span.body, _TEXT_BYTES_MAX)]
            inner = _unwrapped(body, content.encoding).lstrip(b"\r\n")
            end = inner.find(b"\r\n\r\n") if b"\r\n\r\n" in inner else inner.find(b"\n\n")
            self._returned = self._returned or parse_headers(inner if end < 0 else inner[:end])
            return True
        return False


class _Files:
    """The files of a mail as facts, as many as a message may have; the last one stands for those past that."""

    def __init__(self) -> None:
        self._facts: list[Attachment] = []
        self._further = 0
        self._further_bytes = 0

    def add(self, name: str, media_type: str, content: bytes) -> None:
        if len(self._facts) < ATTACHMENTS_MAX:
            digest = hashlib.sha256(content).hexdigest()
            self._facts.append(Attachment(name, media_type, len(content), digest))
        else:
            self._further += 1
            self._further_bytes += len(content)

    def add_unread(self, media_type: str, size_bytes: int) -> None:
        """Records what is past a limit: it has a size, and nothing else is known of it."""
        if len(self._facts) < ATTACHMENTS_MAX:
            self._facts.append(Attachment("(not read)", _safe_type(media_type), size_bytes))
        else:
            self._further += 1
            self._further_bytes += size_bytes

    def facts(self) -> tuple[Attachment, ...]:
        if not self._further:
            return tuple(self._facts)
        last = self._facts[-1]
        summary = Attachment(
            f"({self._further + 1} further files)", _UNKNOWN_TYPE, last.size_bytes + self._further_bytes
        )
        return (*self._facts[:-1], summary)


def _joined(found: list[_Text], alternatives: bool) -> _Text:
    if not found:
        return _Text()
    if alternatives:
        return next((text for text in found if text.plain), found[0])
    return _Text("\n\n".join(text.text.strip("\n") for text in found), plain=any(text.plain for text in found))


def _without_line_break(raw: bytes, start: int, at: int) -> int:
    # The line break before a delimiter is the delimiter's.
    end = at - 1 if at > start and raw[at - 1 : at] == b"\n" else at
    return end - 1 if end > start and raw[end - 1 : end] == b"\r" else end


def _unwrapped(body: bytes, encoding: str) -> bytes:
    """The body without its transfer encoding; as it is where it is not what it says."""
    if encoding == "base64":
        for padding in (b"", b"=", b"=="):
            try:
                return binascii.a2b_base64(body + padding)
            except binascii.Error:
                continue
        return body
    return binascii.a2b_qp(body) if encoding == "quoted-printable" else body


def _base_name(name: str) -> str:
    # A path would be the sender's, and might be taken for one of ours.
    return decoded(name).replace("\\", "/").rpartition("/")[2].strip()[:_FILE_NAME_CHARACTERS_MAX]


def _safe_type(media_type: str) -> str:
    return media_type if _MEDIA_TYPE.fullmatch(media_type) else _UNKNOWN_TYPE


def _read(getter: Callable[[], object]) -> str:
    """What the standard library makes of a parameter, empty where it fails: it was not written for forgeries."""
    try:
        value = getter()
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return ""
    return value if isinstance(value, str) else ""
