"""The checked-in Python is what the contracts say today."""

import filecmp
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("buf.yaml", "buf.gen.yaml", "Makefile", "protos", "contracts")


def files(folder: Path) -> dict[str, Path]:
    return {
        str(path.relative_to(folder)): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what generation reads, with nothing generated in it."""
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path / name)
    (tmp_path / ".build").mkdir()
    (tmp_path / ".build" / "third_party").symlink_to(ROOT / ".build" / "third_party")
    for path in (tmp_path / "contracts" / "src").rglob("*"):
        if path.is_file() and ("_pb2" in path.name or path.suffix == ".binpb"):
            path.unlink()
    return tmp_path


def test_generating_again_changes_nothing(checkout: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    commands = _recipe("generate")
    for command in commands:
        subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command], cwd=checkout, env=environment, check=True, capture_output=True
        )
    kept, made = files(ROOT / "contracts" / "src"), files(checkout / "contracts" / "src")
    assert made.keys() == kept.keys()
    different = [name for name in kept if not filecmp.cmp(kept[name], made[name], shallow=False)]
    assert different == [], "run make generate and commit what it writes"


def _recipe(target: str) -> list[str]:
    """The commands that make would run for the target alone, as make itself prints them."""
    printed = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "--always-make", "-o", ".venv/.installed", target],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    commands = [line for line in printed.stdout.splitlines() if not line.startswith(("#", "@#"))]
    start = next(i for i, line in enumerate(commands) if "buf generate" in line)
    interpreter = str(Path(sys.executable).parent)
    return [command.replace(".venv/bin", interpreter) for command in commands[start:]]
