"""``panda doctor``: versions, devices, cache and plugins on one page, for a bug report."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from panda.checkpoints.seal import Integrity, integrity
from panda.cli.options import Parser, Verbs, add_json, add_verb
from panda.cli.output import print_json, say
from panda.errors import MachineError, PandaWarning
from panda.files.cache import home
from panda.files.writing import staging
from panda.generators.registry import plugins

PACKAGES = (
    *("panda-parts", "torch", "numpy", "scipy", "pluggy", "safetensors", "pillow", "tqdm"),
    *("timm", "torchvision"),
)


def add(verbs: Verbs[Parser]) -> None:
    """Add the verb."""
    verb = add_verb(
        verbs,
        "doctor",
        run,
        "show versions, devices, cache and plugins on one page",
        "Show versions, devices, the cache and plugins on one page, for a bug report; of what is"
        " secret it holds paths alone. The exit status is 1 where something is damaged or broken.",
        "panda doctor",
    )
    add_json(verb)


def run(options: argparse.Namespace) -> int:
    """Print one page; return 1 where something is damaged or broken."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PandaWarning)
        brought = plugins()
    report: dict[str, Any] = {
        "versions": _versions(),
        "devices": _devices(),
        "settings": {name: value for name, value in os.environ.items() if _is_ours(name)},
        "cache": _cache(),
        "plugins": {
            plugin.name: plugin.error
            or f"works, {plugin.distribution} {plugin.version}, {len(plugin.cards)} generators"
            for plugin in brought
        },
        "warnings": [str(warning.message) for warning in caught],
    }
    problems = [f"plugin {plugin.name}: {plugin.error}" for plugin in brought if plugin.error]
    problems += [
        f"{name} is {state}; delete it to have it made again"
        for name, state in report["cache"]["files"].items()
        if state.startswith(Integrity.DAMAGED)
    ]
    if report["cache"]["writable"] != "yes":
        problems.append(f"the cache cannot be written: {report['cache']['writable']}")
    report["problems"] = problems
    if options.json:
        print_json(report)
    else:
        say(*_page(report))
    return 1 if problems else 0


def _versions() -> dict[str, str]:
    versions = {"python": sys.version.split()[0], "system": platform.platform()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def _devices() -> dict[str, str]:
    try:
        import torch
    except Exception as error:  # a broken installation belongs on the page
        return {"torch": f"cannot be imported: {type(error).__name__}: {error}"}
    cores, threads = os.cpu_count(), torch.get_num_threads()
    devices = {
        "torch": torch.__version__,  # which says for what it was built, as its package need not
        "cpu": f"{cores} cores, {threads} threads used ({platform.machine()})",
    }
    for index in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(index)
        devices[f"cuda:{index}"] = f"{facts.name}, {facts.total_memory / 2**30:.0f} GiB"
    return devices


def _cache() -> dict[str, Any]:
    folder = home()
    writable = "yes"
    try:
        with staging(folder / "doctor") as probe:
            probe.write_bytes(b"x" * 4096)
        (folder / "doctor").unlink()
    except (MachineError, OSError) as error:
        writable = str(error)
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    kinds = ("generators/*", "models/*", "factors/*/*/*.safetensors")
    files = sorted(path for kind in kinds for path in folder.glob(kind))
    parts = sorted(path for path in folder.glob("downloads/*/*") if path.suffix != ".json")
    return {
        "folder": str(folder),
        "writable": writable,
        "free": f"{shutil.disk_usage(existing).free / 2**30:.1f} GiB",
        "files": {str(path.relative_to(folder)): _health(path) for path in files},
        "unfinished downloads": {
            str(path.relative_to(folder)): f"{path.stat().st_size} bytes" for path in parts
        },
    }


def _health(path: Path) -> str:
    return f"{integrity(path)}, {path.stat().st_size / 1e6:.1f} MB"


def _is_ours(name: str) -> bool:
    return name.startswith("PANDA_") or name in ("XDG_CACHE_HOME", "OMP_NUM_THREADS")


def _page(report: dict[str, Any]) -> list[str]:
    lines = []
    for title, content in report.items():
        lines.append(f"{title}:{'' if content else ' none'}")
        lines += _lines(content, "  ")
    return lines


def _lines(content: Any, indent: str) -> list[str]:
    if isinstance(content, list):
        return [f"{indent}{item}" for item in content]
    lines = []
    for name, value in content.items():
        if isinstance(value, dict):
            lines.append(f"{indent}{name}:{'' if value else ' none'}")
            lines += _lines(value, indent + "  ")
        else:
            lines.append(f"{indent}{name}: {value}")
    return lines
