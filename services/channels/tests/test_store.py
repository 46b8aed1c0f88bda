import pytest
from services.channels.tests.conftest import Running

from channels import store
from meshkit.testing import prepare_all


async def test_every_query_fits_the_migrated_schema(channels: Running) -> None:
    async with channels.database.connection() as connection:
        for queries in (store.QUERIES, store.DELIVERY_QUERIES):
            await prepare_all(queries, connection)


@pytest.mark.parametrize(
    ("query", "arguments", "index"),
    [
        (store.QUERIES.list_inbound_messages, (None, None, None, 50), "inbound_newest"),
        (store.DELIVERY_QUERIES.list_deliveries, (None, None, None, None, 50), "deliveries_newest"),
    ],
)
async def test_a_page_is_read_from_an_index(
    channels: Running, query: str, arguments: tuple[object, ...], index: str
) -> None:
    async with channels.database.transaction() as connection:
        # A handful of rows is quicker read without any index; what counts is that this one answers the question.
        await connection.execute("set local enable_seqscan = off")
        await connection.execute("set local enable_sort = off")
        plan = "\n".join(row[0] for row in await connection.fetch(f"explain {query}", *arguments))
    assert f"Backward using {index}" in plan
    assert "Index Cond" in plan
