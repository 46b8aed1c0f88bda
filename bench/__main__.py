"""`python -m bench [name…]`: runs every bench, or those named, and writes their figures to `bench/RESULTS.md`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from bench import agent, breaker, form, journey, machine, parsing, report, stage, startup, unary, webhook
from local.kafka import KafkaBroker
from local.ports import free_ports
from local.postgres import Postgres


def measure_stream() -> dict[str, Any]:
    """The stream's figures, on servers of its own."""
    from bench import stream

    with stage.folder() as folder:
        port, *kafka_ports = free_ports(3)
        postgres = Postgres(folder / "postgres", port)
        broker = KafkaBroker(folder / "kafka", *kafka_ports)
        try:
            postgres.start()
            broker.start()
            return stream.measure(postgres.dsn(), broker.bootstrap_servers)
        finally:
            broker.stop()
            postgres.stop()


BENCHES: dict[str, Callable[[], dict[str, Any]]] = {
    "form": form.measure,
    "webhook": webhook.measure,
    "parsing": parsing.measure,
    "breaker": breaker.measure,
    "unary": unary.measure,
    "stream": measure_stream,
    "journey": journey.measure,
    "agent": agent.measure,
    "startup": startup.measure,
}


def main() -> int:
    """Run them one after the other; one that fails does not keep the others from being measured."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(BENCHES)}; all where none is named")
    names = parser.parse_args().names or list(BENCHES)
    if unknown := [name for name in names if name not in BENCHES]:
        parser.error(f"there is no bench {unknown[0]!r}; there are {', '.join(BENCHES)}")
    failed = []
    for name in names:
        began, date, described = time.monotonic(), f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", machine.described()
        neighbours = machine.Neighbours()
        print(f"{name} …", flush=True)
        try:
            figures = BENCHES[name]()
        except Exception as error:
            # Whatever it is, the next one may work.
            failed.append(name)
            print(f"  failed: {type(error).__name__}: {error}", file=sys.stderr)
            continue
        if name != "startup":
            # Its mesh is nobody's child: it would count as a neighbour.
            described.append(neighbours.described())
        report.keep(name, date, described, figures)
        for row in report.ROWS[name](figures):
            print(f"  {'met   ' if row.met else 'missed'}  {row.figure}: {row.result} (goal {row.goal})")
        print(f"  {time.monotonic() - began:.0f} s", flush=True)
    print(f"written to {report.RESULTS}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
