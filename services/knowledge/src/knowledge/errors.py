"""What knowledge refuses, and what keeps it from starting."""

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from fte.knowledge.v1.error_reason_pb2 import ErrorReason
from meshkit.errors import Failure, Kind, reason_name
from meshkit.settings import SettingsError


class ArticleNotFound(Failure):
    """There is no article of this name, or it has no such version."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    reason: ClassVar[str] = reason_name(ErrorReason, ErrorReason.ERROR_REASON_ARTICLE_NOT_FOUND)

    def __init__(self, slug: str, version: int | None) -> None:
        facts = {"article": f"articles/{slug}"}
        if version is None:
            super().__init__("there is no such article; ListArticles names those there are", facts=facts)
        else:
            super().__init__(
                "there is no such version of the article; leave the version at 0 for the newest",
                facts={**facts, "version": str(version)},
            )


class PassageNotFound(Failure):
    """There is no passage of this name."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    reason: ClassVar[str] = reason_name(ErrorReason, ErrorReason.ERROR_REASON_PASSAGE_NOT_FOUND)

    def __init__(self, passage: str) -> None:
        super().__init__("there is no such passage; GetArticle names those of an article", facts={"passage": passage})


class EmbeddingModelUnknown(SettingsError):
    """The setting names a model that is not installed."""

    def __init__(self, model: str, *, known: Iterable[str]) -> None:
        super().__init__(f"EMBEDDING_MODEL is {model!r}, which is not installed; use one of: {', '.join(known)}")


class DocumentMissing(SettingsError):
    """A document that is to be imported cannot be read."""

    def __init__(self, document: str) -> None:
        super().__init__(
            f"CONTEXT_DIR has no file {document} that can be read as UTF-8; "
            "name the folder that has it, or leave it out of CONTEXT_DOCUMENTS, CONTEXT_QUESTIONS or "
            "CONTEXT_OPEN_QUESTIONS"
        )


class DocumentInvalid(SettingsError):
    """A document cannot become an article; `rule` says what it lacks and how to mend it."""

    def __init__(self, slug: str, rule: str) -> None:
        super().__init__(f"{slug}.md, named by CONTEXT_DOCUMENTS, {rule}")


class QuestionsInvalid(SettingsError):
    """A file of questions, named by this setting, does not fit the documents; `rule` says where and how to mend it."""

    def __init__(self, name: str, setting: str, rule: str) -> None:
        super().__init__(f"{name}, named by {setting}, {rule}")


class VectorsUnusable(SettingsError):
    """The file of vectors that were made ahead cannot serve; `rule` says why."""

    def __init__(self, path: Path, rule: str) -> None:
        super().__init__(
            f"EMBEDDED_AHEAD names {path}, which {rule}; "
            "make it anew by `python -m knowledge.ranking.ahead FILE`, or leave the setting empty"
        )


class PublishContended(Exception):
    """Other starts kept publishing other contents of the same article; a restart tries again."""
