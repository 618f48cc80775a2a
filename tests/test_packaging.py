"""The wheel and the sdist hold all that the project is made of."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from snippets import ROOT

SOURCES = ("panda", "plugins", "docs", "examples", "training", "benchmarks", "third_party")
LEFT_OUT = ("__pycache__", "*.egg-info", "build", "stylegan2-ada-pytorch")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A wheel and an sdist, built from a copy, so that nothing is written into the tree."""
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("dist")
    for name in SOURCES:
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns(*LEFT_OUT))
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, tree)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(tree)]
    subprocess.run(command, check=True, capture_output=True)
    return tree, next(out.glob("*.whl")), next(out.glob("*.tar.gz"))


def files(folder: Path, root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_wheel_holds_both_packages_and_nothing_else(built):
    tree, wheel, _ = built
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    expected = files(tree / "panda", tree) | files(
        tree / "plugins" / "panda_plugins", tree / "plugins"
    )
    assert names == {name for name in expected if ".egg-info" not in name}
    assert {"panda/py.typed", "panda_plugins/py.typed"} <= names


def test_the_wheel_names_the_license_of_code_and_of_weights(built):
    _, wheel, _ = built
    archive = zipfile.ZipFile(wheel)
    (metadata,) = (name for name in archive.namelist() if name.endswith("dist-info/METADATA"))
    text = archive.read(metadata).decode()
    assert "License-Expression: Apache-2.0 AND LicenseRef-FFHQ-derived-noncommercial\n" in text
    folder = metadata.removesuffix("METADATA")
    assert "mini-*.safetensors" in archive.read(f"{folder}licenses/NOTICE").decode()


def test_the_sdist_holds_docs_examples_and_training(built):
    tree, _, sdist = built
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for folder in ("panda", "plugins", "docs", "examples", "training", "benchmarks"):
        missing = {n for n in files(tree / folder, tree) - names if ".egg-info" not in n}
        assert not missing
    assert {"CHANGELOG.md", "CITATION.cff", "SECURITY.md", "third_party/README.md"} <= names
