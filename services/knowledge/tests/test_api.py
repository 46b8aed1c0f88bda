import asyncio
from collections.abc import Awaitable
from typing import Any

import grpc
import pytest
from services.knowledge.tests.conftest import Running

from fte.knowledge.v1.knowledge_service_pb2 import (
    GetArticleRequest,
    GetPassageRequest,
    ListArticlesRequest,
    SearchPassagesRequest,
)
from meshkit.testing import refused


async def test_a_question_finds_its_passage_first_with_heading_and_name(knowledge: Running) -> None:
    agent = await knowledge.stub("agent")
    answer = await agent.SearchPassages(SearchPassagesRequest(query="my kite's sail is torn, how do I mend it?"))
    best = answer.matches[0]
    assert best.passage.heading == "Repair a torn sail"
    assert best.passage.name == "articles/guide/versions/1/passages/3"
    assert best.passage.text.startswith("Cover the tear")
    assert answer.searched_query == "my kite's sail is torn, how do I mend it?"
    assert [match.score for match in answer.matches] == sorted((m.score for m in answer.matches), reverse=True)


async def test_a_misspelt_question_finds_the_same_and_shows_what_was_searched(knowledge: Running) -> None:
    agent = await knowledge.stub("agent")
    answer = await agent.SearchPassages(SearchPassagesRequest(query="repiar a torn sail with nylno"))
    assert answer.searched_query == "repair a torn sail with nylon"
    assert answer.matches[0].passage.heading == "Repair a torn sail"


@pytest.mark.parametrize(
    "query", ["Who won the elections in Peru?", "???", "how do I", " ", "😀" * 500, "'; drop table x"]
)
async def test_what_is_off_the_subject_or_no_question_finds_nothing(knowledge: Running, query: str) -> None:
    agent = await knowledge.stub("agent")
    assert not (await agent.SearchPassages(SearchPassagesRequest(query=query))).matches


async def test_page_size_bounds_the_matches(knowledge: Running) -> None:
    agent = await knowledge.stub("agent")
    query = "fly a kite in strong wind"
    counts = [
        len((await agent.SearchPassages(SearchPassagesRequest(query=query, page_size=size))).matches)
        for size in (1, 2, 0, 20)
    ]
    assert counts[:2] == [1, 2]
    assert counts[3] >= counts[2] > 2


async def test_many_questions_at_once_are_all_answered_each_with_its_own(knowledge: Running) -> None:
    agent = await knowledge.stub("agent")
    questions = {"Where is the shop and when is it open?": "Opening hours", "What is the price of a line?": "Prices"}
    asked = list(questions) * 20
    answers = await asyncio.gather(*(agent.SearchPassages(SearchPassagesRequest(query=query)) for query in asked))
    assert [answer.matches[0].passage.heading for answer in answers] == [questions[query] for query in asked]


async def test_an_article_comes_with_its_passages_in_order(knowledge: Running) -> None:
    staff = await knowledge.stub("staff")
    article = await staff.GetArticle(GetArticleRequest(name="articles/guide"))
    assert (article.title, article.version, article.passage_count) == ("Kite guide", 1, 4)
    assert [passage.heading for passage in article.passages] == [
        "Fly a kite",
        "Fly a kite > In strong wind",
        "Repair a torn sail",
        "Prices",
    ]
    assert len(article.sha256) == 64
    assert article.publish_time.seconds == article.create_time.seconds > 0
    assert article == await staff.GetArticle(GetArticleRequest(name="articles/guide", version=1))


async def test_a_passage_is_read_by_its_name(knowledge: Running) -> None:
    agent = await knowledge.stub("agent")
    found = (await agent.SearchPassages(SearchPassagesRequest(query="when does the shop open?"))).matches[0].passage
    assert await agent.GetPassage(GetPassageRequest(name=found.name)) == found


async def test_articles_are_listed_page_by_page_without_passages(knowledge: Running) -> None:
    staff = await knowledge.stub("staff")
    first = await staff.ListArticles(ListArticlesRequest(page_size=1))
    assert [article.name for article in first.articles] == ["articles/guide"]
    assert not first.articles[0].passages
    last = await staff.ListArticles(ListArticlesRequest(page_size=1, page_token=first.next_page_token))
    assert [article.name for article in last.articles] == ["articles/shop"]
    assert not last.next_page_token
    whole = await staff.ListArticles(ListArticlesRequest())
    assert [article.name for article in whole.articles] == ["articles/guide", "articles/shop"]
    assert not whole.next_page_token


