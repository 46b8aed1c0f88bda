"""`make up` and `make down`: a mesh in the foreground, or behind it with DETACH=1, until it is told to stop."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import NoReturn

from local.errors import CannotStart
from local.lock import StateLock
from local.mesh import Mesh
from local.ports import Ports
from local.processes import find_program, rotate
from local.supervision import Supervision

# After a supervisor was killed: PostgreSQL and Kafka end with it, but take a moment.
LEFTOVERS_SECONDS = 30
DOWN_SECONDS = 90
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# The Fetch standard, "port blocking": 8080 shifted by 2000 is on that list.
PORTS_BROWSERS_REFUSE = frozenset({10080})
QUESTION = (
    '{"name": "Ada", "email": "ada@example.com", "subject": "API keys", "category": "technical", '
    '"priority": "PRIORITY_MEDIUM", "message": "How do I create an API key?"}'
)


def up(
    state: Path, ports: Ports, environment: Mapping[str, str], when_ready: Callable[[], None] = lambda: None
) -> None:
    """Start a mesh, keep it running, and stop it at SIGINT (Ctrl-C), SIGTERM or SIGHUP.

    `when_ready` is called once it answers. Raises `CannotStart`; nothing runs then.
    """
    lock = StateLock(state)
    ended_well = lock.acquire()
    began = time.monotonic()
    mesh: Mesh | None = None
    for number in STOP_SIGNALS:
        signal.signal(number, _interrupt)
    try:
        find_program("setpriv", package="util-linux")
        ports.require_free(0 if ended_well else LEFTOVERS_SECONDS)
        mesh = Mesh(state, ports=ports, environment=environment, announce=_announce)
        mesh.start()
        _say_ready(mesh, time.monotonic() - began)
        when_ready()
        _keep(mesh)
    except KeyboardInterrupt:
        _say("stopping")
    finally:
        if mesh is not None:
            mesh.stop()
        lock.release()
    _say("stopped")


def up_detached(state: Path) -> int:
    """Start a mesh behind the terminal and return once it answers: 0, or its exit code when it could not start."""
    log = state / "logs" / "mesh.log"
    process = subprocess.Popen(
        [sys.executable, "-m", "local", "up", "--background", str(log)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        # Once it is ready it turns its output to its log, which ends this one.
        for line in process.stdout:
            sys.stdout.buffer.write(line)
            sys.stdout.flush()
    except KeyboardInterrupt:
        process.terminate()
        return process.wait(DOWN_SECONDS)
    try:
        return process.wait(timeout=0.5)
    except subprocess.TimeoutExpired:
        _say("stop it with make down")
        return 0


def turn_output_to(log: Path) -> None:
    """From now on this process writes to a log file, and whoever read its output sees the end of it."""
    log.parent.mkdir(parents=True, exist_ok=True)
    rotate(log)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(descriptor, stream.fileno())
    os.close(descriptor)


def down(state: Path) -> None:
    """Stop the mesh of this state folder and return once it has stopped; nothing happens when none runs."""
    lock = StateLock(state)
    holder = lock.holder()
    if holder is None:
        _say("no mesh is running")
        return
    os.kill(holder, signal.SIGTERM)
    if not lock.wait_released(DOWN_SECONDS):
        raise CannotStart(f"The mesh (process {holder}) has not stopped within {DOWN_SECONDS} s: end it with kill -9")
    _say("stopped")


def _keep(mesh: Mesh) -> NoReturn:
    supervision = Supervision(mesh.parts, _say)
    supervision.start()
    try:
        while True:
            signal.pause()
    finally:
        supervision.stop()


def _interrupt(number: int, frame: FrameType | None) -> None:
    # Only the first one: a second Ctrl-C must not break the stopping off and leave half a mesh behind.
    for each in STOP_SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def _announce(step: str, seconds: float) -> None:
    print(f"{seconds:6.1f} s  {step}", flush=True)


def _say(line: str) -> None:
    print(f"          {line}", flush=True)


def _say_ready(mesh: Mesh, seconds: float) -> None:
    if mesh.ports.gateway in PORTS_BROWSERS_REFUSE:
        _say(
            f"browsers refuse to open port {mesh.ports.gateway}: for the web form, choose another FTE_PORT_OFFSET; "
            "REST and gRPC work"
        )
    print(
        f"\nReady after {seconds:.1f} s: {mesh.url}\n"
        f"Logs are in {mesh.state / 'logs'}. A question to try:\n\n"
        f"  curl -s {mesh.url}/api/v1/support/form -H 'content-type: application/json' -d {shlex.quote(QUESTION)}\n"
    )
    for provider, address in mesh.providers.simulated.items():
        print(f"{provider} is simulated: {address}/_control/ (simulators/README.md)")
    print("One question on each channel, and the answers: make demo\n", flush=True)
