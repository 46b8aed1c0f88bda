"""What customers ask, by the section that answers it: a Markdown file of headings with a list beneath each."""

from collections.abc import Iterable, Mapping

from markdown_it import MarkdownIt

from knowledge.errors import QuestionsInvalid
from knowledge.model import Section

QUESTIONS_MAX = 20
"""Questions under one heading: more would take the first import minutes."""
QUESTION_CHARACTERS_MAX = 300
"""The longest of them."""

_PARSER = MarkdownIt("commonmark")


def read(name: str, markdown: str) -> dict[str, tuple[str, ...]]:
    """Returns the questions by the heading they stand under, in their order; what stands before the first is a preface.

    Headings are of level 2, and a question is one item of a list. Raises QuestionsInvalid.
    """
    asked: dict[str, tuple[str, ...]] = {}
    heading = ""
    tokens = _PARSER.parse(markdown)
    for place, token in enumerate(tokens):
        if token.type != "inline":
            continue
        words = " ".join(token.content.split())
        if tokens[place - 1].type == "heading_open" and tokens[place - 1].tag == "h2":
            if words in asked:
                raise QuestionsInvalid(name, f"names the section {words!r} twice; put its questions together")
            heading, asked[words] = words, ()
        elif heading and tokens[place - 2].type == "list_item_open":
            asked[heading] = (*asked[heading], words)
            if len(words) > QUESTION_CHARACTERS_MAX:
                raise QuestionsInvalid(
                    name, f"has a question of {len(words)} characters under {heading!r}; {QUESTION_CHARACTERS_MAX} fit"
                )
            if len(asked[heading]) > QUESTIONS_MAX:
                raise QuestionsInvalid(name, f"has more than {QUESTIONS_MAX} questions under {heading!r}")
    return asked


def require_known(name: str, asked: Mapping[str, object], sections: Iterable[Section]) -> None:
    """Raises QuestionsInvalid for a heading that no section has: a renamed section would lose its questions unseen."""
    known = {section.name for section in sections}
    strange = sorted(asked.keys() - known)
    if strange:
        raise QuestionsInvalid(
            name, f"names the section {strange[0]!r}, which no document has; rename it as it is there"
        )