@pytest.mark.parametrize(
    ("name", "version", "facts"),
    [
        ("articles/nobody", 0, {"article": "articles/nobody"}),
        ("articles/guide", 2, {"article": "articles/guide", "version": "2"}),
        ("articles/guide", 2**31 - 1, {"article": "articles/guide", "version": "2147483647"}),
    ],
)
async def test_an_unknown_article_or_version_is_not_found(
    knowledge: Running, name: str, version: int, facts: dict[str, str]
) -> None:
    staff = await knowledge.stub("staff")
    refusal = await refused(staff.GetArticle(GetArticleRequest(name=name, version=version)))
    assert (refusal.code, refusal.reason, refusal.domain) == (
        grpc.StatusCode.NOT_FOUND,
        "ARTICLE_NOT_FOUND",
        "knowledge.fte",
    )
    assert facts.items() <= dict(refusal.metadata).items()


@pytest.mark.parametrize(
    "name",
    [
        "articles/guide/versions/1/passages/99",
        "articles/guide/versions/7/passages/1",
        "articles/nobody/versions/1/passages/1",
    ],
)
async def test_an_unknown_passage_is_not_found(knowledge: Running, name: str) -> None:
    staff = await knowledge.stub("staff")
    refusal = await refused(staff.GetPassage(GetPassageRequest(name=name)))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "PASSAGE_NOT_FOUND")
    assert dict(refusal.metadata)["passage"] == name


async def test_requests_outside_the_contract_name_their_field(knowledge: Running) -> None:
    staff = await knowledge.stub("staff")
    token = (await staff.ListArticles(ListArticlesRequest(page_size=1))).next_page_token
    calls: dict[str, list[Awaitable[Any]]] = {
        "query": [
            staff.SearchPassages(SearchPassagesRequest()),
            staff.SearchPassages(SearchPassagesRequest(query="x" * 1001)),
            staff.SearchPassages(SearchPassagesRequest(query="a\x00b")),
        ],
        "page_size": [
            staff.SearchPassages(SearchPassagesRequest(query="kite", page_size=21)),
            staff.ListArticles(ListArticlesRequest(page_size=-1)),
        ],
        "page_token": [staff.ListArticles(ListArticlesRequest(page_token=f"{token[:-2]}xx"))],
        "name": [
            staff.GetArticle(GetArticleRequest(name="guide")),
            staff.GetPassage(GetPassageRequest(name="articles/guide/versions/0/passages/1")),
        ],
        "version": [staff.GetArticle(GetArticleRequest(name="articles/guide", version=-1))],
    }
    for field, refusals in calls.items():
        for call in refusals:
            refusal = await refused(call)
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT")
            assert [violation.field for violation in refusal.violations] == [field]


async def test_only_staff_and_the_agent_may_search_and_only_staff_browse(knowledge: Running) -> None:
    allowed = {"SearchPassages": {"staff", "agent"}, "GetPassage": {"staff", "agent"}}
    requests = {
        "SearchPassages": SearchPassagesRequest(query="kite"),
        "GetPassage": GetPassageRequest(name="articles/guide/versions/1/passages/1"),
        "GetArticle": GetArticleRequest(name="articles/guide"),
        "ListArticles": ListArticlesRequest(),
    }
    for caller in ("public", "staff", "agent", "tickets", "channels", "identity"):
        stub = await knowledge.stub(caller)
        for method, request in requests.items():
            call = getattr(stub, method)(request)
            if caller in allowed.get(method, {"staff"}):
                await call
            else:
                refusal = await refused(call)
                expected = grpc.StatusCode.UNAUTHENTICATED if caller == "public" else grpc.StatusCode.PERMISSION_DENIED
                assert refusal.code is expected, (caller, method)


async def test_no_word_of_a_question_reaches_the_log(knowledge: Running) -> None:
    agent = await knowledge.stub("agent")
    await agent.SearchPassages(SearchPassagesRequest(query="kite of Xanthippe Sokratou"))
    assert "Xanthippe" not in str(await knowledge.server.log(1))


async def test_without_vectors_the_answer_is_nothing(knowledge: Running) -> None:
    async with knowledge.database.connection() as connection:
        await connection.execute("delete from embeddings")
    agent = await knowledge.stub("agent")
    assert not (await agent.SearchPassages(SearchPassagesRequest(query="fly a kite"))).matches
