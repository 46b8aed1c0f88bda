"""Passages are found by the questions that customers ask, and never quoted by them."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from services.knowledge.tests.conftest import GUIDE, Running, Start

from fte.knowledge.v1.knowledge_service_pb2 import GetArticleRequest, SearchPassagesRequest
from knowledge import store
from knowledge.errors import DocumentMissing, QuestionsInvalid
from knowledge.model import Section
from knowledge.operations import Operations
from knowledge.ranking.embed import Embedder
from knowledge.ranking.questions import ANSWERED, QUESTION_CHARACTERS_MAX, QUESTIONS_MAX, read, require_known
from knowledge.settings import Settings
from meshkit.clock import SystemClock
from meshkit.outbox import Outbox
from meshkit.settings import SettingsError
from meshkit.testing import settings_for

# Of its words, none stands under the heading that answers it.
RIPPED = "my dragon toy got ripped by a tree, what now?"
QUESTIONS = f"# Asked\n\n## Repair a torn sail\n\n- {RIPPED}\n- fabric broken\n\n## Prices\n\n- how much is it\n"


@pytest.fixture
def asked(start: Start, knowledge: Running) -> Running:
    (knowledge.context / "asked.md").write_text(QUESTIONS)
    return knowledge


async def best(running: Running, query: str) -> tuple[str, float]:
    agent = await running.stub("agent")
    matches = (await agent.SearchPassages(SearchPassagesRequest(query=query))).matches
    return (matches[0].passage.heading, matches[0].score) if matches else ("", 0.0)


async def known(running: Running) -> list[tuple[str, int, str]]:
    async with running.database.connection() as connection:
        rows = await connection.fetch(
            "select heading, phrasings.number, phrasings.text from phrasings join passages using (passage_id) "
            "where answered order by heading, phrasings.number"
        )
    return [tuple(row) for row in rows]


async def test_a_passage_is_found_by_what_customers_ask(start: Start, asked: Running) -> None:
    heading, score = await best(asked, RIPPED)
    assert heading != "Repair a torn sail" or score < 0.5
    async with start(context_questions="asked.md") as running:
        heading, score = await best(running, RIPPED)
        assert heading == "Repair a torn sail"
        assert score > 0.65


async def test_a_question_is_found_by_and_never_said(start: Start, asked: Running) -> None:
    async with start(context_questions="asked.md") as running:
        agent = await running.stub("agent")
        answer = await agent.SearchPassages(SearchPassagesRequest(query=RIPPED))
        article = await (await running.stub("staff")).GetArticle(GetArticleRequest(name="articles/guide"))
    assert "dragon" not in str(answer.matches)
    assert "dragon" not in str(article)


async def test_questions_that_change_are_learned_anew_and_the_articles_stay_as_they_are(
    start: Start, asked: Running
) -> None:
    async with start(context_questions="asked.md") as running:
        assert await known(running) == [
            ("Prices", 1, "how much is it"),
            ("Repair a torn sail", 1, RIPPED),
            ("Repair a torn sail", 2, "fabric broken"),
        ]
    (asked.context / "asked.md").write_text("# Asked\n\n## Repair a torn sail\n\n- fabric broken\n")
    async with start(context_questions="asked.md") as running:
        assert await known(running) == [("Repair a torn sail", 1, "fabric broken")]
        article = await (await running.stub("staff")).GetArticle(GetArticleRequest(name="articles/guide"))
        assert article.version == 1
    async with start() as running:
        assert await known(running) == []


async def test_a_new_version_keeps_its_questions_and_the_old_one_loses_them(start: Start, asked: Running) -> None:
    async with start(context_questions="asked.md") as running:
        before = await known(running)
    (asked.context / "guide.md").write_text(GUIDE.replace("nylon tape", "cotton tape"))
    async with start(context_questions="asked.md") as running:
        assert await known(running) == before
        assert (await best(running, RIPPED))[0] == "Repair a torn sail"


async def test_many_starts_at_once_learn_each_question_once(
    start: Start, asked: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Few are as many, so that each copy that learns makes the indexes anew.
    monkeypatch.setattr(store, "_ROWS_FOR_NEW_INDEXES", 1)
    documents = ("guide.md", "shop.md")
    (asked.context / "asked.md").write_text(f"{QUESTIONS}\n## Opening hours\n\n- when do you open\n")
    async with AsyncExitStack() as stack:
        embedder = await stack.enter_async_context(Embedder("all-minilm-l6-v2"))
        copies = [Operations(asked.database, Outbox("/fte/knowledge"), SystemClock(), embedder) for _ in range(8)]
        # Both ways round, so that they meet.
        await asyncio.gather(
            *(
                copy.import_documents(asked.context, documents if number % 2 else documents[::-1], "asked.md")
                for number, copy in enumerate(copies)
            )
        )
    assert [text for _, _, text in await known(asked)] == [
        "when do you open",
        "how much is it",
        RIPPED,
        "fabric broken",
    ]
    async with asked.database.connection() as connection:
        assert len(await connection.fetch(store.QUERIES.get_phrasing_indexes)) == 2


@pytest.mark.parametrize(
    ("markdown", "told"),
    [
        ("## Repaired sails\n\n- how?\n", "names the section 'Repaired sails', which no document has"),
        ("## Prices\n\n- a\n\n## Prices\n\n- b\n", "names the section 'Prices' twice"),
        (f"## Prices\n\n- {'x' * (QUESTION_CHARACTERS_MAX + 1)}\n", "has a question of 301 characters under 'Prices'"),
        ("## Prices\n\n" + "- x\n" * (QUESTIONS_MAX + 1), "has more than 100 questions under 'Prices'"),
    ],
)
async def test_what_does_not_fit_the_documents_fails_the_start_and_says_where(
    start: Start, asked: Running, markdown: str, told: str
) -> None:
    (asked.context / "asked.md").write_text(f"# Asked\n\n{markdown}")
    with pytest.raises(QuestionsInvalid, match=f"^asked.md, named by CONTEXT_QUESTIONS, {told}") as raised:
        async with start(context_questions="asked.md"):
            raise AssertionError("it started")
    assert isinstance(raised.value, SettingsError)


async def test_a_missing_file_of_questions_fails_the_start(start: Start) -> None:
    with pytest.raises(DocumentMissing, match="CONTEXT_QUESTIONS"):
        async with start(context_questions="asked.md"):
            raise AssertionError("it started")


def test_only_items_under_a_heading_of_level_two_are_questions() -> None:
    markdown = "# T\n\nintro\n\n- not one\n\n## A *b*\n\nwords\n\n- one\n  two\n- three\n\n### deeper\n\n1. four\n"
    assert read("q.md", markdown) == {"A *b*": ("one two", "three", "four")}
    assert read("q.md", "") == {}


def test_the_innermost_heading_names_a_section() -> None:
    require_known("q.md", ANSWERED, {"In strong wind": ()}, [Section("Fly a kite > In strong wind", "text")])


def test_the_file_may_be_switched_off_and_must_not_lead_out_of_the_folder() -> None:
    assert settings_for(Settings, context_questions="").context_questions == ""
    with pytest.raises(ValueError, match="context_questions"):
        settings_for(Settings, context_questions="../secret.md")
