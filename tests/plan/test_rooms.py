"""What import-linter cannot see: that every service has its rooms, and that no drawer for leftovers appears."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = ("identity", "tickets", "knowledge", "agent", "channels")
ROOMS = {"__init__", "__main__", "app", "settings", "api", "operations", "model", "errors", "store", "events", "wire"}
OPTIONAL_ROOMS = {"consumers", "clients", "thinking", "providers", "ranking"}
DRAWERS = {"utils", "util", "helpers", "helper", "manager", "data", "process", "common", "misc", "shared"}
LINES_MAX = 400


def tracked(*patterns: str) -> list[Path]:
    names = subprocess.run(["git", "ls-files", "--", *patterns], cwd=ROOT, check=True, capture_output=True, text=True)
    paths = (ROOT / name for name in names.stdout.splitlines())
    return [path for path in paths if path.exists()]


def generated(path: Path) -> bool:
    return path.name.endswith(("_pb2.py", "_pb2.pyi", "_pb2_grpc.py", "_pb2_grpc.pyi"))


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_every_room_and_no_other(service: str) -> None:
    package = ROOT / "services" / service / "src" / service
    found = {path.stem for path in package.glob("*.py")} | {path.parent.name for path in package.glob("*/__init__.py")}
    assert found >= ROOMS, f"{service} lacks {sorted(ROOMS - found)}"
    assert found <= ROOMS | OPTIONAL_ROOMS, f"{service} has rooms of its own: {sorted(found - ROOMS - OPTIONAL_ROOMS)}"
    assert (package / "store.sql").exists()
    assert list((package / "migrations").glob("0001_*.sql"))
    assert (package / "py.typed").exists()


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_says_what_it_is_for(service: str) -> None:
    home = ROOT / "services" / service
    assert (home / "src" / service / "__init__.py").read_text().startswith('"""')
    readme = (home / "README.md").read_text().splitlines()
    assert readme[0].startswith(f"# {service}")
    assert len(readme) <= 120, "a README of a service is one page"


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_tests_of_its_door_and_of_every_query(service: str) -> None:
    tests = list((ROOT / "services" / service / "tests").glob("test_*.py"))
    assert "test_api.py" in {path.name for path in tests}
    assert any("prepare_all(" in path.read_text() for path in tests), "no test prepares every query of store.sql"


@pytest.mark.parametrize("service", SERVICES)
def test_a_contract_has_its_four_files(service: str) -> None:
    files = {path.name for path in (ROOT / "protos" / "fte" / service / "v1").glob("*.proto")}
    assert {f"{service}_service.proto", f"{service}_events.proto", "error_reason.proto"} <= files
    assert len(files) == 4, f"one more file, for the resources: {sorted(files)}"


def test_no_folder_or_module_is_a_drawer_for_leftovers() -> None:
    drawers = [path for path in tracked("*.py") if DRAWERS & {*path.parent.relative_to(ROOT).parts, path.stem}]
    assert drawers == []


def test_no_file_grows_past_its_limit() -> None:
    written = [path for path in tracked("*.py", "*.ts", "*.tsx") if not generated(path)]
    long = {
        str(path.relative_to(ROOT)): lines
        for path in written
        if (lines := len(path.read_text().splitlines())) > LINES_MAX
    }
    assert long == {}


def test_only_settings_read_the_environment() -> None:
    # `settings.py` of each package, and what starts processes, which hands environments on.
    allowed = re.compile(r"/(settings|crashpoints)\.py$|^local/|/tests/|^tests/|^bench/|^conftest\.py$|^gateway/")
    readers = [
        str(path.relative_to(ROOT))
        for path in tracked("*.py")
        if re.search(r"\bos\.(environ|getenv)\b", path.read_text()) and not allowed.search(str(path.relative_to(ROOT)))
    ]
    assert readers == []


def test_a_silenced_rule_carries_its_reason() -> None:
    silenced = re.compile(r"#\s*(noqa|type:\s*ignore|pragma:\s*no cover)\b(\[[^\]]*\]|:[\sA-Z0-9,]*)?(?P<rest>.*)")
    bare = []
    for path in tracked("*.py"):
        if generated(path) or path == Path(__file__):
            continue
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            match = silenced.search(line)
            # The reason stands behind the rule, or as a comment on the line above.
            if match and not re.search(r"[-#]\s*\w", match["rest"]) and not lines[number - 1].lstrip().startswith("#"):
                bare.append(f"{path.relative_to(ROOT)}:{number + 1}")
    assert bare == []
