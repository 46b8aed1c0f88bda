"""Knowledge's gRPC door: wire in, one operation, wire out."""

from typing import Any

from fte.knowledge.v1 import article_pb2, knowledge_service_pb2
from fte.knowledge.v1.knowledge_service_pb2_grpc import KnowledgeServiceServicer
from knowledge import wire
from knowledge.operations import Operations
from meshkit.pages import PageTokens, page_size

# The contract's figures for a search, whose best matches come at once and have no further page.
_MATCHES_DEFAULT = 5
_MATCHES_MAX = 20


class KnowledgeApi(KnowledgeServiceServicer):
    """Serves `fte.knowledge.v1.KnowledgeService`."""

    def __init__(self, operations: Operations, pages: PageTokens) -> None:
        self._operations = operations
        self._pages = pages

    async def SearchPassages(
        self, request: knowledge_service_pb2.SearchPassagesRequest, context: Any
    ) -> knowledge_service_pb2.SearchPassagesResponse:
        """Finds the passages that answer a question."""
        limit = page_size(request.page_size, default=_MATCHES_DEFAULT, maximum=_MATCHES_MAX)
        return wire.findings_to_wire(await self._operations.search_passages(request.query, limit))

    async def GetArticle(self, request: knowledge_service_pb2.GetArticleRequest, context: Any) -> article_pb2.Article:
        """Reads one article."""
        article = await self._operations.get_article(wire.article_from_name(request.name), request.version or None)
        return wire.article_to_wire(article)

    async def ListArticles(
        self, request: knowledge_service_pb2.ListArticlesRequest, context: Any
    ) -> knowledge_service_pb2.ListArticlesResponse:
        """Reads a page of articles."""
        scope = "ListArticles"
        size = page_size(request.page_size)
        after = ""
        if request.page_token:
            (after,) = self._pages.decode(request.page_token, scope=scope)
        articles = await self._operations.list_articles(after, size + 1)
        page, more = articles[:size], len(articles) > size
        return knowledge_service_pb2.ListArticlesResponse(
            articles=[wire.article_to_wire(article) for article in page],
            next_page_token=self._pages.encode([page[-1].slug], scope=scope) if more else "",
        )

    async def GetPassage(self, request: knowledge_service_pb2.GetPassageRequest, context: Any) -> article_pb2.Passage:
        """Reads one passage."""
        return wire.passage_to_wire(await self._operations.get_passage(wire.passage_from_name(request.name)))
