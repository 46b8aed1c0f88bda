"""What customers ask that nothing documents: it tells how likely an answer is there, and leads to no passage."""

import pytest
from services.knowledge.tests.conftest import GUIDE, Running, Start

from fte.knowledge.v1.knowledge_service_pb2 import SearchPassagesRequest
from knowledge.errors import DocumentMissing, QuestionsInvalid
from knowledge.settings import Settings
from meshkit.settings import SettingsError
from meshkit.testing import settings_for

ASKED = "# Asked\n\n## Prices\n\n- How much is a kite?\n- what does a line cost\n"
OPEN = "# Open\n\n## Prices\n\n- Do you rent kites out by the day?\n- can i pay a kite in instalments\n"
BOTH = {"context_questions": "asked.md", "context_open_questions": "open.md"}


@pytest.fixture
def filed(start: Start, knowledge: Running) -> Running:
    (knowledge.context / "asked.md").write_text(ASKED)
    (knowledge.context / "open.md").write_text(OPEN)
    return knowledge


async def documented(running: Running, query: str) -> float:
    agent = await running.stub("agent")
    return (await agent.SearchPassages(SearchPassagesRequest(query=query))).documented


async def kept(running: Running) -> list[tuple[str, bool]]:
    async with running.database.connection() as connection:
        rows = await connection.fetch("select text, answered from phrasings order by passage_id, number")
    return [(row["text"], row["answered"]) for row in rows]


async def test_a_question_near_an_open_one_is_hardly_documented_and_one_near_an_answered_one_is(
    start: Start, filed: Running
) -> None:
    async with start(**BOTH) as running:
        assert await documented(running, "what is the price of a kite?") > 0.8
        assert await documented(running, "may I rent a kite for one day") < 0.2


async def test_how_near_the_nearest_question_of_either_sort_is_is_told(start: Start, filed: Running) -> None:
    async with start(**BOTH) as running:
        agent = await running.stub("agent")
        asked = await agent.SearchPassages(SearchPassagesRequest(query="How much is a kite?"))
        left_open = await agent.SearchPassages(SearchPassagesRequest(query="can I pay a kite in instalments?"))
    prices = asked.matches[0]
    assert prices.passage.heading.endswith("Prices")
    assert prices.question_similarity == pytest.approx(1, abs=1e-3)
    assert asked.open_question_similarity < 0.9
    assert left_open.open_question_similarity > 0.98
    assert {match.question_similarity for match in asked.matches[1:]} <= {0}


async def test_a_question_leads_to_its_passage_past_nearer_ones_when_it_is_answered_and_never_when_it_is_open(
    start: Start, knowledge: Running
) -> None:
    parrots = "\n\n".join(f"## Parrot {number}\n\nParrot {number} is green." for number in range(45))
    (knowledge.context / "shop.md").write_text(f"# Shop\n\n{parrots}\n\n## Invoices\n\nPaid within 30 days.\n")
    question = "Which bird is loud after dark and keeps us awake?"
    (knowledge.context / "one.md").write_text(f"# One\n\n## Invoices\n\n- {question}\n")
    found = {}
    for sort in ("context_questions", "context_open_questions"):
        async with start(**{sort: "one.md"}) as running:
            agent = await running.stub("agent")
            answer = await agent.SearchPassages(SearchPassagesRequest(query=question, page_size=20))
            found[sort] = {match.passage.heading for match in answer.matches if match.question_similarity > 0.99}
    assert found == {"context_questions": {"Invoices"}, "context_open_questions": set()}


async def test_where_nothing_matches_it_is_told_as_well(start: Start, filed: Running) -> None:
    async with start(**BOTH) as running:
        agent = await running.stub("agent")
        answer = await agent.SearchPassages(SearchPassagesRequest(query="Who won the elections in Peru?"))
    assert not answer.matches
    assert 0 < answer.documented < 1


async def test_where_no_question_is_known_nothing_is_told(knowledge: Running) -> None:
    assert await documented(knowledge, "what is the price of a kite?") == 0.5
    assert await documented(knowledge, "???") == 0.5
    agent = await knowledge.stub("agent")
    answer = await agent.SearchPassages(SearchPassagesRequest(query="what is the price of a kite?"))
    assert answer.open_question_similarity == 0
    assert {match.question_similarity for match in answer.matches} == {0}


