"""What somebody reads in an HTML mail, as plain text."""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from channels.providers.gmail.headers import visible
from channels.providers.gmail.quotes import is_forwarded

# What a parser does at each tag takes time by how deep it stands, so that depth, too, has a limit, far beyond what mail
# programs write. 128 Ki characters are 13 times the text that is kept.
_CHARACTERS_MAX = 128 * 1024
_DEPTH_MAX = 500
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
_WITHOUT_END = "area base br col embed hr img input link meta source track wbr"
_END_LEFT_OUT = "dd dt li option p tbody td tfoot th thead tr"
_FLAT = frozenset(f"{_WITHOUT_END} {_END_LEFT_OUT}".split())
_MARK = "\ue000"
_BLOCKS = (
    "address, article, aside, blockquote, br, dd, div, dl, dt, footer, h1, h2, h3, h4, h5, h6, header, hr, li, main, "
    "ol, p, pre, section, table, td, tr, ul"
)
# What is not shown cannot have been meant for us to read; hidden words are how machines are given orders.
_UNSEEN = (
    "head, script, style, template, noscript, title, svg, math, object, iframe, [hidden], "
    '[style*="display:none" i], [style*="display: none" i], [style*="visibility:hidden" i], '
    '[style*="visibility: hidden" i], [style*="font-size:0" i], [style*="font-size: 0" i], [style*="mso-hide:all" i]'
)
# How mail programs mark what they quote: Gmail, Thunderbird and Apple, Outlook on the web, Yahoo, Proton.
_QUOTES = (
    ".gmail_quote, .gmail_extra, blockquote[type=cite], .moz-cite-prefix, #appendonsend, #divRplyFwdMsg, "
    "#mail-editor-reference-message-container, .yahoo_quoted, .protonmail_quote, .tutanota_quote, .zmail_extra"
)
# Outlook quotes behind these, not inside them.
_QUOTE_FOLLOWS = frozenset({"appendonsend", "divRplyFwdMsg"})
_BLANKS = re.compile(r"\s+")
_LINES = re.compile(rf"[ ]*{_MARK}[ {_MARK}]*")


def to_text(html: str) -> str:
    """The text that a reader sees, without what the mail program marks as quoted; with it where there is no other.

    A line for each block. At most 128 Ki characters of HTML are read, and up to where 500 tags are open. Never raises.
    """
    tree = LexborHTMLParser(_within_depth(visible(html[:_CHARACTERS_MAX]).replace(_MARK, "")))
    body = tree.body
    if body is None:
        return ""
    for node in tree.css(_UNSEEN):
        node.decompose()
    for node in tree.css(_BLOCKS):
        node.insert_before(_MARK)
        node.insert_after(_MARK)
    whole = _lines(body)
    quotes = [node for node in tree.css(_QUOTES) if not is_forwarded(_start(node))]
    if not quotes:
        return whole
    for node in quotes:
        if node.attributes.get("id") in _QUOTE_FOLLOWS:
            _drop_what_follows(node)
        node.decompose()
    return _lines(body) or whole


def _within_depth(html: str) -> str:
    depth = 0
    for tag in _TAG.finditer(html):
        closing, name = tag.groups()
        if name.lower() not in _FLAT:
            depth = max(0, depth - 1) if closing else depth + 1
            if depth > _DEPTH_MAX:
                return html[: tag.start()]
    return html


def _lines(node: LexborNode) -> str:
    # Blanks in HTML are one blank; lines begin where blocks do.
    text = _BLANKS.sub(" ", node.text(deep=True))
    return "\n".join(line.strip() for line in _LINES.sub(_broken, text).split("\n")).strip()


def _broken(match: re.Match[str]) -> str:
    # One block's end and the next one's beginning are one line break; more of them are an empty line.
    return "\n" if match.group().count(_MARK) <= 2 else "\n\n"


def _start(node: LexborNode) -> str:
    return node.text(deep=True)[:200].replace(_MARK, "\n").strip()


def _drop_what_follows(node: LexborNode) -> None:
    following = node.next
    while following is not None:
        upcoming = following.next
        following.decompose()
        following = upcoming
