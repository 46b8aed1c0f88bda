"""How well questions find their section, and how fast: `python services/knowledge/bench/search_quality.py`.

Asks knowledge, on a PostgreSQL of its own, two sets of questions about the documents of `context/`: the sample tickets
(those that expect an answer from a section, and those that nothing answers), each as subject and message; and
`questions.json` beside this file. Prints for each set how often the right
section came first (R@1) or among the first five (R@5), how the best scores are spread, and what share lies at 0.65 or
more; how `documented` is spread, and how often it is higher for one that is answerable than for one that is not (AUC),
beside the same of the best score; then the time of a search. `--misses` lists the questions that went wrong.
"""

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from knowledge.model import Findings
from knowledge.operations import Operations
from knowledge.ranking.embed import Embedder
from knowledge.settings import Settings
from local.paths import embedded_ahead
from local.ports import free_ports
from local.postgres import WITHOUT_DURABILITY, Postgres
from local.provision import passwords, provision, service_dsn
from meshkit.clock import SystemClock
from meshkit.database import Database
from meshkit.migrations import migrate
from meshkit.outbox import Outbox
from meshkit.testing import settings_for

_CONTEXT = Path(__file__).parents[3] / "context"
_QUERY_CHARACTERS_MAX = 1000
_SAFE = 0.65


@dataclass(frozen=True)
class Question:
    """What is asked, and the section that answers it; None when nothing does."""

    text: str
    section: str | None


def sample_tickets() -> list[Question]:
    """The tickets that a section answers, and those that find none."""
    questions = []
    for ticket in json.loads((_CONTEXT / "sample-tickets.json").read_text()):
        expected = ticket["expected"]
        answered = expected["ending"] == "reply" and expected["section"]
        if answered or expected["reason"] == "NO_ANSWER_FOUND":
            text = ". ".join(part for part in (ticket["subject"], ticket["message"]) if part)
            questions.append(Question(text[:_QUERY_CHARACTERS_MAX], expected["section"] if answered else None))
    return questions


def own_questions() -> list[Question]:
    """The questions that stand beside this file."""
    kept = json.loads((Path(__file__).parent / "questions.json").read_text())
    return [Question(each["question"], each["section"]) for each in kept["answerable"]] + [
        Question(text, None) for text in kept["unanswerable"]
    ]


@asynccontextmanager
async def knowledge() -> AsyncIterator[Operations]:
    """Knowledge over the documents of `context/`, on a fresh database."""
    with tempfile.TemporaryDirectory(prefix="fte-") as name:
        folder = Path(name)
        # Nothing else waits for this loop yet, and as root PostgreSQL runs as another account.
        folder.chmod(0o755)  # noqa: ASYNC240
        server = Postgres(folder / "postgres", free_ports(1)[0], settings=WITHOUT_DURABILITY)
        server.start()
        try:
            roles = passwords()
            await provision(server.dsn(), roles)
            dsn = service_dsn(server.dsn(), "knowledge", roles["knowledge"])
            await migrate(dsn, schema="knowledge", package="knowledge")
            settings = settings_for(Settings)
            database = Database(dsn, vectors=True)
            await database.open()
            embedder = Embedder(settings.embedding_model, remembered=0, ahead=embedded_ahead())
            async with embedder:
                operations = Operations(
                    database,
                    Outbox("/fte/knowledge"),
                    SystemClock(),
                    embedder,
                    left_out=settings.embedding_left_out,
                )
                began = time.perf_counter()
                await operations.import_documents(
                    _CONTEXT, settings.context_documents, settings.context_questions, settings.context_open_questions
                )
                print(f"imported {', '.join(settings.context_documents)} in {time.perf_counter() - began:.1f} s")
                yield operations
            await database.close()
        finally:
            server.stop()


