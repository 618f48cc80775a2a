"""Rules of the house that a reader relies on."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CORE = sorted((ROOT / "panda").rglob("*.py"))
SOURCES = [*CORE, *sorted((ROOT / "plugins").rglob("*.py"))]

# A room imports rooms of the floors below its own, and no other room of its own floor.
FLOORS = [
    {"errors", "environment"},
    {"notes", "progress", "shapes", "threads"},
    {"files"},
    {"checkpoints", "images"},
    {"report"},
    {"generators"},
    {"factorization", "weights"},
    {"metrics", "testing"},
    {"directions"},
    {"photographs"},
    {"inversion"},
    {"editing"},
    {"methods", "naming", "scaffold", "walks"},
    {"demo", "evaluation"},
    {"comparison", "studio"},
    {"cli"},
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
DOORS = {"__init__", "__main__"}
"""Modules of the top level that lead into the rooms and that no room imports."""


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


MODULES = {dotted(path): path for path in CORE}


def room(module: str) -> str:
    """The room of a dotted module; ``panda`` itself is a door."""
    return [*module.split("."), "__init__"][1]


def statements(node: ast.AST) -> list[ast.AST]:
    """All nodes below one but those that only a type checker reads."""
    found = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            found += [inner for part in child.orelse for inner in (part, *statements(part))]
        else:
            found += [child, *statements(child)]
    return found


def imported(path: Path) -> set[str]:
    """The modules that a file imports at run time, at its top or inside a function."""
    names = set()
    for node in statements(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func):
            names |= {n.value for n in node.args if isinstance(n, ast.Constant)}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports by dots"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            if inner == {"panda.__version__"}:  # all that the doors have for the rooms
                continue
            modules = inner & MODULES.keys()
            names |= modules if modules and len(modules) == len(inner) else modules | {node.module}
    return names


def inside(path: Path) -> set[str]:
    return imported(path) & MODULES.keys()


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_downstairs(path):
    own = room(dotted(path))
    for module in imported(path):
        assert not module.startswith("panda_plugins"), f"{own} imports {module}"
    for module in inside(path):
        other = room(module)
        if own not in DOORS and other != own:
            assert other not in DOORS, f"{own} imports {module}, whose names lead to every room"
            assert FLOOR[other] < FLOOR[own], f"{own} imports {other}, which is not below it"


def test_every_room_has_a_floor():
    assert {room(module) for module in MODULES} - DOORS == FLOOR.keys()


def test_no_module_imports_itself_by_way_of_others():
    below = {module: inside(path) - {module} for module, path in MODULES.items()}
    done: set[str] = set()
    path: list[str] = []

    def visit(module: str) -> None:
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module in done:
            return
        path.append(module)
        for other in sorted(below[module]):
            visit(other)
        path.pop()
        done.add(module)

    for module in sorted(below):
        visit(module)


def test_the_core_names_no_architecture():
    architectures = r"stylegan|progan|proggan|biggan"
    allowed = {
        "cli/demo.py",  # the names of its generators
        *(
            f"cli/{verb}.py"
            for verb in (
                *("benchmark/ablations", "benchmark/background", "benchmark/locality"),
                *("benchmark/parts", "catalog", "check", "fit", "invert", "presets", "walk"),
            )
        ),  # examples
        "generators/contract.py",  # whose layers have margins
        "generators/registry.py",  # an example
        "checkpoints/nvidia_pytorch.py",  # whose files these containers are
        "checkpoints/nvidia_tensorflow.py",
    }
    for path in CORE:
        if str(path.relative_to(ROOT / "panda")) not in allowed:
            assert not re.search(architectures, path.read_text(), re.IGNORECASE), path


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_text_files_are_utf_8_in_every_locale(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            named = {keyword.arg for keyword in node.keywords}
            text = node.func.attr in ("read_text", "write_text")
            assert not text or "encoding" in named, f"line {node.lineno}"


def test_public_names_resolve():
    import panda

    for name in panda.__all__:
        assert getattr(panda, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = panda.nothing
