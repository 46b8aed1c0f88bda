"""What customers ask, by section: Markdown files of headings with a list beneath each.

One file has the questions that a section answers, another those near a section that no document answers.
"""

from collections.abc import Iterable, Mapping, Sequence

from markdown_it import MarkdownIt

from knowledge.errors import QuestionsInvalid
from knowledge.model import Question, Section

QUESTIONS_MAX = 100
"""Questions under one heading of a file: more would take a first import minutes, where no vectors were made ahead."""
QUESTION_CHARACTERS_MAX = 300
"""The longest of them."""

ANSWERED = "CONTEXT_QUESTIONS"
OPEN = "CONTEXT_OPEN_QUESTIONS"
"""The settings that name the two files."""

_PARSER = MarkdownIt("commonmark")


def read(name: str, markdown: str, setting: str = ANSWERED) -> dict[str, tuple[str, ...]]:
    """Returns the questions by the heading they stand under, in their order; what stands before the first is a preface.

    Headings are of level 2, and a question is one item of a list. Raises QuestionsInvalid, which says which setting
    named the file.
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
                raise QuestionsInvalid(name, setting, f"names the section {words!r} twice; put its questions together")
            heading, asked[words] = words, ()
        elif heading and tokens[place - 2].type == "list_item_open":
            asked[heading] = (*asked[heading], words)
            if len(words) > QUESTION_CHARACTERS_MAX:
                raise QuestionsInvalid(
                    name,
                    setting,
                    f"has a question of {len(words)} characters under {heading!r}; {QUESTION_CHARACTERS_MAX} fit",
                )
            if len(asked[heading]) > QUESTIONS_MAX:
                raise QuestionsInvalid(name, setting, f"has more than {QUESTIONS_MAX} questions under {heading!r}")
    return asked


def require_known(name: str, setting: str, asked: Mapping[str, object], sections: Iterable[Section]) -> None:
    """Raises QuestionsInvalid for a heading that no section has: a renamed section would lose its questions unseen."""
    known = {section.name for section in sections}
    strange = sorted(asked.keys() - known)
    if strange:
        raise QuestionsInvalid(
            name, setting, f"names the section {strange[0]!r}, which no document has; rename it as it is there"
        )


def require_apart(name: str, answered: Mapping[str, Sequence[str]], left_open: Mapping[str, Sequence[str]]) -> None:
    """Raises QuestionsInvalid for an open question, of the file `name`, that is an answered one, too."""
    known = {text.casefold(): heading for heading, texts in answered.items() for text in texts}
    for heading, texts in left_open.items():
        for text in texts:
            if text.casefold() in known:
                raise QuestionsInvalid(
                    name,
                    OPEN,
                    f"has {text!r} under {heading!r}, which {ANSWERED} has under {known[text.casefold()]!r}; "
                    "it is answered or it is not: leave it in one of the two",
                )


def together(
    answered: Mapping[str, Sequence[str]], left_open: Mapping[str, Sequence[str]]
) -> dict[str, tuple[Question, ...]]:
    """Returns the questions of both sorts by heading, the answered ones first."""
    return {
        heading: (
            *(Question(text, True) for text in answered.get(heading, ())),
            *(Question(text, False) for text in left_open.get(heading, ())),
        )
        for heading in {**answered, **left_open}
    }
