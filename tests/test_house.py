"""Rules of the house that a reader relies on."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CORE = sorted((ROOT / "panda").rglob("*.py"))

# A module may import modules of its own rank or of a lower one.
RANKS = [
    {"environment", "errors", "progress", "seeds", "processes", "threads"},
    {"generator", "latent_spaces"},
    {"zoo", "checkpoints", "images", "edit_zoo"},
    {
        "background",
        "features",
        "statistics",
        "basis",
        "samples",
        "moments",
        "resume",
        "registry",
        "factors",
    }
    | {"hookspecs", "scores"},
    {"solvers"},
    {"edit", "localize", "remove"},
    {"factorize", "metrics", "kept"},
    {"methods", "inversion"},
    {"report", "testing"},
    {"demo", "benchmark", "naming"},
    {"discover", "comparison"},
    {"studio"},
    {"cli", "__main__"},
]


def imported(path: Path) -> set[str]:
    """The panda modules and other packages that a file imports anywhere."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def rank(module: str) -> int:
    return next(index for index, names in enumerate(RANKS) if module in names)


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path):
    own = path.relative_to(ROOT / "panda").parts[0].removesuffix(".py")
    for name in imported(path):
        assert not name.startswith("panda_plugins")
        first, _, rest = name.partition(".")
        module = rest.split(".")[0]
        if first == "panda" and own != "__init__" and any(module in names for names in RANKS):
            assert rank(module) <= rank(own), f"{own} imports {module}"


def test_every_core_module_has_a_rank():
    for path in CORE:
        own = path.relative_to(ROOT / "panda").parts[0].removesuffix(".py")
        assert own == "__init__" or rank(own) >= 0


def test_the_core_names_no_architecture():
    architectures = r"stylegan|progan|proggan|biggan"
    allowed = {
        "cli/parser.py",  # an example
        "cli/demo.py",  # the names of its generators
        "generator.py",  # whose layers have margins
        "registry.py",  # an example
        "checkpoints/nvidia_pytorch.py",  # whose files these containers are
        "checkpoints/nvidia_tensorflow.py",
    }
    for path in CORE:
        if str(path.relative_to(ROOT / "panda")) not in allowed:
            assert not re.search(architectures, path.read_text(), re.IGNORECASE), path


def test_public_names_resolve():
    import panda

    for name in panda.__all__:
        assert getattr(panda, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = panda.nothing