async def test_an_open_question_brings_no_passage_nearer(start: Start, filed: Running) -> None:
    async def best(running: Running) -> float:
        agent = await running.stub("agent")
        answer = await agent.SearchPassages(SearchPassagesRequest(query="can i pay a kite in instalments"))
        return answer.matches[0].score

    async with start(context_questions="asked.md") as running:
        without = await best(running)
    async with start(**BOTH) as running:
        assert await best(running) == pytest.approx(without)


async def test_a_question_that_is_moved_to_the_answered_ones_is_learned_as_such(start: Start, filed: Running) -> None:
    async with start(**BOTH) as running:
        assert await kept(running) == [
            ("How much is a kite?", True),
            ("what does a line cost", True),
            ("Do you rent kites out by the day?", False),
            ("can i pay a kite in instalments", False),
        ]
    (filed.context / "asked.md").write_text("## Prices\n\n- How much is a kite?\n- can i pay a kite in instalments\n")
    (filed.context / "open.md").write_text("## Prices\n\n- Do you rent kites out by the day?\n")
    async with start(**BOTH) as running:
        assert await kept(running) == [
            ("How much is a kite?", True),
            ("can i pay a kite in instalments", True),
            ("Do you rent kites out by the day?", False),
        ]
    # The same texts, of which one alone has changed its sort.
    (filed.context / "asked.md").write_text("## Prices\n\n- How much is a kite?\n")
    (filed.context / "open.md").write_text(
        "## Prices\n\n- can i pay a kite in instalments\n- Do you rent kites out by the day?\n"
    )
    async with start(**BOTH) as running:
        assert [answered for _, answered in await kept(running)] == [True, False, False]
    async with start() as running:
        assert await kept(running) == []


async def test_a_new_version_keeps_its_open_questions(start: Start, filed: Running) -> None:
    async with start(**BOTH) as running:
        before = await kept(running)
    (filed.context / "guide.md").write_text(GUIDE.replace("35 euros", "45 euros"))
    async with start(**BOTH) as running:
        assert await kept(running) == before


@pytest.mark.parametrize(
    ("markdown", "told"),
    [
        ("## Rents\n\n- how?\n", "names the section 'Rents', which no document has"),
        ("## Prices\n\n- a\n\n## Prices\n\n- b\n", "names the section 'Prices' twice"),
        ("## Prices\n\n" + "- x\n" * 101, "has more than 100 questions under 'Prices'"),
        (f"## Prices\n\n- {'x' * 301}\n", "has a question of 301 characters under 'Prices'"),
        (
            "## Repair a torn sail\n\n- HOW much is a kite?\n",
            "has 'HOW much is a kite\\?' under 'Repair a torn sail', which CONTEXT_QUESTIONS has under 'Prices'",
        ),
    ],
)
async def test_what_does_not_fit_fails_the_start_and_says_where(
    start: Start, filed: Running, markdown: str, told: str
) -> None:
    (filed.context / "open.md").write_text(f"# Open\n\n{markdown}")
    with pytest.raises(QuestionsInvalid, match=f"^open.md, named by CONTEXT_OPEN_QUESTIONS, {told}") as raised:
        async with start(**BOTH):
            raise AssertionError("it started")
    assert isinstance(raised.value, SettingsError)


async def test_a_missing_file_of_open_questions_fails_the_start(start: Start) -> None:
    with pytest.raises(DocumentMissing, match="CONTEXT_OPEN_QUESTIONS"):
        async with start(context_open_questions="open.md"):
            raise AssertionError("it started")


def test_the_file_has_a_default_may_be_switched_off_and_must_not_lead_out_of_the_folder() -> None:
    assert settings_for(Settings).context_open_questions == "open-questions.md"
    assert settings_for(Settings, context_open_questions="").context_open_questions == ""
    with pytest.raises(ValueError, match="context_open_questions"):
        settings_for(Settings, context_open_questions="../secret.md")
