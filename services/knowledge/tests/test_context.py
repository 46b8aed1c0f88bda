"""Over the documents that are really imported. How good the search is in figures: bench/search_quality.py."""

from collections.abc import AsyncIterator

import pytest
from services.knowledge.tests.conftest import Running, Start

from fte.knowledge.v1.knowledge_service_pb2 import SearchPassagesRequest
from local.paths import CONTEXT, embedded_ahead

# The contract's figure: from here on a passage is safe to answer from.
SAFE = 0.65

ANSWERED = {
    "I forgot my password, how do I set a new one?": "Reset a forgotten password",
    "hi forgot my pasword how can i get back in??": "Reset a forgotten password",
    "How many API requests a minute are allowed on the Business plan?": "API rate limits",
    "max file size for uploads?": "File size and storage limits",
    "can i pay with paypal?": "Payment methods",
    "Can I have our invoices sent to the accountant?": "Billing cycle and invoices",
    "deleted a board by accident!! can i get it back?": "Restore deleted items from the trash",
    "Where are your offices?": "Offices",
    # One letter from the opposite.
    "Hi! Can I export my tasks as CSV?": "Export data as CSV or JSON",
    "can i import tasks from csv": "Import tasks from a CSV file",
}
# Documented, and nearer to open questions about an accountant: the known one is in other words.
TAKEN_FOR_OPEN = {"Can I have our invoices sent to the accountant?"}
NOT_ANSWERED = [
    "Is there a connector for Power BI that refreshes incrementally?",
    "is there an apple watch app with complications",
    "When I duplicate a doc with an embedded spreadsheet I get the error PW-5127 and the copy is empty.",
    "Can tasks be booked straight into SAP S/4HANA cost centers?",
    "Do you have a Linux desktop client?",
    "does planwright have an ai assistant that writes my tasks",
]


@pytest.fixture
async def knowledge(start: Start) -> AsyncIterator[Running]:
    async with start(
        context_dir=CONTEXT,
        context_documents=("company-profile.md", "product-docs.md"),
        context_questions="customer-questions.md",
        context_open_questions="open-questions.md",
        embedded_ahead=embedded_ahead(),
    ) as running:
        yield running


async def test_what_the_documents_answer_is_first_and_safe_and_what_they_do_not_is_below(knowledge: Running) -> None:
    agent = await knowledge.stub("agent")
    found = {
        query: (await agent.SearchPassages(SearchPassagesRequest(query=query))).matches
        for query in [*ANSWERED, *NOT_ANSWERED]
    }
    assert {query: found[query][0].passage.heading for query in ANSWERED} == ANSWERED
    assert {query: found[query][0].score for query in ANSWERED if found[query][0].score < SAFE} == {}
    best = {query: max((match.score for match in found[query]), default=0) for query in NOT_ANSWERED}
    assert {query: score for query, score in best.items() if score >= SAFE} == {}
    assert not (await agent.SearchPassages(SearchPassagesRequest(query="Who won the world cup in 2018?"))).matches


async def test_what_the_documents_answer_is_likelier_documented_than_not_and_what_they_do_not_is_not(
    knowledge: Running,
) -> None:
    agent = await knowledge.stub("agent")
    said = {
        query: (await agent.SearchPassages(SearchPassagesRequest(query=query))).documented
        for query in [*ANSWERED, *NOT_ANSWERED]
    }
    assert {query for query in ANSWERED if said[query] <= 0.5} == TAKEN_FOR_OPEN
    assert {query for query in NOT_ANSWERED if said[query] >= 0.5} == set()
