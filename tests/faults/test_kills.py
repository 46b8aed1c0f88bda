"""SIGKILL to every service, at random, while customers write: the books balance, and without the inbox they do not."""

import random
from pathlib import Path

import pytest
from tests.customers import Staff
from tests.faults import ledger
from tests.faults.conftest import await_doors
from tests.faults.posting import Posting

from local.mesh import Mesh
from local.services import Service

SABOTAGE = Path(__file__).parent / "sabotage" / "inbox"
SERVICES = ("identity", "tickets", "knowledge", "agent", "channels")


def kill_while(mesh: Mesh, posting: Posting, chance: random.Random) -> list[str]:
    """Kills and starts services, one after the other, each at least once; what was killed, in order."""
    killed: list[str] = []
    while posting.busy or set(killed) != set(SERVICES):
        remaining = [service for service in SERVICES if service not in killed] or list(SERVICES)
        victim = chance.choice(remaining)
        mesh.kill(victim)
        killed.append(victim)
        mesh.services[victim].start()
    return killed


@pytest.mark.timeout(240)
def test_every_form_that_was_taken_is_ended_exactly_once_under_kills(mesh: Mesh, chance: random.Random) -> None:
    with Posting(mesh.url, count=300, per_second=15) as posting:
        killed = kill_while(mesh, posting, chance)
    print(f"killed: {' '.join(killed)}")
    assert posting.untaken == 0
    assert len(posting.taken) == len(set(posting.taken)) == 300
    ledger.quiet(mesh, within_seconds=60)
    books = ledger.settled(mesh, posting.taken, within_seconds=60)
    assert books.balances, books


def sabotaged(service: Service, crash_point: str) -> Service:
    """The same service, whose inbox believes that everything comes for the first time, and which dies at a place."""
    environment = {**service.environment, "PYTHONPATH": str(SABOTAGE), "FTE_CRASH_POINT": crash_point}
    return Service(service.name, service.port, environment, service.log)


@pytest.mark.timeout(240)
def test_the_ledger_fails_without_the_inbox_check(mesh: Mesh) -> None:
    honest = mesh.services["tickets"]
    honest.stop()
    # Dies after the effect is committed and before Kafka hears of it: what it had in hand comes again.
    broken = sabotaged(honest, "consumer.after_apply_commit")
    try:
        with Posting(mesh.url, count=3, per_second=30) as posting:
            pass
        broken.start()
        broken.child.wait(30)
        again = sabotaged(honest, "")
        try:
            again.start()
            ledger.quiet(mesh, within_seconds=60)
            books = ledger.settled(mesh, posting.taken, within_seconds=5)
        finally:
            again.stop()
        assert not books.balances
        assert books.filed_twice or books.ended_twice or books.dead_letters
    finally:
        broken.stop()
        honest.start()
        _forget_dead_letters(mesh)


def _forget_dead_letters(mesh: Mesh) -> None:
    await_doors(mesh)
    with Staff(mesh.url, mesh.staff_token_file.read_text().strip()) as staff:
        for letter in staff.get("deadLetters", state="DEAD_LETTER_STATE_WAITING").get("deadLetters", []):
            staff.act(f"{letter['name']}:drop")
