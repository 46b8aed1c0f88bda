"""Knowledge's tables. Every query stands in `store.sql`."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, TypeAlias

from asyncpg import Record

from knowledge.model import (
    Article,
    Candidate,
    Candidates,
    NearQuestion,
    Passage,
    PassageName,
    Question,
    Section,
    Vector,
)
from meshkit import sql
from meshkit.database import Connection

QUERIES = sql.load("knowledge")

Embedding: TypeAlias = tuple[uuid.UUID, str, Vector]
"""A passage, the hash of the text that was embedded for it, and its vector."""


Phrasing: TypeAlias = tuple[uuid.UUID, int, Question, Vector]
"""A question of a passage: its place among the passage's questions, from 1, and its vector."""

# Questions in one statement, so that none outlasts DATABASE_TIMEOUT_SECONDS.
_ROWS_MAX = 500
# From so many on, and when they are most of all, it is quicker to make the indexes anew than to have each question find
# its place in one, which takes a millisecond or two.
_ROWS_FOR_NEW_INDEXES = 1000
# How long a start may wait for another copy that learns questions, and for an index of thousands of them.
_LEARNING_SECONDS = 60.0


class Phrased(NamedTuple):
    """A passage, the path of headings it stands under, and the questions beside it, in their order."""

    passage_id: uuid.UUID
    heading: str
    questions: list[Question]


async def get_article(connection: Connection, slug: str, version: int | None = None) -> Article | None:
    """Returns one version of an article, or its newest, without passages."""
    row = await connection.fetchrow(QUERIES.get_article, slug, version)
    return None if row is None else _article(row)


async def list_articles(connection: Connection, after: str, limit: int) -> list[Article]:
    """Returns up to `limit` articles that come after this name, by name."""
    return [_article(row) for row in await connection.fetch(QUERIES.list_articles, after, limit)]


async def get_passages_of(connection: Connection, slug: str, version: int) -> list[Passage]:
    """Returns the passages of one version, in the order of the document."""
    return [_passage(row) for row in await connection.fetch(QUERIES.get_passages_of, slug, version)]


async def get_passage(connection: Connection, name: PassageName) -> Passage | None:
    """Returns one passage."""
    row = await connection.fetchrow(QUERIES.get_passage, name.article, name.version, name.number)
    return None if row is None else _passage(row)


async def get_passages(connection: Connection, passage_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Passage]:
    """Returns these passages by their ids."""
    return {row["passage_id"]: _passage(row) for row in await connection.fetch(QUERIES.get_passages, passage_ids)}


async def lock_article(connection: Connection, slug: str, now: datetime) -> tuple[int, datetime]:
    """Returns an article's newest version, 0 if it is new, and when it was created; so until the transaction ends."""
    await connection.execute(QUERIES.add_article, slug, now)
    row = await connection.fetchrow(QUERIES.lock_article, slug)
    if row is None:
        raise LookupError("articles are never deleted")
    return row["version"], row["create_time"]


async def add_version(connection: Connection, article: Article) -> None:
    """Writes a version with its passages; from now on it is the newest, and the only one that is searched."""
    await connection.execute(
        QUERIES.add_version,
        article.slug,
        article.version,
        article.title,
        article.sha256,
        article.passage_count,
        article.publish_time,
    )
    await connection.execute(
        QUERIES.add_passages,
        article.slug,
        article.version,
        [passage.id for passage in article.passages],
        [passage.name.number for passage in article.passages],
        [passage.section.heading for passage in article.passages],
        [passage.section.text for passage in article.passages],
    )
    await connection.execute(QUERIES.move_to_version, article.slug, article.version)
    await connection.execute(QUERIES.drop_embeddings_before, article.slug, article.version)


async def get_embedded(connection: Connection, slug: str, version: int, model: str) -> dict[uuid.UUID, str]:
    """Returns, by passage, the hash of the text that the model's vector is of."""
    rows = await connection.fetch(QUERIES.get_embedded, slug, version, model)
    return {row["passage_id"]: row["sha256"] for row in rows}


async def put_embeddings(connection: Connection, model: str, embeddings: Sequence[Embedding]) -> None:
    """Writes vectors of a model, in place of older ones."""
    await connection.executemany(
        QUERIES.put_embedding, [(passage, model, sha256, vector) for passage, sha256, vector in embeddings]
    )
    await connection.execute(QUERIES.put_question_lexemes, [passage for passage, _, _ in embeddings], model)


