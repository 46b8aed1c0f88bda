import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from importlib.resources import files

import numpy as np
import pytest

from knowledge import store
from knowledge.model import Article, Passage, PassageName, Question, Section
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


async def plan_of(connection: Connection, query: str, *arguments: object) -> str:
    """How PostgreSQL runs a query over thousands of rows: few are read faster without any index."""
    await connection.execute("set local enable_seqscan = off; set local enable_sort = off")
    return "\n".join(row[0] for row in await connection.fetch(f"explain {query}", *arguments))


async def test_every_query_fits_the_schema(connection: Connection) -> None:
    await prepare_all(QUERIES, connection)


async def test_a_passage_with_all_words_is_a_candidate_however_far_its_vector(connection: Connection) -> None:
    near = await publish(connection, 1, [f"text {number}" for number in range(60)], axis=0)
    (far,) = await publish_beside(connection, "The zeppelin is repaired with nylon")
    found = await store.find_candidates(connection, MODEL, "repair a zeppelin", direction(0), [])
    by_id = {candidate.passage_id: candidate for candidate in found.found}
    assert far in by_id
    assert by_id[far].cosine == pytest.approx(0)
    assert by_id[far].shared == {"repair", "zeppelin"}
    assert found.asked == {"repair", "zeppelin"}
    assert len(by_id.keys() & set(near)) == 40
    other = await store.find_candidates(connection, MODEL, "repair a submarine", direction(0), [])
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
        found = await store.find_candidates(connection, MODEL, question, direction(0), [])
        assert [candidate.passage_id for candidate in found.found] == [new]
    kept = await store.get_passage(connection, PassageName("guide", 1, 1))
    assert kept is not None
    assert kept.id == old
    assert await store.count_lexemes(connection) == {"kite": 1, "balloon": 1, "fli": 1}
    assert found.revision == 2 == await store.get_revision(connection)


async def test_the_nearest_are_found_by_the_index_of_the_model(connection: Connection) -> None:
    await publish(connection, 1, [f"text {number}" for number in range(60)], axis=0)
    plan = await plan_of(connection, QUERIES.find_candidates_all_minilm_l6_v2, direction(0), "kites", [])
    assert "embeddings_near_all_minilm_l6_v2" in plan
    found = await store.find_candidates(connection, MODEL, "nothing of it", direction(0), [])
    assert len(found.found) == 40


async def test_without_articles_nothing_is_found(connection: Connection) -> None:
    found = await store.find_candidates(connection, MODEL, "kites", direction(0), [])
    assert (found.found, found.revision) == ((), 0)


async def test_a_passage_that_is_asked_for_is_a_candidate_however_far_its_text(connection: Connection) -> None:
    await publish(connection, 1, [f"text {number}" for number in range(60)], axis=0)
    (far,) = await publish_beside(connection, "The zeppelin is repaired with nylon")
    questions = [
        (far, 1, Question("blimp broken", True), direction(2)),
        (far, 2, Question("gas bag", True), direction(0)),
    ]
    await store.put_phrasings(connection, MODEL, [far], questions)
    found = await store.find_candidates(connection, MODEL, "my blimp is torn", direction(0), [far])
    by_id = {candidate.passage_id: candidate for candidate in found.found}
    assert by_id[far].asked_cosine == pytest.approx(1)
    assert by_id[far].cosine == pytest.approx(0)
    assert by_id[far].shared == {"blimp"}
    assert {candidate.asked_cosine for candidate in found.found if candidate.passage_id != far} == {None}


async def test_an_open_question_lends_its_passage_no_word_and_no_nearness(connection: Connection) -> None:
    (passage,) = await publish(connection, 1, ["The zeppelin is repaired with nylon"], axis=0)
    for answered, words, cosine in ((False, set(), None), (True, {"blimp"}, pytest.approx(1))):
        question = Question("gas blimp", answered)
        await store.put_phrasings(connection, MODEL, [passage], [(passage, 1, question, direction(0))])
        (found,) = (await store.find_candidates(connection, MODEL, "my blimp", direction(0), [])).found
        assert found.shared == words
        assert found.asked_cosine == cosine
    await store.put_phrasings(connection, MODEL, [passage], [])
    (found,) = (await store.find_candidates(connection, MODEL, "my blimp", direction(0), [])).found
    assert found.shared == frozenset()
    assert found.asked_cosine is None


async def test_a_vector_that_is_made_anew_keeps_the_words_of_its_passages_questions(connection: Connection) -> None:
    (passage,) = await publish(connection, 1, ["text"], axis=0)
    await store.put_phrasings(connection, MODEL, [passage], [(passage, 1, Question("gas blimp", True), direction(0))])
    await connection.execute("delete from embeddings")
    for _ in range(2):
        await store.put_embeddings(connection, MODEL, [(passage, "0" * 64, direction(1))])
        (found,) = (await store.find_candidates(connection, MODEL, "my blimp", direction(0), [])).found
        assert found.shared == {"blimp"}


@pytest.mark.parametrize("word", ["planwright.com/it's", "C:\\temp\\new", "o'neil", "a&b|!c", "x:*", "''", "\\"])
async def test_a_word_of_signs_that_queries_are_made_of_is_a_word(connection: Connection, word: str) -> None:
    await publish(connection, 1, [f"a kite at {word} there"], axis=0)
    found = await store.find_candidates(connection, MODEL, f"the kite of {word}", direction(0), [])
    (candidate,) = found.found
    assert candidate.shared == found.asked
    assert "kite" in found.asked


