"""The commands behind the Makefile: `python -m local up | demo | down | clean`."""

import argparse
import errno
import os
import shutil
import sys
from pathlib import Path

from local.demo import demo
from local.errors import CannotStart
from local.lock import StateLock
from local.paths import state_directory
from local.ports import Ports, parse_offset
from local.up import down, turn_output_to, up, up_detached


def main() -> int:
    """Run one command; the exit code, 1 with one sentence on standard error when it could not be done."""
    parser = argparse.ArgumentParser(prog="local", description="The mesh on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    starting = commands.add_parser("up", help="start the mesh and keep it running")
    starting.add_argument("--detach", action="store_true", help="return once it answers")
    starting.add_argument("--background", type=Path, metavar="LOG", help=argparse.SUPPRESS)
    commands.add_parser("demo", help="ask the running mesh one question on each channel")
    commands.add_parser("down", help="stop the mesh")
    commands.add_parser("clean", help="stop the mesh and forget everything it kept")
    arguments = parser.parse_args()
    try:
        return _run(arguments)
    except CannotStart as error:
        print(error, file=sys.stderr)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        print("The disk is full: make room, or name a folder on another disk with FTE_STATE_DIR", file=sys.stderr)
    return 1


def _run(arguments: argparse.Namespace) -> int:
    offset = parse_offset(os.environ.get("FTE_PORT_OFFSET") or "0")
    state = state_directory(os.environ, offset)
    if arguments.command == "up" and arguments.detach:
        return up_detached(state)
    if arguments.command == "up":
        background: Path | None = arguments.background
        up(state, Ports.fixed(offset), os.environ, lambda: turn_output_to(background) if background else None)
        return 0
    if arguments.command == "demo":
        return demo(Ports.fixed(offset))
    down(state)
    if arguments.command == "clean":
        forget(state)
    return 0


def forget(state: Path) -> None:
    """Delete a mesh's state, and that of the shifted meshes whose folders lie in it.

    `CannotStart` when one of those runs: it was not asked to stop.
    """
    shifted = sorted(state.glob("offset-*"))
    for folder in shifted:
        if StateLock(folder).holder() is not None:
            offset = folder.name.removeprefix("offset-")
            raise CannotStart(f"A mesh is running in {folder}: stop it first with make down FTE_PORT_OFFSET={offset}")
    for folder in (state, *shifted):
        postgres = folder / "postgres"
        # Where PostgreSQL could not enter our folder, its data lies elsewhere and this is a link to it.
        if postgres.is_symlink():
            shutil.rmtree(postgres.resolve(), ignore_errors=True)
    shutil.rmtree(state, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
