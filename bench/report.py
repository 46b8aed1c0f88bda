"""From figures to `bench/RESULTS.md`: each beside its goal, and what stands behind it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.explain import WHERE

FOLDER = Path(__file__).parent
RAW = FOLDER / "results.json"
RESULTS = FOLDER / "RESULTS.md"
OUTBOX, BEHIND = "monolith (outbox)", "monolith (outbox) behind Envoy"


@dataclass(frozen=True)
class Row:
    """One figure of the table."""

    figure: str
    goal: str
    result: str
    met: bool


def _form(found: Mapping[str, Any]) -> list[Row]:
    ours, sides = found["sides"]["mesh"], found["sides"]
    bare, behind = sides[OUTBOX], sides[BEHIND]
    ratios = found["throughput_ratio"]
    return [
        Row(
            "form accepted and durable through Envoy, 200 concurrent: throughput against the monolith without a proxy",
            "≥ 1.2 times",
            f"{ratios[OUTBOX]:.2f} times ({ours['per_second']}/s, {bare['per_second']}/s)",
            ratios[OUTBOX] >= 1.2,
        ),
        Row(
            "the same against the monolith behind Envoy too",
            "≥ 1.2 times",
            f"{ratios[BEHIND]:.2f} times ({ours['per_second']}/s, {behind['per_second']}/s)",
            ratios[BEHIND] >= 1.2,
        ),
        Row(
            "p95 of those, against the monolith without a proxy",
            "no worse",
            f"{ours['p95_ms']:.0f} ms, {bare['p95_ms']:.0f} ms",
            ours["p95_ms"] <= bare["p95_ms"],
        ),
    ]


def _unary(found: Mapping[str, Any]) -> list[Row]:
    ratio = found["throughput_ratio"]
    rates = f"{found['full']['calls_per_second']}/s, {found['bare']['calls_per_second']}/s"
    return [
        Row("unary RPC with all interceptors against bare grpc.aio", "≥ 85 %", f"{ratio:.0%} ({rates})", ratio >= 0.85)
    ]


def _stream(found: Mapping[str, Any]) -> list[Row]:
    ratio, latency = found["ratio"], found["latency"]
    return [
        Row(
            "outbox → Kafka → inbox effect against raw aiokafka, acks=all",
            "≥ 50 %",
            f"{ratio:.0%} ({found['ours_per_second']}/s, {found['raw_per_second']}/s)",
            ratio >= 0.5,
        ),
        Row(
            "p99 of the same at half load",
            "< 100 ms",
            f"{latency['p99_ms']:.0f} ms at {latency['offered_per_second']}/s",
            latency["p99_ms"] < 100,
        ),
    ]


def _journey(found: Mapping[str, Any]) -> list[Row]:
    steady = found["steady"]
    times = f"{steady['p50_ms']:.0f} / {steady['p95_ms']:.0f} / {steady['p99_ms']:.0f} ms"
    return [
        Row(
            "form in → reply stored, 20/s in an open loop: p50 / p95 / p99",
            "p95 < 250 ms",
            times,
            steady["p95_ms"] < 250,
        ),
        Row(
            "forms a second, sustained without a growing backlog",
            "≥ 60/s",
            f"{found['sustained_per_second']}/s (a burst is worked off at {found['burst_worked_off_per_second']}/s)",
            found["sustained_per_second"] >= 60,
        ),
    ]


def _agent(found: Mapping[str, Any]) -> list[Row]:
    local, overhead, slow = found["local_model"], found["overhead"], found["slow_endpoint"]
    return [
        Row(
            "a whole run with the local model, on one core",
            "measured",
            f"{local['runs_per_second']}/s, {local['cpu_ms_a_run']} ms of CPU time, p95 {local['p95_ms']:.1f} ms",
            True,
        ),
        Row(
            "what the agent adds to a run, its model's time left out: p95",
            "< 25 ms",
            f"{overhead['p95_ms']:.1f} ms ({overhead['cpu_p95_ms']:.1f} ms of CPU time)",
            overhead["p95_ms"] < 25,
        ),
        Row(
            f"{slow['runs_at_once']} runs at once at an endpoint of {slow['seconds_an_answer']:.0f} s an answer: "
            "p95 over the model's own time",
            "< 3 s",
            f"{slow['over_the_models_time_p95_ms'] / 1000:.2f} s",
            slow["over_the_models_time_p95_ms"] < 3000,
        ),
        Row(
            f"memory over {slow['runs']} such runs",
            "flat: < 8 MiB",
            f"{slow['memory_mib_grown']:+.1f} MiB",
            slow["memory_mib_grown"] < 8,
        ),
    ]


def _startup(found: Mapping[str, Any]) -> list[Row]:
    return [
        Row("make up, cold", "< 5 min", f"{found['cold_seconds']:.0f} s", found["cold_seconds"] < 300),
        Row("make up, warm", "< 15 s", f"{found['warm_seconds']:.1f} s", found["warm_seconds"] < 15),
        Row(
            "resident memory of all processes (PSS)",
            "< 1.5 GB",
            f"{found['memory_mib_in_all']} MiB",
            found["memory_mib_in_all"] * 1024 * 1024 < 1.5e9,
        ),
    ]


def _webhook(found: Mapping[str, Any]) -> list[Row]:
    rows = []
    for channel, name in (("whatsapp", "WhatsApp webhook"), ("gmail", "Gmail push")):
        sides, ratios, steady = found[channel], found["throughput_ratio"][channel], found["at_100_per_second"][channel]
        rows += [
            Row(
                f"{name} accepted and durable through Envoy, 200 concurrent: throughput against the monolith {against}",
                "≥ 1.2 times",
                f"{ratios[side]:.2f} times ({sides['mesh']['per_second']}/s, {sides[side]['per_second']}/s)",
                ratios[side] >= 1.2,
            )
            for side, against in ((OUTBOX, "without a proxy"), (BEHIND, "behind Envoy too"))
        ]
        rows.append(
            Row(
                f"{name} at 100/s in an open loop: p50 / p95 / p99",
                "p95 < 20 ms",
                f"{steady['p50_ms']:.1f} / {steady['p95_ms']:.1f} / {steady['p99_ms']:.1f} ms",
                steady["p95_ms"] < 20 and not steady["refused"],
            )
        )
    return rows


def _parsing(found: Mapping[str, Any]) -> list[Row]:
    megabyte, growth = found["one_megabyte"], found["times_longer_for_twice_the_size"]
    rows = []
    for share in ("median", "p95"):
        worst = max(megabyte, key=lambda shape: megabyte[shape][f"{share}_ms"])
        took = megabyte[worst][f"{share}_ms"]
        rows.append(Row(f"a mail of 1 MB read, worst shape: {share}", "< 50 ms", f"{took:.1f} ms ({worst})", took < 50))
    for what, up_to in (("mails", "25 MB"), ("texts", "128 000 characters")):
        worst = max(growth[what], key=lambda shape: growth[what][shape])
        times = growth[what][worst]
        did = "a mail read" if what == "mails" else "a text split"
        rows.append(
            Row(
                f"{did}, up to {up_to}: time for twice the size",
                "linear (≤ 2.2 times)",
                f"{times:.2f} times ({worst})",
                times <= 2.2,
            )
        )
    return rows


def _breaker(found: Mapping[str, Any]) -> list[Row]:
    return [
        Row(
            f"replies on {name} while Gmail answers 503: p95 against both well",
            "within 10 %",
            f"{found['p95_ratio'][channel]:.2f} times "
            f"({found['away'][channel]['p95_ms']:.0f} ms, {found['well'][channel]['p95_ms']:.0f} ms)",
            found["p95_ratio"][channel] <= 1.1,
        )
        for channel, name in (("whatsapp", "WhatsApp"), ("web_form", "the web form"))
    ]


ROWS: Mapping[str, Callable[[Mapping[str, Any]], list[Row]]] = {
    "form": _form,
    "webhook": _webhook,
    "parsing": _parsing,
    "breaker": _breaker,
    "unary": _unary,
    "stream": _stream,
    "journey": _journey,
    "agent": _agent,
    "startup": _startup,
}


def keep(name: str, date: str, machine: list[str], figures: Mapping[str, Any]) -> None:
    """Put a run in the place of that bench's run before, and write both files anew."""
    kept: dict[str, Any] = json.loads(RAW.read_text()) if RAW.exists() else {}
    kept[name] = {"date": date, "machine": machine, "figures": figures}
    RAW.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n")
    RESULTS.write_text(rendered(kept))