async def test_the_nearest_questions_of_either_sort_are_known_with_their_passages(connection: Connection) -> None:
    passages = await publish(connection, 1, ["one piece", "another"], axis=0)
    phrasings: list[store.Phrasing] = []
    for sort, count in ((True, 12), (False, 3)):
        for number in range(count):
            vector = direction(0) * np.cos(number / 12) + direction(1) * np.sin(number / 12)
            question = Question(f"{sort} {number}", sort)
            phrasings += [(passage, len(phrasings) + 1, question, vector) for passage in passages]
    await store.put_phrasings(connection, MODEL, passages, phrasings)
    known = await store.find_known(connection, MODEL, direction(0))
    for sort, count in ((True, 12), (False, 3)):
        for passage in passages:
            cosines = {
                each.question.text: each.cosine
                for each in known
                if (each.passage_id, each.question.answered) == (passage, sort)
            }
            expected = {f"{sort} {number}": pytest.approx(np.cos(number / 12), abs=1e-4) for number in range(count)}
            assert cosines == expected


async def test_without_known_questions_none_is_near(connection: Connection) -> None:
    await publish(connection, 1, ["text"], axis=0)
    assert await store.find_known(connection, MODEL, direction(0)) == []


async def test_more_questions_are_written_than_go_in_one_statement(connection: Connection) -> None:
    (passage,) = await publish(connection, 1, ["text"], axis=0)
    questions = [(passage, number, Question(f"q {number}", True), direction(2)) for number in range(1, 1002)]
    await store.put_phrasings(connection, MODEL, [passage], questions)
    await store.put_phrasings(connection, MODEL, [passage], questions[:700])
    (known,) = await store.list_phrasings(connection, "guide", MODEL)
    assert known.questions == [question for _, _, question, _ in questions[:700]]


async def test_many_questions_at_once_leave_the_indexes_as_they_were_and_are_found_by_them(
    connection: Connection,
) -> None:
    (passage,) = await publish(connection, 1, ["text"], axis=0)
    before = await connection.fetch(QUERIES.get_phrasing_indexes)
    assert len(before) == 2
    questions = [
        (passage, number, Question(f"q {number}", number % 2 == 0), direction(number % 384))
        for number in range(1, 1201)
    ]
    await store.put_phrasings(connection, MODEL, [passage], questions)
    assert await connection.fetch(QUERIES.get_phrasing_indexes) == before
    plan = await plan_of(connection, QUERIES.find_known_all_minilm_l6_v2, direction(6))
    for sort in ("answered", "open"):
        assert f"phrasings_{sort}_near_all_minilm_l6_v2" in plan
    known = await store.find_known(connection, MODEL, direction(6))
    nearest = {(each.question.text, each.question.answered) for each in known if each.cosine > 0.9}
    assert nearest == {(f"q {number}", True) for number in range(6, 1201, 384)}


async def test_questions_of_either_sort_are_found_by_its_own_index(connection: Connection) -> None:
    plan = await plan_of(connection, QUERIES.find_known_all_minilm_l6_v2, direction(0))
    for sort in ("answered", "open"):
        assert f"phrasings_{sort}_near_all_minilm_l6_v2" in plan


async def test_questions_from_before_open_ones_were_known_are_answered(dsn: str) -> None:
    """The migration, run over a row of the schema before it."""
    script = (files("knowledge") / "migrations" / "0003_open_questions.sql").read_text()
    database = Database(dsn, vectors=True)
    await database.open()
    async with database.transaction() as connection:
        (passage,) = await publish(connection, 1, ["text"], axis=0)
        await connection.execute(
            "drop index phrasings_answered_near_all_minilm_l6_v2; drop index phrasings_open_near_all_minilm_l6_v2;"
            "alter table phrasings drop column answered; create index phrasings_near_all_minilm_l6_v2 on phrasings"
            " using hnsw (embedding vector_cosine_ops) where model = 'all-minilm-l6-v2'"
        )
        await connection.execute(
            "insert into phrasings (passage_id, model, number, text, embedding) values ($1, $2, 1, 'how?', $3)",
            passage,
            MODEL,
            direction(0),
        )
        await connection.execute(script)
        (known,) = await store.list_phrasings(connection, "guide", MODEL)
        assert known.questions == [Question("how?", True)]
    await database.close()


async def test_questions_from_before_their_words_were_kept_lend_them(dsn: str) -> None:
    """The migration, run over rows of the schema before it."""
    script = (files("knowledge") / "migrations" / "0004_words_of_questions.sql").read_text()
    database = Database(dsn, vectors=True)
    await database.open()
    async with database.transaction() as connection:
        asked, unasked = await publish(connection, 1, ["text", "another"], axis=0)
        questions = [
            (asked, 1, Question("a blimp?", True), direction(0)),
            (asked, 2, Question("a torn zeppelin?", True), direction(0)),
            (asked, 3, Question("a balloon?", False), direction(0)),
        ]
        await store.put_phrasings(connection, MODEL, [asked, unasked], questions)
        await connection.execute("alter table embeddings drop column question_lexemes")
        await connection.execute(script)
        found = await store.find_candidates(connection, MODEL, "torn blimp balloon", direction(0), [])
        assert {each.passage_id: each.shared for each in found.found} == {asked: {"torn", "blimp"}, unasked: set()}
    await database.close()
