"""The facts knowledge publishes."""

from fte.knowledge.v1.knowledge_events_pb2 import ArticlePublished
from fte.topics import KNOWLEDGE_CHANGES
from knowledge.model import Article
from knowledge.wire import article_to_name
from meshkit.envelope import Event
from meshkit.timestamps import timestamp


def article_published(article: Article) -> Event:
    """A new version can be searched and quoted from now on."""
    name = article_to_name(article.slug)
    return Event(
        topic=KNOWLEDGE_CHANGES.name,
        key=name,
        subject=name,
        message=ArticlePublished(
            article=name,
            version=article.version,
            sha256=article.sha256,
            passage_count=article.passage_count,
            publish_time=timestamp(article.publish_time),
        ),
    )