def rendered(kept: Mapping[str, Any]) -> str:
    """The page."""
    parts = [
        "# Figures\n",
        "Measured by `make bench`, which writes this page; each bench's module says how it measures. Every process,",
        "the load generators included, shares the machine's cores. PostgreSQL's commits are durable (fsync).",
        "Where a section says that others used much of the machine, its figures are not to be relied on.\n",
        "| figure | goal | result | |",
        "|---|---|---|---|",
    ]
    present = [name for name in ROWS if name in kept]
    for name in present:
        parts += [
            f"| {row.figure} | {row.goal} | {row.result} | {'met' if row.met else '**missed**'} |"
            for row in ROWS[name](kept[name]["figures"])
        ]
    for name in present:
        run = kept[name]
        parts += ["", f"## {name}", "", f"`bench/{name}.py`, {run['date']}. " + "; ".join(run["machine"]) + ".", ""]
        if name in WHERE:
            parts += [f"Where the time goes: {WHERE[name](run['figures'])}", ""]
        parts += _detail(run["figures"])
    return "\n".join(parts) + "\n"


def _detail(figures: Mapping[str, Any]) -> list[str]:
    """Plain figures in one table, each table of figures in one of its own."""
    lines: list[str] = []
    plain = {name: value for name, value in figures.items() if not isinstance(value, (Mapping, list))}
    if plain:
        lines += ["| | |", "|---|---|", *(f"| {_words(name)} | {value} |" for name, value in plain.items()), ""]
    for name, value in figures.items():
        if name in plain:
            continue
        rows = value if isinstance(value, Mapping) else {str(place + 1): each for place, each in enumerate(value)}
        lines += [f"**{_words(name)}**", "", *_table(rows), ""]
    return lines[:-1]


def _table(rows: Mapping[str, Any]) -> list[str]:
    if not all(isinstance(row, Mapping) for row in rows.values()):
        return ["| | |", "|---|---|", *(f"| {_words(str(name))} | {_cell(value)} |" for name, value in rows.items())]
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    lines = ["| | " + " | ".join(_words(str(column)) for column in columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, row in rows.items():
        cells = (_cell(row.get(column, "")) for column in columns)
        lines.append(f"| {_words(str(name))} | " + " | ".join(cells) + " |")
    return lines


def _cell(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{_words(str(name))} {each}" for name, each in value.items())
    return str(value)


def _words(name: str) -> str:
    return name.replace("_", " ")
