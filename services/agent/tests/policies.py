"""Policies for tests, made from the packaged one."""

from __future__ import annotations

import re

from agent.thinking import rules

PACKAGED = rules.load()


def policy_with(version: str, word: str = "", reason: str = "LEGAL") -> str:
    """The packaged policy as another version; with a word, one more rule of the highest rank that this word meets."""
    content = re.sub(r'^version = ".*"$', f'version = "{version}"', PACKAGED.content, count=1, flags=re.MULTILINE)
    if not word:
        return content
    lines = ["[[rules]]", f'name = "about_{word}"', f'reason = "{reason}"', 'priority = "LOW"']
    lines += ["[rules.patterns]", f"en = ['{word}']", "", ""]
    return content.replace("[[rules]]", "\n".join(lines) + "[[rules]]", 1)


def policy_without_rules(version: str, *names: str) -> str:
    """The packaged policy as another version, without some of its rules."""
    content = policy_with(version)
    for name in names:
        start = content.index(f'[[rules]]\nname = "{name}"')
        ends = [place for mark in ("[[rules]]", "[words.") if (place := content.find(mark, start + 1)) > 0]
        content = content[:start] + content[min(ends) :]
    return content