async def quality(operations: Operations, name: str, questions: Sequence[Question], *, misses: bool) -> None:
    """Asks all questions once and prints how well they were answered."""
    firsts = fives = 0
    scores: dict[bool, list[float]] = {True: [], False: []}
    documented: dict[bool, list[float]] = {True: [], False: []}
    for question in questions:
        findings = await operations.search_passages(question.text, 5)
        headings = [match.passage.section.heading for match in findings.matches]
        best = findings.matches[0].score if findings.matches else 0.0
        scores[question.section is not None].append(best)
        documented[question.section is not None].append(findings.documented)
        if question.section is not None:
            firsts += headings[:1] == [question.section]
            fives += question.section in headings
        if misses and (headings[:1] != [question.section] if question.section else best >= _SAFE):
            print(f"  {best:.2f} {question.section} -> {_first(findings)}: {question.text[:90]!r}")
    answerable, unanswerable = scores[True], scores[False]
    print(f"{name}: R@1 {firsts}/{len(answerable)}, R@5 {fives}/{len(answerable)}")
    for kind, values in (("answerable", answerable), ("unanswerable", unanswerable)):
        tenths = statistics.quantiles(values, n=20, method="inclusive")
        safe = sum(value >= _SAFE for value in values) / len(values)
        nothing = sum(value == 0 for value in values)
        print(
            f"  {kind:12} best score p5 {tenths[0]:.2f}, p25 {tenths[4]:.2f}, p50 {tenths[9]:.2f}, "
            f"p75 {tenths[14]:.2f}, p95 {tenths[18]:.2f}; at {_SAFE} or more {safe:.0%}; nothing found {nothing}"
        )
    for kind, values in (("answerable", documented[True]), ("unanswerable", documented[False])):
        tenths = statistics.quantiles(values, n=20, method="inclusive")
        print(
            f"  {kind:12} documented p5 {tenths[0]:.2f}, p25 {tenths[4]:.2f}, p50 {tenths[9]:.2f}, "
            f"p75 {tenths[14]:.2f}, p95 {tenths[18]:.2f}; over 0.5 {sum(value > 0.5 for value in values)}/{len(values)}"
        )
    print(f"  AUC of documented {_area(documented):.3f}, of the best score {_area(scores):.3f}")


async def speed(operations: Operations, questions: Sequence[Question]) -> None:
    """Asks short questions one after another, none from memory, and prints time and CPU of a search."""
    texts = [question.text for question in questions] * 5
    times = []
    began, used = time.perf_counter(), time.process_time()
    for text in texts:
        start = time.perf_counter()
        await operations.search_passages(text, 5)
        times.append((time.perf_counter() - start) * 1000)
    elapsed, used = time.perf_counter() - began, time.process_time() - used
    marks = statistics.quantiles(times, n=20, method="inclusive")
    print(
        f"searches: {len(texts) / elapsed:.0f}/s one after another; p50 {marks[9]:.1f} ms, p95 {marks[18]:.1f} ms; "
        f"{used / len(texts) * 1000:.1f} ms of CPU each, without Postgres; load average {os.getloadavg()[0]:.1f}"
    )


def _area(values: Mapping[bool, Sequence[float]]) -> float:
    """How often the value of an answerable question is above that of one that is not; half where they are equal."""
    pairs = [(yes, no) for yes in values[True] for no in values[False]]
    return sum((yes > no) + (yes == no) / 2 for yes, no in pairs) / len(pairs)


def _first(findings: Findings) -> str:
    return findings.matches[0].passage.section.heading if findings.matches else "nothing"


async def main() -> None:
    """Runs everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--misses", action="store_true", help="list the questions that went wrong")
    arguments = parser.parse_args()
    async with knowledge() as operations:
        own = own_questions()
        await quality(operations, "sample tickets", sample_tickets(), misses=arguments.misses)
        await quality(operations, "own questions", own, misses=arguments.misses)
        await speed(operations, own)


if __name__ == "__main__":
    asyncio.run(main())
