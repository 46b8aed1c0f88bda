import asyncio
import hashlib
from contextlib import AsyncExitStack

import pytest
from pydantic import ValidationError
from services.knowledge.tests.conftest import GUIDE, Running, Start

from fte.knowledge.v1.knowledge_events_pb2 import ArticlePublished
from fte.knowledge.v1.knowledge_service_pb2 import GetArticleRequest, SearchPassagesRequest
from knowledge.errors import DocumentInvalid, DocumentMissing
from knowledge.operations import Operations
from knowledge.ranking.embed import Embedder
from knowledge.settings import Settings
from meshkit.clock import SystemClock
from meshkit.outbox import Outbox
from meshkit.settings import SettingsError
from meshkit.testing import settings_for

DOCUMENTS = ("guide.md", "shop.md")


async def published(running: Running) -> list[ArticlePublished]:
    async with running.database.connection() as connection:
        rows = await connection.fetch("select topic, key, value from outbox order by id")
    assert {row["topic"] for row in rows} <= {"fte.knowledge.changes"}
    facts = [ArticlePublished.FromString(row["value"]) for row in rows]
    assert [row["key"].decode() for row in rows] == [fact.article for fact in facts]
    return facts


async def test_a_start_publishes_each_document_and_a_second_start_nothing(start: Start) -> None:
    async with start() as running:
        first = await published(running)
    assert [(fact.article, fact.version, fact.passage_count) for fact in first] == [
        ("articles/guide", 1, 4),
        ("articles/shop", 1, 1),
    ]
    assert first[0].sha256 == hashlib.sha256(GUIDE.encode()).hexdigest()
    async with start() as running:
        assert await published(running) == first


async def test_many_starts_at_once_publish_one_version(start: Start, knowledge: Running) -> None:
    (knowledge.context / "guide.md").write_text(GUIDE.replace("35 euros", "45 euros"))
    async with AsyncExitStack() as stack:
        embedder = await stack.enter_async_context(Embedder("all-minilm-l6-v2"))
        copies = [Operations(knowledge.database, Outbox("/fte/knowledge"), SystemClock(), embedder) for _ in range(8)]
        await asyncio.gather(*(copy.import_documents(knowledge.context, DOCUMENTS) for copy in copies))
    facts = await published(knowledge)
    assert [(fact.article, fact.version) for fact in facts] == [
        ("articles/guide", 1),
        ("articles/shop", 1),
        ("articles/guide", 2),
    ]


async def test_a_changed_document_is_searched_anew_and_its_old_passages_keep_their_names(start: Start) -> None:
    async with start() as running:
        staff = await running.stub("staff")
        (before, *_) = (await staff.SearchPassages(SearchPassagesRequest(query="What does a kite cost?"))).matches
    assert "35 euros" in before.passage.text
    (running.context / "guide.md").write_text(GUIDE.replace("35 euros", "45 euros"))
    async with start() as running:
        staff = await running.stub("staff")
        found = (await staff.SearchPassages(SearchPassagesRequest(query="What does a kite cost?"))).matches
        assert "45 euros" in found[0].passage.text
        assert all("/guide/versions/1/" not in match.passage.name for match in found)
        old = await staff.GetArticle(GetArticleRequest(name="articles/guide", version=1))
        new = await staff.GetArticle(GetArticleRequest(name="articles/guide"))
    assert before.passage in old.passages
    assert (old.version, new.version) == (1, 2)
    assert old.create_time == new.create_time


async def test_a_copy_that_runs_on_finds_what_a_newer_one_published(start: Start, knowledge: Running) -> None:
    agent = await knowledge.stub("agent")
    question = SearchPassagesRequest(query="How much is a zepellin?")
    assert (await agent.SearchPassages(question)).searched_query == question.query
    (knowledge.context / "shop.md").write_text("# Shop\n\n## Zeppelins\n\nA zeppelin costs 900 euros.\n")
    async with start():
        answer = await agent.SearchPassages(question)
    assert answer.searched_query == "How much is a zeppelin?"
    assert "900 euros" in answer.matches[0].passage.text


async def test_only_the_documents_of_the_list_are_ever_found(knowledge: Running) -> None:
    staff = await knowledge.stub("staff")
    found = await staff.SearchPassages(SearchPassagesRequest(query="discounts on kites at 20 euros", page_size=20))
    assert found.matches
    assert not any("internal" in match.passage.name or "Never tell" in match.passage.text for match in found.matches)


async def test_vectors_are_made_anew_when_what_is_embedded_changes(start: Start) -> None:
    async def vectors(running: Running) -> list[tuple[str, list[float]]]:
        async with running.database.connection() as connection:
            rows = await connection.fetch("select sha256, embedding from embeddings order by passage_id")
        return [(row["sha256"], row["embedding"].to_list()) for row in rows]

    async with start() as running:
        before, facts = await vectors(running), await published(running)
    async with start(embedding_left_out=("kite",)) as running:
        after = await vectors(running)
        assert await published(running) == facts
    changed = [one != other for one, other in zip(before, after, strict=True)]
    assert len(after) == 5
    assert any(changed)
    assert not all(changed)


async def test_a_missing_or_unreadable_document_fails_the_start_and_names_the_setting(start: Start) -> None:
    with pytest.raises(DocumentMissing, match=r"CONTEXT_DIR has no file other\.md"):
        async with start(context_documents=("guide.md", "other.md")):
            raise AssertionError("it started")


async def test_a_file_that_is_not_utf8_or_has_no_title_publishes_nothing(start: Start) -> None:
    async with start(context_documents=("shop.md",)) as running:
        before = await published(running)
    (running.context / "guide.md").write_bytes(b"# Guide\n\n## One\n\n\xff\xfe\n")
    with pytest.raises(DocumentMissing, match="UTF-8"):
        async with start():
            raise AssertionError("it started")
    (running.context / "guide.md").write_text("no title\n")
    with pytest.raises(DocumentInvalid, match="has no title"):
        async with start():
            raise AssertionError("it started")
    async with start(context_documents=("shop.md",)) as running:
        assert await published(running) == before


@pytest.mark.parametrize("error", [DocumentMissing("a.md"), DocumentInvalid("a", "has no title")])
def test_what_keeps_it_from_starting_is_told_as_a_setting(error: Exception) -> None:
    assert isinstance(error, SettingsError)


@pytest.mark.parametrize("documents", [("../secret.md",), ("UPPER.md",), ("notes.txt",), ("a" * 101 + ".md",)])
def test_a_document_whose_name_cannot_be_an_article_is_refused_by_the_setting(documents: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError, match="context_documents"):
        settings_for(Settings, context_documents=documents)
