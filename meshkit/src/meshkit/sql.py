"""Named queries from a package's `store.sql`, each with a comment saying what it answers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import resources

_NAME = re.compile(r"^--\s*name:\s*(?P<name>.*?)\s*$")
_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]*")
# What may hold a semicolon without ending a statement: quoted text, quoted names, dollar quotes, comments.
_OPAQUE = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(?P<tag>[A-Za-z_]*)\$.*?\$(?P=tag)\$|--[^\n]*|/\*.*?\*/", re.DOTALL
)


class QueryFileError(Exception):
    """A query file breaks a rule; the text names the file, the query, the rule and the mend."""


class Queries(Mapping[str, str]):
    """The statements of one file by name: `queries.find_ticket` or `queries["find_ticket"]`."""

    def __init__(self, origin: str, statements: Mapping[str, str], answers: Mapping[str, str]) -> None:
        self._origin = origin
        self._statements = dict(statements)
        self.answers = dict(answers)
        """What each query answers, in the words of its comment."""

    def __getitem__(self, name: str) -> str:
        try:
            return self._statements[name]
        except KeyError:
            known = ", ".join(sorted(self._statements)) or "none"
            raise QueryFileError(f"{self._origin} has no query named {name!r}; it has: {known}") from None

    def __getattr__(self, name: str) -> str:
        # Python and its tools probe for underscored names and expect AttributeError.
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name]

    def __contains__(self, name: object) -> bool:
        return name in self._statements

    def __iter__(self) -> Iterator[str]:
        return iter(self._statements)

    def __len__(self) -> int:
        return len(self._statements)


def load(package: str, resource: str = "store.sql") -> Queries:
    """The queries of a file inside an importable package.

    Form: `-- name: find_ticket`, then one or more comment lines saying what it answers, then one statement.
    Errors: `QueryFileError` for a missing file, a name given twice or malformed, a query without its comment,
    and anything but exactly one statement.
    """
    origin = f"{package}/{resource}"
    try:
        text = resources.files(package).joinpath(resource).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise QueryFileError(f"{origin} does not exist; create it inside the package") from error
    return parse(text, origin=origin)


def parse(text: str, *, origin: str) -> Queries:
    """The queries in this text; `origin` names it in errors. Same rules and errors as `load`."""
    statements_by_name: dict[str, str] = {}
    answers: dict[str, str] = {}
    for name, lines in _sections(text, origin):
        if not _IDENTIFIER.fullmatch(name):
            raise QueryFileError(f"{origin}: {name!r} is not a query name; use lower-case words joined by underscores")
        if name in statements_by_name:
            raise QueryFileError(f"{origin}: {name} is defined twice; give one of them another name")
        comment, body = _split_comment(lines)
        if not comment:
            raise QueryFileError(f"{origin}: {name} has no comment; say under its name what it answers")
        found = statements("\n".join(body))
        if len(found) != 1:
            raise QueryFileError(f"{origin}: {name} holds {len(found)} statements; write exactly one for each name")
        statements_by_name[name] = found[0]
        answers[name] = " ".join(comment)
    return Queries(origin, statements_by_name, answers)


def statements(text: str) -> list[str]:
    """The statements of a script, without their closing semicolons; text that is only comments yields none."""
    masked = _OPAQUE.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)
    found = []
    start = 0
    for end in [*(match.start() for match in re.finditer(";", masked)), len(text)]:
        if _OPAQUE_COMMENT.sub("", text[start:end]).strip():
            found.append(text[start:end].strip())
        start = end + 1
    return found


_OPAQUE_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)


def _sections(text: str, origin: str) -> Iterator[tuple[str, list[str]]]:
    name: str | None = None
    lines: list[str] = []
    for line in text.splitlines():
        match = _NAME.match(line)
        if match:
            if name is not None:
                yield name, lines
            name, lines = match["name"], []
        elif name is not None:
            lines.append(line)
        elif line.strip() and not line.startswith("--"):
            raise QueryFileError(f"{origin}: a statement stands before the first `-- name:` line; name it")
    if name is not None:
        yield name, lines


def _split_comment(lines: list[str]) -> tuple[list[str], list[str]]:
    comment: list[str] = []
    for index, line in enumerate(lines):
        if not line.startswith("--"):
            return comment, lines[index:]
        said = line.removeprefix("--").strip()
        if said:
            comment.append(said)
    return comment, []
