"""A Markdown document into passages: one under each heading, and several where there is much to say."""

import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from knowledge.errors import DocumentInvalid
from knowledge.model import Document, Section

PASSAGE_CHARACTERS_MAX = 1000
"""The longest text of a passage. About 230 tokens of English, so that heading and text are embedded as a whole."""

_LINE_END = re.compile(r"\r\n?|\n")
# Where a block that is too long by itself may end, best first: at a line, at a sentence, between two words.
_SEAMS = (re.compile(r"\n"), re.compile(r"(?<=[.!?])\s"), re.compile(r"\s"))
_PARSER = MarkdownIt("commonmark").enable("table")


def split(slug: str, markdown: str, *, limit: int = PASSAGE_CHARACTERS_MAX) -> Document:
    """Returns the document's title and its sections, in their order.

    The title is the first heading of level 1. What stands before the next heading introduces the document and is in no
    section; from there on every word is in exactly one, under the path of headings that lead to it. No text is longer
    than `limit` characters: a longer one is cut where a block of Markdown ends (paragraph, list, table, code), and
    inside a block that is itself too long at the end of a line, of a sentence, of a word. Headings follow CommonMark;
    those inside quotations, lists and code are text.

    Raises DocumentInvalid for a document without a title or without a section.
    """
    # As CommonMark reads it: its line numbers then count in our lines, and no NUL reaches the database.
    lines = (
        _LINE_END.sub("\n", markdown.removeprefix("\ufeff")).replace("\x00", "\N{REPLACEMENT CHARACTER}").split("\n")
    )
    title = ""
    sections: list[Section] = []
    path: list[tuple[int, str]] = []
    for level, heading, start, end, blocks in _stretches(_PARSER.parse("\n".join(lines)), len(lines)):
        if level == 1 and not title:
            title = heading
            continue
        path = [(above, name) for above, name in path if above < level] + [(level, heading)]
        text, seams = _text(lines, start, end, blocks)
        where = " > ".join(name for _, name in path if name)
        sections.extend(Section(where, piece) for piece in _pieces(text, seams, limit) if piece)
    if not title:
        raise DocumentInvalid(slug, "has no title; begin it with a line like `# Product documentation`")
    if not sections:
        raise DocumentInvalid(slug, "has no section; put text under headings like `## Reset a password`")
    return Document(slug=slug, title=title, sections=tuple(sections))


def _stretches(tokens: Sequence[Token], line_count: int) -> Iterator[tuple[int, str, int, int, list[int]]]:
    """Each heading: its level and words, the lines of text under it, and the lines where the blocks there begin."""
    places = [place for place, token in enumerate(tokens) if token.type == "heading_open" and token.level == 0]
    for place, following in zip(places, [*places, None][1:], strict=True):
        opening, words = tokens[place], tokens[place + 1]
        start = _lines(opening)[1]
        end = line_count if following is None else _lines(tokens[following])[0]
        inside = tokens[place + 3 : following]
        blocks = [_lines(token)[0] for token in inside if token.level == 0 and token.map is not None]
        yield int(opening.tag[1:]), _words(words), start, end, blocks


def _lines(token: Token) -> list[int]:
    if token.map is None:
        raise ValueError("a block of Markdown without its lines")
    return token.map


def _words(inline: Token) -> str:
    # Without the marks of emphasis, code and links.
    parts = (" " if child.type in ("softbreak", "hardbreak") else child.content for child in inline.children or ())
    return " ".join("".join(parts).split())


def _text(lines: Sequence[str], start: int, end: int, blocks: Sequence[int]) -> tuple[str, list[int]]:
    """The text of these lines, and the places in it where a block begins."""
    offsets = [0]
    for line in lines[start:end]:
        offsets.append(offsets[-1] + len(line) + 1)
    return "\n".join(lines[start:end]), [offsets[block - start] for block in blocks]


def _pieces(text: str, blocks: Sequence[int], limit: int) -> Iterator[str]:
    start = 0
    while len(text[start:].strip()) > limit:
        start += len(text[start:]) - len(text[start:].lstrip())
        end = _seam(text, blocks, start, start + limit)
        yield text[start:end].strip()
        start = end
    yield text[start:].strip()


def _seam(text: str, blocks: Sequence[int], start: int, limit: int) -> int:
    # A first quarter is not worth a passage of its own: rather cut inside the block that follows.
    earliest = start + (limit - start) // 4
    found = [block for block in blocks if earliest < block <= limit]
    if found:
        return found[-1]
    for seam in _SEAMS:
        # One character more: a text may fit to the last one, and the white space after it goes nowhere.
        ends = [match.end() for match in seam.finditer(text, start, limit + 1) if match.start() > earliest]
        if ends:
            return ends[-1]
    return limit