async def list_phrasings(connection: Connection, slug: str, model: str) -> list[Phrased]:
    """Returns the passages of an article's newest version, each with the questions beside it, in their order."""
    known: dict[uuid.UUID, Phrased] = {}
    for row in await connection.fetch(QUERIES.list_phrasings, slug, model):
        passage = known.setdefault(row["passage_id"], Phrased(row["passage_id"], row["heading"], []))
        if row["text"] is not None:
            passage.questions.append(Question(row["text"], row["answered"]))
    return list(known.values())


async def lock_phrasings(connection: Connection) -> None:
    """Waits until no other copy of the service writes questions, and has none do so until the transaction ends."""
    await connection.execute(QUERIES.lock_phrasings, timeout=_LEARNING_SECONDS)


async def put_phrasings(
    connection: Connection, model: str, passages: Sequence[uuid.UUID], phrasings: Sequence[Phrasing]
) -> None:
    """Has these passages beside these questions, and beside no others; in a transaction that has `lock_phrasings`.

    Where thousands are new, searches wait until it ends, for a second or two.
    """
    await connection.execute(QUERIES.drop_phrasings, passages, model)
    rows = [(passage, model, number, each.text, each.answered, vector) for passage, number, each, vector in phrasings]
    anew = len(rows) >= max(_ROWS_FOR_NEW_INDEXES, await connection.fetchval(QUERIES.count_phrasings))
    indexes = await connection.fetch(QUERIES.get_phrasing_indexes) if anew else []
    for index in indexes:
        await connection.execute(index["forget"])
    for start in range(0, len(rows), _ROWS_MAX):
        await connection.executemany(QUERIES.add_phrasing, rows[start : start + _ROWS_MAX])
    for index in indexes:
        await connection.execute(index["build"], timeout=_LEARNING_SECONDS)
    await connection.execute(QUERIES.put_question_lexemes, passages, model)


async def find_known(connection: Connection, model: str, vector: Vector) -> list[NearQuestion]:
    """Returns the known questions nearest to this one, up to 40 of either sort, each with its passage."""
    rows = await connection.fetch(QUERIES[f"find_known_{model.replace('-', '_')}"], vector)
    return [NearQuestion(row["passage_id"], Question(row["text"], row["answered"]), row["cosine"]) for row in rows]


async def find_candidates(
    connection: Connection, model: str, question: str, vector: Vector, known_for: Sequence[uuid.UUID]
) -> Candidates:
    """Returns the passages that may answer the question, `known_for` among them, in no order."""
    query = QUERIES[f"find_candidates_{model.replace('-', '_')}"]
    rows = await connection.fetch(query, vector, question, known_for)
    if not rows:
        return Candidates(frozenset(), (), await get_revision(connection))
    return Candidates(
        asked=frozenset(rows[0]["asked"]),
        found=tuple(
            Candidate(row["passage_id"], row["cosine"], row["asked_cosine"], frozenset(row["shared"])) for row in rows
        ),
        revision=rows[0]["revision"],
    )


async def get_revision(connection: Connection) -> int:
    """Returns a number that grows with each version published."""
    revision: int = await connection.fetchval(QUERIES.get_revision)
    return revision


async def list_texts(connection: Connection) -> list[Section]:
    """Returns all that the newest versions say."""
    return [Section(row["heading"], row["text"]) for row in await connection.fetch(QUERIES.list_texts)]


async def count_lexemes(connection: Connection) -> dict[str, int]:
    """Returns in how many passages of the newest versions each lexeme stands."""
    return {row["word"]: row["ndoc"] for row in await connection.fetch(QUERIES.count_lexemes)}


def _article(row: Record) -> Article:
    return Article(
        slug=row["slug"],
        title=row["title"],
        version=row["version"],
        sha256=row["sha256"],
        passage_count=row["passage_count"],
        create_time=row["create_time"],
        publish_time=row["publish_time"],
    )


def _passage(row: Record) -> Passage:
    return Passage(
        id=row["passage_id"],
        name=PassageName(row["article"], row["version"], row["number"]),
        section=Section(row["heading"], row["text"]),
    )
