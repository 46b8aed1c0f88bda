"""The documents say what is so: their links lead to files, and what they name stands there.

In these documents a link's text in code type names what is meant in the file: a symbol (`Case.said`), a query of a
`.sql` file, a message or RPC of a `.proto`; or the file itself, by its path or the end of it. A code span that looks
like a path must be one, seen from the checkout, the document's folder, or the package whose README it is.
"""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for pattern in ("README.md", "ARCHITECTURE.md", "docs/**/*.md", "*/README.md", "services/*/README.md")
    for page in ROOT.glob(pattern)
)
OPERATING = ROOT / "docs" / "operating.md"
SERVICES = ("identity", "tickets", "knowledge", "agent", "channels")
POSTGRES_NAMES = {"pg_stat_activity", "query_start", "wait_event"}

_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<target>[^)\s#]*)(?:#(?P<anchor>[^)\s]*))?\)")
_SPAN = re.compile(r"`([^`]+)`")
_PATH = re.compile(r"[\w.{}*/-]+/[\w.*-]+\.(py|sql|proto|md|toml|json|sh|tsx?)")
_METRIC = re.compile(r"(?P<name>[a-z]+(?:_[a-z]+)+)(?:\{.*\})?")
_EVENT = re.compile(r"[a-z]+\.[a-z_]+")


def prose(page: Path) -> str:
    return _FENCE.sub("", page.read_text())


def links(page: Path) -> list[tuple[str, str, str]]:
    """Text, path and anchor of every relative link."""
    found = _LINK.finditer(prose(page))
    return [
        (link["text"], link["target"], link["anchor"] or "") for link in found if not re.match(r"\w+:", link["target"])
    ]


_NAMED = {
    ".sql": re.compile(r"^-- name: (\w+)", re.MULTILINE),
    ".proto": re.compile(r"^\s*(?:message|service|rpc|enum) (\w+)", re.MULTILINE),
    ".ts": re.compile(r"^export (?:async )?(?:function|const|class|interface|type) (\w+)", re.MULTILINE),
}


@cache
def symbols(file: Path) -> frozenset[str]:
    """Everything in a file that a document may name."""
    text = file.read_text()
    if file.suffix == ".py":
        return frozenset(_python_names(ast.parse(text).body, ""))
    return frozenset(_NAMED[file.suffix.removesuffix("x")].findall(text))


def _python_names(body: list[ast.stmt], prefix: str) -> set[str]:
    names: set[str] = set()
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(prefix + node.name)
            names |= _python_names(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {prefix + target.id for target in targets if isinstance(target, ast.Name)}
    return names


def headings(page: Path) -> set[str]:
    found = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for text, target, anchor in links(page):
        file = (page.parent / target).resolve() if target else page
        if not file.exists() or (anchor and anchor not in headings(file)):
            broken.append(f"[{text}]({target}{'#' if anchor else ''}{anchor})")
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_symbol_stands_in_the_file_that_its_link_leads_to(page: Path) -> None:
    missing = []
    for text, target, _ in links(page):
        file = (page.parent / target).resolve()
        for name in _SPAN.findall(text):
            if file.is_file() and not str(file).endswith(f"/{name}") and name not in symbols(file):
                missing.append(f"{name} in {target}")
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_in_code_type_is_one(page: Path) -> None:
    source = page.parent / "src" / page.parent.name
    missing = [
        name
        for name in _SPAN.findall(prose(page))
        if _PATH.fullmatch(name) and not any(list(folder.glob(name)) for folder in (ROOT, page.parent, source))
    ]
    assert missing == []


def test_an_operator_is_told_to_look_for_what_there_is() -> None:
    folders = ("protos", "meshkit/src", "gateway/src", "local/src", *(f"services/{name}/src" for name in SERVICES))
    sources = [
        path.read_text()
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".proto", ".py", ".sql"}
    ]
    words = {word for text in sources for word in re.findall(r"\w+", text)}
    events = {event for text in sources for event in re.findall(r'"([a-z]+\.[a-z_]+)"', text)}
    page = OPERATING.read_text()
    # Metrics and columns; a command may name but the beginning.
    named = set(re.findall(r"(?<![\w.$])[a-z]+(?:_[a-z]+)+", page)) - POSTGRES_NAMES
    assert {name for name in named if not any(word.startswith(name) for word in words)} == set()
    # Reasons, endings and states, which the contract spells with a prefix, and settings, which the code spells small.
    named = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", page))
    assert {name for name in named if not any(word.endswith((name, name.lower())) for word in words)} == set()
    named = set(re.findall(r"\b(?:consumer|event|relay|service|timer)\.[a-z_]+(?!\w*\[)", page))
    # Whoever leads says so under its own name.
    of_any_name = {ending for text in sources for ending in re.findall(r'f"\{[a-z_.]+\}\.([a-z_]+)"', text)}
    assert {name for name in named - events if name.partition(".")[2] not in of_any_name} == set()
