"""Proto ⇄ model."""

import re

from fte.knowledge.v1 import article_pb2 as pb
from fte.knowledge.v1 import knowledge_service_pb2
from knowledge.model import Article, Findings, Passage, PassageName
from meshkit.errors import InvalidArgument
from meshkit.timestamps import timestamp

_ARTICLE = re.compile(r"articles/([a-z0-9][a-z0-9-]*)")
_PASSAGE = re.compile(rf"{_ARTICLE.pattern}/versions/([1-9][0-9]{{0,8}})/passages/([1-9][0-9]{{0,8}})")


def article_to_name(slug: str) -> str:
    """Returns the article's resource name."""
    return f"articles/{slug}"


def article_from_name(name: str) -> str:
    """Returns the slug in an article's resource name. Raises InvalidArgument."""
    match = _ARTICLE.fullmatch(name)
    if match is None:
        raise InvalidArgument.of("name", "must be of the form articles/{slug}; use it as ListArticles returned it")
    return match[1]


def passage_to_name(name: PassageName) -> str:
    """Returns the passage's resource name."""
    return f"articles/{name.article}/versions/{name.version}/passages/{name.number}"


def passage_from_name(name: str) -> PassageName:
    """Returns which passage a resource name means. Raises InvalidArgument."""
    match = _PASSAGE.fullmatch(name)
    if match is None:
        raise InvalidArgument.of(
            "name",
            "must be of the form articles/{slug}/versions/{version}/passages/{number}; use it as it was returned",
        )
    return PassageName(match[1], int(match[2]), int(match[3]))


def passage_to_wire(passage: Passage) -> pb.Passage:
    """Returns the passage as the contract shows it."""
    return pb.Passage(name=passage_to_name(passage.name), heading=passage.section.heading, text=passage.section.text)


def article_to_wire(article: Article) -> pb.Article:
    """Returns the article as the contract shows it."""
    return pb.Article(
        name=article_to_name(article.slug),
        title=article.title,
        version=article.version,
        sha256=article.sha256,
        passage_count=article.passage_count,
        passages=[passage_to_wire(passage) for passage in article.passages],
        create_time=timestamp(article.create_time),
        publish_time=timestamp(article.publish_time),
    )


def findings_to_wire(findings: Findings) -> knowledge_service_pb2.SearchPassagesResponse:
    """Returns what was found as the contract shows it."""
    return knowledge_service_pb2.SearchPassagesResponse(
        matches=[
            knowledge_service_pb2.PassageMatch(
                passage=passage_to_wire(match.passage),
                score=match.score,
                question_similarity=match.question_similarity,
            )
            for match in findings.matches
        ],
        searched_query=findings.searched_query,
        documented=findings.documented,
        open_question_similarity=findings.open_question_similarity,
    )
