"""What knowledge does. Each operation owns one transaction, events included."""

import asyncio
import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from knowledge import events, store
from knowledge.errors import ArticleNotFound, PassageNotFound, PublishContended
from knowledge.model import Article, Document, Findings, Match, Passage, PassageName, Question, innermost
from knowledge.ranking import context, search
from knowledge.ranking.correct import Corrector
from knowledge.ranking.documented import documented, nearest
from knowledge.ranking.embed import Embedder
from knowledge.wire import passage_to_name
from meshkit.clock import Clock
from meshkit.database import Connection, Database
from meshkit.ids import uuid7
from meshkit.outbox import Outbox

_PUBLISH_ATTEMPTS = 5


@dataclass(frozen=True)
class _Lexicon:
    """The words of the newest versions, as of one revision of the articles."""

    revision: int
    corrector: Corrector
    frequencies: search.Frequencies


class Operations:
    """Knowledge's operations over its own schema."""

    def __init__(
        self, database: Database, outbox: Outbox, clock: Clock, embedder: Embedder, *, left_out: Sequence[str] = ()
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._clock = clock
        self._embedder = embedder
        self._left_out = tuple(left_out)
        self._lexicon: _Lexicon | None = None

    async def import_documents(
        self, folder: Path, names: Sequence[str], questions: str = "", open_questions: str = ""
    ) -> None:
        """Publishes what is new in these files; the same contents again change nothing.

        `questions` is the file of those that customers ask and the documents answer, `open_questions` of those that
        these leave open; empty for none. Any number of copies of the service may do this at once. Raises
        DocumentMissing, DocumentInvalid and QuestionsInvalid, before anything is published.
        """
        found = await asyncio.to_thread(context.read, folder, names, questions, open_questions)
        for document, sha256 in found.documents:
            await self._publish(document, sha256)
            await self._learn_questions(document.slug, found.questions)
        await self._refresh_lexicon()

    async def search_passages(self, query: str, limit: int) -> Findings:
        """Returns the passages that answer a question best, and none when nothing comes near."""
        lexicon = self._lexicon or await self._refresh_lexicon()
        findings, revision = await self._search(query, limit, lexicon)
        if revision > lexicon.revision:
            # Another copy of the service has published since; what it says now may mend the words otherwise.
            findings, _ = await self._search(query, limit, await self._refresh_lexicon())
        return findings

    async def get_article(self, slug: str, version: int | None) -> Article:
        """Returns an article with its passages, in this version or the newest. Raises ArticleNotFound."""
        async with self._database.connection() as connection:
            article = await store.get_article(connection, slug, version)
            if article is None:
                raise ArticleNotFound(slug, version)
            passages = await store.get_passages_of(connection, slug, article.version)
        return replace(article, passages=tuple(passages))

    async def list_articles(self, after: str, limit: int) -> list[Article]:
        """Returns up to `limit` articles that come after this name, by name, without passages."""
        async with self._database.connection() as connection:
            return await store.list_articles(connection, after, limit)

    async def get_passage(self, name: PassageName) -> Passage:
        """Returns one passage, of whichever version. Raises PassageNotFound."""
        async with self._database.connection() as connection:
            passage = await store.get_passage(connection, name)
        if passage is None:
            raise PassageNotFound(passage_to_name(name))
        return passage

    async def _publish(self, document: Document, sha256: str) -> None:
        for _ in range(_PUBLISH_ATTEMPTS):
            async with self._database.connection() as connection:
                known = await store.get_article(connection, document.slug)
            base = 0 if known is None else known.version
            if known is not None and known.sha256 == sha256:
                done = await self._embed_published(known)
            else:
                done = await self._publish_version(document, sha256, base)
            if done:
                return
        raise PublishContended

    async def _publish_version(self, document: Document, sha256: str, base: int) -> bool:
        """Whether the version after `base` could be published; not if another copy has moved the article on."""
        passages = tuple(
            Passage(uuid7(), PassageName(document.slug, base + 1, number), section)
            for number, section in enumerate(document.sections, 1)
        )
        # Outside the transaction: it takes seconds, and the article's row would be locked all the while.
        embeddings = await self._embed(passages)
        async with self._database.transaction() as connection:
            now = self._clock.now()
            version, create_time = await store.lock_article(connection, document.slug, now)
            if version != base:
                return False
            article = Article(
                slug=document.slug,
                title=document.title,
                version=base + 1,
                sha256=sha256,
                passage_count=len(passages),
                create_time=create_time,
                publish_time=now,
                passages=passages,
            )
            await store.add_version(connection, article)
            await store.put_embeddings(connection, self._embedder.model, embeddings)
            await self._outbox.publish(connection, events.article_published(article))
        return True

    async def _embed_published(self, article: Article) -> bool:
        """Whether all passages of this version have the vectors they should; not if another copy has moved it on.

        They lack them after a change of the model, or of what it is given.
        """
        async with self._database.connection() as connection:
            passages = await store.get_passages_of(connection, article.slug, article.version)
            embedded = await store.get_embedded(connection, article.slug, article.version, self._embedder.model)
        stale = [passage for passage in passages if embedded.get(passage.id) != _sha256(self._embedded_text(passage))]
        if not stale:
            return True
        embeddings = await self._embed(stale)
        async with self._database.transaction() as connection:
            version, _ = await store.lock_article(connection, article.slug, self._clock.now())
            if version != article.version:
                return False
            await store.put_embeddings(connection, self._embedder.model, embeddings)
        return True

    async def _learn_questions(self, slug: str, asked: Mapping[str, Sequence[Question]]) -> None:
        """Has each passage of the newest version beside the questions under its heading."""
        model = self._embedder.model

        async def stale(connection: Connection) -> dict[uuid.UUID, Sequence[Question]]:
            due = {}
            for passage in await store.list_phrasings(connection, slug, model):
                questions = asked.get(innermost(passage.heading), ())
                if passage.questions != list(questions):
                    due[passage.passage_id] = questions
            return due

        async with self._database.connection() as connection:
            due = await stale(connection)
        if not due:
            return
        texts = list({question.text for questions in due.values() for question in questions})
        # Outside the transaction: it takes seconds.
        vectors = dict(zip(texts, await self._embedder.embed(texts), strict=True))
        async with self._database.transaction() as connection:
            await store.lock_phrasings(connection)
            # Another copy may have learned them since; or published another version, and learns for that one itself.
            still = (await stale(connection)).keys() & due.keys()
            phrasings = [
                (passage, number, question, vectors[question.text])
                for passage in still
                for number, question in enumerate(due[passage], 1)
            ]
            if still:
                await store.put_phrasings(connection, model, list(still), phrasings)

    async def _embed(self, passages: Sequence[Passage]) -> list[store.Embedding]:
        texts = [self._embedded_text(passage) for passage in passages]
        vectors = await self._embedder.embed(texts)
        return [
            (passage.id, _sha256(text), vector) for passage, text, vector in zip(passages, texts, vectors, strict=True)
        ]

    def _embedded_text(self, passage: Passage) -> str:
        return passage.section.embedded_text(self._left_out)

    async def _search(self, query: str, limit: int, lexicon: _Lexicon) -> tuple[Findings, int]:
        """What is found, and the revision of the articles it was found in."""
        question = lexicon.corrector.mend(query)
        vector = await self._embedder.embed_question(question)
        async with self._database.connection() as connection:
            near = await store.find_known(connection, self._embedder.model, vector)
            known_for = {each.passage_id for each in near if each.question.answered}
            candidates = await store.find_candidates(
                connection, self._embedder.model, question, vector, list(known_for)
            )
            best = search.rank(candidates, lexicon.frequencies, limit)
            passages = await store.get_passages(connection, [passage_id for passage_id, _ in best])
        similarities = {each.passage_id: each.asked_cosine or 0.0 for each in candidates.found}
        matches = tuple(Match(passages[passage_id], score, similarities[passage_id]) for passage_id, score in best)
        answered, left_open = nearest(near)
        known = documented(answered, left_open)
        return Findings(question, matches, known, max(left_open, default=0.0)), candidates.revision

    async def _refresh_lexicon(self) -> _Lexicon:
        async with self._database.connection() as connection:
            # First the revision: if a version is published in between, the next search finds it newer and asks again.
            revision = await store.get_revision(connection)
            sections = await store.list_texts(connection)
            frequencies = search.Frequencies(len(sections), await store.count_lexemes(connection))
        texts = [f"{section.heading}\n{section.text}" for section in sections]
        self._lexicon = _Lexicon(revision, Corrector(texts, self._embedder.words), frequencies)
        return self._lexicon


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
