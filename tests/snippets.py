"""Code blocks, commands and links of the documentation's pages."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parent.parent

PAGES = [
    path.relative_to(ROOT).as_posix()
    for folder in (ROOT, ROOT / "docs", ROOT / "third_party")
    for path in sorted(folder.glob("*.md"))
]


def blocks(page: str, language: str) -> list[str]:
    """Return the code blocks of a language, in their order."""
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


def commands(page: str) -> list[list[str]]:
    """Return the arguments of every call of ``panda`` in the shell blocks."""
    lines = "\n".join(blocks(page, "sh")).replace("\\\n", " ").replace("&&", "\n").splitlines()
    calls = [shlex.split(line, comments=True) for line in lines]
    return [words[1:] for words in calls if words[:1] == ["panda"]]


def links(page: str) -> list[str]:
    """Return the targets of the links outside of code."""
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(), flags=re.DOTALL)
    return re.findall(r"\]\(([^)]+)\)", text)
