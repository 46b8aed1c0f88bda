"""Forms accepted and durable at 200 concurrent: channels behind the gateway against a monolith.

Of the mesh only what takes a form in runs: gateway and channels, its relay included; mails that confirm forms are
switched off, because the monolith writes none. The monolith (`bench/baseline`) runs with as many processes as suit it
best, in three ways:

- with an outbox, as durable as channels, without a proxy: what the ratio is taken against;
- the same behind Envoy, as it would stand before customers;
- with Kafka's acknowledgement in place of an outbox, without a proxy: often written, and less durable.

`bench/sides.py` says how they take turns.

    python -m bench form
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from bench import sides, stage
from bench.profile import Profile
from bench.requests import Forms, Question
from bench.sides import WORKERS_TRIED
from local.mesh import Mesh

ROUNDS = 5
WARM_SECONDS = 3.0
ROUND_SECONDS = 6.0
TRIAL_SECONDS = 3.0
EXPORT = Question(
    "How do I export my projects?",
    "Hello,\n\nour team would like to keep a copy of all projects at the end of each quarter. Is there a way to "
    "export them as CSV, and are the comments and the time entries part of it? We are about 40 people on the "
    "Business plan, and I am an administrator of the workspace.\n\nThank you for your help\nJordan",
)
SIGN_IN = Question(
    "Cannot sign in",
    "Hi there, since this morning I cannot sign in any more: the page says that my session has expired, and the "
    "link in the mail brings me to the same page again. I tried two browsers and a private window. What can I do?",
)
FORMS = Forms((EXPORT, SIGN_IN))


def measure(rounds: int = ROUNDS) -> dict[str, Any]:
    """Every side's figures, ratios of throughput, and what the monolith did at each number of processes."""
    with stage.mesh(services=("channels",), environment={"ENABLED_CHANNELS": "web_form"}) as mesh, ExitStack() as stack:
        database = sides.prepare_monolith(mesh)
        tried = {events: _try(mesh, database, events) for events in ("outbox", "acked")}
        best = {events: max(rates, key=lambda workers: rates[workers]) for events, rates in tried.items()}
        outbox, acked = (
            stack.enter_context(sides.monolith(mesh, database, best[way], events=way)) for way in ("outbox", "acked")
        )
        ours = sides.ours(mesh)
        theirs = [outbox, stack.enter_context(sides.behind_envoy(mesh, outbox)), acked]
        sides.compare([ours, *theirs], FORMS, rounds=rounds, seconds=ROUND_SECONDS, warm_seconds=WARM_SECONDS)
        figures = {side.name: side.figures("form") for side in (ours, *theirs)}
        ratios = {other.name: sides.ratio(ours, other) for other in theirs}
        with Profile.taken({"channels": ours.parts["channels"].pid}, ROUND_SECONDS - 1) as profiles:
            # After the figures were taken: being looked at slows it a little.
            ours.turn(FORMS, rounds + 1, ROUND_SECONDS)
    return {
        "sides": figures,
        "monolith_per_second_by_processes": tried,
        "monolith_processes": best,
        "shares_of_python_time": profiles,
        "throughput_ratio": ratios,
    }


def _try(mesh: Mesh, database: str, events: str) -> dict[int, int]:
    """Forms a second by the number of processes."""
    rates = {}
    for workers in WORKERS_TRIED:
        with sides.monolith(mesh, database, workers, events=events) as side:
            rates[workers] = sides.rate(side, FORMS, seconds=TRIAL_SECONDS, warm_seconds=WARM_SECONDS / 2)
    return rates
