"""An installable package with a backend: card, network or module, tests, README, license."""

from __future__ import annotations

import json
import keyword
import re
import sys
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from panda.errors import PandaError
from panda.files.ownership import replacing

if TYPE_CHECKING:
    from panda.scaffold.module import Plan

SIZE = 64, 64
"""Height and width of a backend's images where no module says them."""

WHAT = "new backend"

KINDS = {
    "gan": "a network of your own that resumes without computing anything twice",
    "vae": "a decoder, stopped and resumed by its submodules",
    "diffusers": "a pipeline of diffusers, in a folder or on Hugging Face",
    "module": "a module that is there, named by --module",
}
"""What each kind of backend is."""

OWN = {"parts", "plugins"}
"""Names whose package would take the place of PandA's own, panda-parts and panda_plugins."""

FIRST_LAYERS = {"gan": "16.conv", "vae": "blocks.16", "diffusers": "mid@1"}
"""The layer in the README's example."""


def write_package(folder: Path, name: str, kind: str, plan: Plan | None = None) -> list[str]:
    """Write the package, whose backend passes every check as it is.

    Args:
        folder: Where it goes; it replaces only what it wrote itself.
        name: The backend's name, such as ``my-gan``; the package is ``panda-my-gan``.
        kind: One of `KINDS`.
        plan: For ``module``, how it is put behind the contract.

    Returns:
        What is left to fill in: each line with its file.

    Raises:
        PandaError: For a name that no package can have, and a folder of the user's own.
    """
    check_name(name)
    values = _values(name, kind, plan)
    package = values["package"]
    cards = kind if kind == "diffusers" else "common"  # its generator takes options
    targets = {
        "pyproject.toml": "common/pyproject.toml",
        "README.md": "common/README.md",
        "LICENSE": "common/LICENSE",
        "tests/test_backend.py": "common/test_backend.py",
        f"{package}/__init__.py": f"{cards}/__init__.py",
        f"{package}/backend.py": f"{kind}/backend.py",
    }
    texts = {target: _filled(template, values) for target, template in targets.items()}
    left = _left(texts)
    values["to_fill_in"] = "\n".join(f"- `{place}`: {what}" for place, what in left)
    texts["README.md"] = _filled("common/README.md", values)
    with replacing(folder, WHAT) as work:
        for target, text in texts.items():
            path = work / target
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return [f"{place}: {what}" for place, what in left]


def check_name(name: str) -> None:
    """Raise `PandaError` for a name that no package can have, or that is taken."""
    from panda.generators.registry import list_generators, plugins

    words = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"
    if not re.fullmatch(words, name) or keyword.iskeyword(name):
        raise PandaError(f"{name!r} is no name of a backend; take lowercase words, such as my-gan")
    if name in {plugin.name for plugin in plugins()} | set(list_generators()) | OWN:
        raise PandaError(f"{name!r} is taken; panda plugins lists the names that are")


def package_of(name: str) -> str:
    """Return the name by which Python imports a backend."""
    return f"panda_{name.replace('-', '_')}"


def generator_of(name: str, plan: Plan | None) -> str:
    """Return the name of a backend's generator."""
    height, width = plan.size if plan else SIZE
    return f"{name}-random-{height}" + (f"x{width}" if width != height else "")


def _values(name: str, kind: str, plan: Plan | None) -> dict[str, str]:
    """Return what the templates leave open."""
    size = plan.size if plan else SIZE
    values = {
        "name": name,
        "package": package_of(name),
        "title": "".join(word.capitalize() for word in name.split("-")),
        "generator": generator_of(name, plan),
        "size": str(size[0] if size[0] == size[1] else size),
        "layer": FIRST_LAYERS.get(kind, ""),
        "more": "",
        "extra": "[diffusers]" if kind == "diffusers" else "",
        "to_fill_in": "",
    }
    if plan:
        values["module"], values["attribute"] = plan.module, plan.attribute
        values["target"] = f"{plan.module}:{plan.attribute}"
        values["latent"] = str(plan.latent)
        values["noise"] = ", fixed_noise=True" if plan.noisy else ""
        values["layers"] = "\n".join(f"    {json.dumps(layer)}," for layer in plan.layers)
        values["layer"] = plan.layers[len(plan.layers) // 2]
        if plan.channels != 3:
            values["more"] = f"\n            channels={plan.channels},"
    return values


def _filled(template: str, values: Mapping[str, str]) -> str:
    text = (files(__package__) / "templates" / f"{template}.txt").read_text(encoding="utf-8")
    return Template(text).substitute(values)


def _left(texts: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return file and line of each place to fill in, and what it asks for."""
    found = []
    for target, text in texts.items():
        for number, line in enumerate(text.splitlines(), 1):
            if "FILL IN: " in line:
                what = line.partition("FILL IN: ")[2].rstrip('",').removesuffix('"""').rstrip(".")
                found.append((f"{target}:{number}", what))
    return found


def pip_command(folder: Path) -> list[str]:
    """Return the command that installs a package so that changes of its files count at once."""
    path = str(folder.absolute())  # pip takes a bare name for that of a package on its index
    return [sys.executable, "-m", "pip", "install", "--no-input", "--quiet", "--editable", path]
