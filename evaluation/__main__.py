"""`make eval`: measures the agent, prints how well it answers, and writes that down beside the labelled sets."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final, TypeVar

import uvloop
from pydantic import SecretStr

import agent.settings
from agent.errors import ModelNotConfigured
from agent.thinking import local_rules
from agent.thinking.meaning import Meaning
from evaluation import attacked, grounded, labels, report, stage
from evaluation.attacks import attacks
from evaluation.figures import figures
from evaluation.questions import Question, Trial, from_label, more_questions, samples
from evaluation.stage import Agent
from simulators import openai
from simulators.serving import running

SETS: Final = ("test", "tune", "samples", "more_questions")
SPLITS: Final[tuple[labels.Split, ...]] = ("test", "tune")
_AT_ONCE_ELSEWHERE: Final = 8
_SIMULATED_MODEL: Final = "gpt-4o"
_NOTE: Final = "simulator, not a language model"

Row = TypeVar("Row")


def main(arguments: Sequence[str]) -> int:
    """Measures what the arguments ask for; the exit code, 1 with one sentence when the model is not configured."""
    asked = _parser().parse_args(arguments)
    if asked.tables:
        report.write(json.loads(report.RAW.read_text("utf-8")))
        return 0
    with contextlib.ExitStack() as stack:
        settings = stage.agent_settings()
        if asked.simulator:
            url = stack.enter_context(running(openai.app()))
            settings = _simulated(settings, url)
        try:
            # One for the rules and the local model, as in the service.
            meaning = Meaning(threads=settings.meaning_threads)
            models = stage.models_of(settings, asked.model, meaning)
        except ModelNotConfigured as error:
            print(f"--model {asked.model}: {error}", file=sys.stderr)
            return 1
        dsn = stack.enter_context(stage.database())

        async def measured() -> dict[str, Any]:
            async with stage.library(dsn) as library:
                return await measure(Agent(library, models, settings=settings, meaning=meaning), asked)

        found = uvloop.run(measured())
    if asked.simulator:
        found["note"] = _NOTE
    print("\n" + report.printed(found))
    if asked.json is not None:
        asked.json.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", "utf-8")
    if _is_whole(asked):
        report.keep(found)
        print(f"\nWritten to {report.PAGE}, {report.RAW} and {report.README}.")
    return 0


async def measure(agent: Agent, asked: argparse.Namespace) -> dict[str, Any]:
    """Everything the arguments ask for, ready for JSON."""
    sections = labels.passages(stage.CONTEXT)
    # The local model needs a core to itself; an endpoint is mostly waited for.
    at_once = asked.at_once or (1 if agent.model == local_rules.NAME else _AT_ONCE_ELSEWHERE)
    found: dict[str, Any] = {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        # A new version of the local model takes the place of the one before.
        "name": stage.LOCAL if agent.model == local_rules.NAME else agent.model,
        "model": agent.model,
        "note": "",
        "policy": agent.policy.version,
        "instructions": agent.instructions_version,
        "runs_at_once": at_once,
        "machine": _machine(),
        "sets": {},
        "grounding": {},
    }
    for name in (each for each in SETS if asked.split in (each, "all")):
        chosen = _spread(_questions(name), asked.limit, lambda question: question.stratum)
        _say(f"{name}: {len(chosen)} messages")
        trials = await _all_of(chosen, agent.try_out, at_once)
        if name != "test":
            # Single lines of the test set are nobody's business: rules are made without a look at them.
            _show(trials, answers=asked.answers)
        found["sets"][name] = figures(trials)
    for split in SPLITS:
        found["grounding"][split] = grounded.measure(labels.sentences(split), sections, agent.limits.coverage_min)
    if not asked.no_attacks:
        found["attacks"] = {}
        drawn = _spread(attacks(), asked.limit, lambda attack: attack.goal)
        for asked_model, gives_in in (("guards", True), ("model", False)):
            _say(f"attacks on the {asked_model}: {len(drawn)}")
            raids = await _all_of(drawn, partial(attacked.raid, agent, gives_in=gives_in), at_once)
            found["attacks"][asked_model] = attacked.measure(raids)
    return found


def _machine() -> list[str]:
    return [
        f"{os.cpu_count()} cores, {platform.system()} {platform.release()} on {platform.machine()}",
        f"load average when it began: {os.getloadavg()[0]:.1f}",
        f"Python {platform.python_version()}",
    ]


def _questions(name: str) -> list[Question]:
    match name:
        case "samples":
            return samples(stage.CONTEXT)
        case "more_questions":
            return more_questions()
        case _:
            return [from_label(row) for row in labels.messages() if row.split == name]


async def _all_of(rows: Sequence[Row], work: Callable[..., Any], at_once: int) -> list[Any]:
    slots = asyncio.Semaphore(at_once)

    async def one(row: Row) -> Any:
        async with slots:
            return await work(row)

    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(row)) for row in rows]
    _say(f"  {time.monotonic() - began:.0f} s")
    return [task.result() for task in tasks]


def _spread(rows: Sequence[Row], limit: int | None, sort: Callable[[Row], str]) -> list[Row]:
    """So many of the rows at most, as evenly over their sorts as can be."""
    if limit is None or limit >= len(rows):
        return list(rows)
    by_sort: dict[str, list[Row]] = {}
    for row in rows:
        by_sort.setdefault(sort(row), []).append(row)
    return [row for turn in zip_longest(*by_sort.values()) for row in turn if row is not None][:limit]


def _show(trials: Sequence[Trial], *, answers: bool) -> None:
    for trial in trials:
        if answers or not trial.is_right:
            seen = trial.seen.reason or ", ".join(trial.seen.articles)
            print(f"  {trial.question.id}: {trial.outcome}: {seen}")
        if answers:
            print(f"    asked: {trial.question.text!r}\n    heard: {trial.seen.text!r}")


def _is_whole(asked: argparse.Namespace) -> bool:
    return asked.split == "all" and asked.limit is None and not asked.no_attacks


def _simulated(settings: agent.settings.Settings, url: str) -> agent.settings.Settings:
    changed = {
        "openai_base_url": f"{url}/v1",
        "openai_api_key": SecretStr("sk-simulated"),
        "openai_model": _SIMULATED_MODEL,
        "openai_fallback_model": "",
    }
    return settings.model_copy(update=changed)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m evaluation", description=__doc__)
    parser.add_argument("--model", default="", metavar="NAME", help="one model of the settings alone, or local-rules")
    parser.add_argument("--split", default="all", choices=(*SETS, "all"), help="one set alone; writes no results")
    parser.add_argument("--limit", type=int, metavar="N", help="so many of each set, evenly drawn; writes no results")
    parser.add_argument("--no-attacks", action="store_true", help="leave the attacks out; writes no results")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument(
        "--answers", action="store_true", help="show each message and answer, but those of the test set"
    )
    parser.add_argument("--at-once", type=int, metavar="N", help="runs at once: 1, or 8 with an endpoint")
    parser.add_argument("--simulator", action="store_true", help=f"measure the OpenAI simulator ({_NOTE})")
    parser.add_argument(
        "--tables", action="store_true", help="measure nothing: write the tables from results.json anew"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
