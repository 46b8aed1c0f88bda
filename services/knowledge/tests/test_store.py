import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import numpy as np
import pytest

from knowledge import store
from knowledge.model import Article, Passage, PassageName, Section
from knowledge.store import QUERIES
from meshkit.database import Connection, Database
from meshkit.ids import uuid7
from meshkit.minilm import DIMENSIONS
from meshkit.testing import prepare_all

MODEL = "all-minilm-l6-v2"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def connection(dsn: str) -> AsyncIterator[Connection]:
    database = Database(dsn, vectors=True)
    await database.open()
    async with database.transaction() as connection:
        yield connection
    await database.close()


def direction(axis: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    vector = np.zeros(DIMENSIONS, np.float32)
    vector[axis] = 1
    return vector


async def publish(connection: Connection, version: int, texts: list[str], axis: int) -> list[uuid.UUID]:
    passages = tuple(
        Passage(uuid7(), PassageName("guide", version, number), Section("Kites", text))
        for number, text in enumerate(texts, 1)
    )
    await store.lock_article(connection, "guide", NOW)
    await store.add_version(connection, Article("guide", "Guide", version, "0" * 64, len(texts), NOW, NOW, passages))
    await store.put_embeddings(connection, MODEL, [(each.id, "0" * 64, direction(axis)) for each in passages])
    return [passage.id for passage in passages]


async def test_every_query_fits_the_schema(connection: Connection) -> None:
    await prepare_all(QUERIES, connection)


async def test_a_passage_with_all_words_is_a_candidate_however_far_its_vector(connection: Connection) -> None:
    near = await publish(connection, 1, [f"text {number}" for number in range(60)], axis=0)
    (far,) = await publish_beside(connection, "The zeppelin is repaired with nylon")
    found = await store.find_candidates(connection, MODEL, "repair a zeppelin", direction(0))
    by_id = {candidate.passage_id: candidate for candidate in found.found}
    assert far in by_id
    assert by_id[far].cosine == pytest.approx(0)
    assert by_id[far].shared == {"repair", "zeppelin"}
    assert found.asked == {"repair", "zeppelin"}
    assert len(by_id.keys() & set(near)) == 40
    other = await store.find_candidates(connection, MODEL, "repair a submarine", direction(0))
    assert far not in {candidate.passage_id for candidate in other.found}


async def publish_beside(connection: Connection, text: str) -> list[uuid.UUID]:
    passage = Passage(uuid7(), PassageName("shop", 1, 1), Section("Airships", text))
    await store.lock_article(connection, "shop", NOW)
    await store.add_version(connection, Article("shop", "Shop", 1, "1" * 64, 1, NOW, NOW, (passage,)))
    await store.put_embeddings(connection, MODEL, [(passage.id, "1" * 64, direction(1))])
    return [passage.id]


async def test_only_the_newest_version_is_found_and_older_ones_are_kept(connection: Connection) -> None:
    (old,) = await publish(connection, 1, ["The zeppelin flies"], axis=0)
    (new,) = await publish(connection, 2, ["The balloon flies"], axis=0)
    for question in ("zeppelin", "flies"):
        found = await store.find_candidates(connection, MODEL, question, direction(0))
        assert [candidate.passage_id for candidate in found.found] == [new]
    kept = await store.get_passage(connection, PassageName("guide", 1, 1))
    assert kept is not None
    assert kept.id == old
    assert await store.count_lexemes(connection) == {"kite": 1, "balloon": 1, "fli": 1}
    assert found.revision == 2 == await store.get_revision(connection)


async def test_the_nearest_are_found_by_the_index_of_the_model(connection: Connection) -> None:
    await publish(connection, 1, [f"text {number}" for number in range(60)], axis=0)
    # Sixty rows are read faster without any index; thousands are not.
    await connection.execute("set local enable_seqscan = off")
    await connection.execute("set local enable_sort = off")
    query = QUERIES.find_candidates_all_minilm_l6_v2
    plan = await connection.fetch(f"explain {query}", direction(0), "kites")
    assert "embeddings_near_all_minilm_l6_v2" in "\n".join(row[0] for row in plan)
    found = await store.find_candidates(connection, MODEL, "nothing of it", direction(0))
    assert len(found.found) == 40


async def test_without_articles_nothing_is_found(connection: Connection) -> None:
    found = await store.find_candidates(connection, MODEL, "kites", direction(0))
    assert (found.found, found.revision) == ((), 0)


async def test_a_passage_that_is_asked_for_in_these_words_is_a_candidate_however_far_its_text(
    connection: Connection,
) -> None:
    await publish(connection, 1, [f"text {number}" for number in range(60)], axis=0)
    (far,) = await publish_beside(connection, "The zeppelin is repaired with nylon")
    await store.put_phrasings(connection, MODEL, [far], ["blimp broken", "gas bag"], [direction(2), direction(0)])
    found = await store.find_candidates(connection, MODEL, "my blimp is torn", direction(0))
    by_id = {candidate.passage_id: candidate for candidate in found.found}
    assert by_id[far].asked_cosine == pytest.approx(1)
    assert by_id[far].cosine == pytest.approx(0)
    assert by_id[far].shared == {"blimp"}
    assert {candidate.asked_cosine for candidate in found.found if candidate.passage_id != far} == {None}
