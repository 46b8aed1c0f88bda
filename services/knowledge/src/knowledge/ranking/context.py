"""The folder that is imported: its documents, cut into sections, and the questions beside them."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from knowledge.errors import DocumentMissing
from knowledge.model import Document, Question
from knowledge.ranking import chunk, questions


@dataclass(frozen=True)
class Context:
    """What a folder says: each document with the SHA-256 of its file, and by heading what customers ask there."""

    documents: tuple[tuple[Document, str], ...]
    questions: Mapping[str, Sequence[Question]]

    def embedded_texts(self, left_out: Sequence[str]) -> list[str]:
        """Returns every text that gets a vector when it is imported, each once; passages without these names."""
        sections = [section for document, _ in self.documents for section in document.sections]
        asked = [question.text for each in self.questions.values() for question in each]
        return list(dict.fromkeys([*(section.embedded_text(left_out) for section in sections), *asked]))


def read(folder: Path, names: Sequence[str], answered: str = "", left_open: str = "") -> Context:
    """Returns what these files of a folder say; `answered` and `left_open` are those of questions, empty for none.

    Raises DocumentMissing, DocumentInvalid and QuestionsInvalid.
    """
    documents = []
    for name in names:
        content = _text(folder, name)
        document = chunk.split(name.removesuffix(".md"), content)
        documents.append((document, hashlib.sha256(content.encode()).hexdigest()))
    sections = [section for document, _ in documents for section in document.sections]
    asked: dict[str, dict[str, tuple[str, ...]]] = {questions.ANSWERED: {}, questions.OPEN: {}}
    for setting, name in ((questions.ANSWERED, answered), (questions.OPEN, left_open)):
        if name:
            asked[setting] = questions.read(name, _text(folder, name), setting)
            questions.require_known(name, setting, asked[setting], sections)
    questions.require_apart(left_open, asked[questions.ANSWERED], asked[questions.OPEN])
    return Context(tuple(documents), questions.together(asked[questions.ANSWERED], asked[questions.OPEN]))


def _text(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DocumentMissing(name) from error
