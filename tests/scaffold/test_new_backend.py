"""`panda new-backend` writes packages whose backends keep the contract as they are."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from backend_checks import conform
from snippets import ROOT

from panda import PandaError
from panda.cli import main
from panda.cli import new_backend as verb
from panda.scaffold.module import plan_of
from panda.scaffold.package import KINDS, pip_command, write_package

EXAMPLES = ROOT / "examples"

NETS = """
    import torch
    from torch import nn

    class Decoder(nn.Module):
        def __init__(self, sides=(1, 1), colors=3):
            super().__init__()
            up = nn.ConvTranspose2d(12, 8, 4), nn.ReLU(True), nn.Upsample(scale_factor=sides)
            self.main = nn.Sequential(*up, nn.Conv2d(8, 8, 3, 1, 1), nn.ReLU(True))
            self.out = nn.Sequential(nn.Upsample(scale_factor=4), nn.Conv2d(8, colors, 3, 1, 1))

        def forward(self, z):
            return self.out(self.main(z)).tanh()

    class Tall(Decoder):
        def __init__(self):
            super().__init__((3, 2), 1)

    class Noisy(Decoder):
        def forward(self, z):
            x = self.main(z)
            return self.out(x + 0.1 * torch.randn_like(x)).tanh()

    class Flat(nn.Sequential):
        def __init__(self):
            super().__init__(nn.Linear(6, 48), nn.Tanh(), nn.Unflatten(1, (3, 4, 4)))

    class Needy(nn.Module):
        def __init__(self, width):
            super().__init__()

    class Bare(nn.Module):
        def forward(self, z):
            return z

    class Quoted(nn.ModuleDict):
        def __init__(self):
            print("made")
            super().__init__({'the "net"': Decoder()})

        def forward(self, z):
            return self['the "net"'](z)

    class Leaving(Decoder):
        def forward(self, z):
            raise SystemExit(4)

    def leaves():
        raise SystemExit("no weights")

    ready = Decoder()

    def text():
        return "no module"
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder with modules of the user's, forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mynets.py").write_text(textwrap.dedent(NETS))
    (tmp_path / "leaving.py").write_text("raise SystemExit(3)")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith(("panda_mine", "mynets")):
            del sys.modules[name]


def backend(folder, monkeypatch):
    monkeypatch.syspath_prepend(str(folder))
    return importlib.import_module("panda_mine.backend")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "module"])
def test_every_kind_passes_the_kit_as_it_is(kind, here, monkeypatch):
    if kind == "diffusers":
        pytest.importorskip("diffusers")
    write_package(here / "new", "mine", kind)
    backend(here / "new", monkeypatch)
    conform(importlib.import_module("panda_mine").load)


@pytest.mark.parametrize("name", ["Decoder", "Tall", "Noisy"])
def test_a_module_that_is_called_plainly_passes_the_kit(name, here, monkeypatch, capsys):
    assert main(["new-backend", "mine", "--module", f"mynets:{name}"]) == 0
    said = capsys.readouterr().err
    module = backend(here / "panda-mine", monkeypatch)
    conform(module.load)
    plan = plan_of(f"mynets:{name}")
    assert plan.latent == (12, 1, 1) and list(plan.layers) == module.LAYERS
    card = importlib.import_module("panda_mine").panda_generators()
    ((listed, card),) = card.items()
    assert said.rstrip().endswith(f"; next: panda check {listed}")
    shape = ((16, 16), 3) if name != "Tall" else ((48, 32), 1)
    assert (card.size, card.channels) == shape


def test_a_module_that_only_the_current_folder_has_is_told(here, monkeypatch, capsys):
    words = "mynets is imported from the current folder, where installed programs do not look"
    assert main(["new-backend", "mine", "--module", "mynets:Decoder"]) == 0
    assert words not in capsys.readouterr().err  # the folder is on the path
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path != str(here)])
    sys.modules.pop("mynets")
    assert main(["new-backend", "mine", "--module", "mynets:Decoder"]) == 0
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "words"),
    {
        "tiny-vae": ["--kind", "vae"],
        "tiny-pipeline": ["--kind", "diffusers"],
        "tiny-module": ["--module", "tiny_decoder:Decoder"],
    }.items(),
)
def test_the_examples_are_what_is_written(name, words, here, monkeypatch):
    """``cd examples && panda new-backend NAME WORDS`` writes them again."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    assert main(["new-backend", name, *words, "--out", "new"]) == 0
    example = EXAMPLES / f"panda-{name}"
    files = {path.relative_to(here / "new") for path in (here / "new").rglob("*.*")}
    assert len(files) >= 6
    for file in files | {Path("LICENSE")}:
        assert (example / file).read_bytes() == (here / "new" / file).read_bytes(), file


def test_the_example_of_a_module_passes_the_kit(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.syspath_prepend(str(EXAMPLES / "panda-tiny-module"))
    conform(importlib.import_module("panda_tiny_module").load)


def test_what_a_module_prints_is_not_in_the_json_and_its_layers_may_have_any_name(
    here, monkeypatch, capsys
):
    assert main(["new-backend", "mine", "--module", "mynets:Quoted", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["package"] == "panda_mine"
    assert backend(here / "panda-mine", monkeypatch).LAYERS[0] == 'the "net".main'


def test_the_plan_of_a_module_has_the_last_submodule_of_each_size(here):
    assert plan_of("mynets:Decoder").layers == ("main", "out.0")
    assert plan_of("mynets:Tall").layers == ("main.1", "main", "out.0")


def test_what_is_left_to_fill_in_is_told_with_its_line(here, capsys):
    assert main(["new-backend", "mine", "--out", "new"]) == 0
    told = capsys.readouterr().out
    places = re.findall(r"^  (\S+):(\d+): (.+)$", told, flags=re.MULTILINE)
    assert len(places) == 6
    readme = (here / "new" / "README.md").read_text()
    for file, line, what in places:
        assert what in (here / "new" / file).read_text().splitlines()[int(line) - 1]
        assert f"`{file}:{line}`" in readme


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_formatted_and_has_no_mistakes(kind, here):
    plan = plan_of("mynets:Decoder") if kind == "module" else None
    write_package(here / "new", "mine", kind, plan)
    for command in (["format", "--diff"], ["check", "--select", "E,F,B"]):
        options = ["--isolated", "--line-length", "100"]
        ruff = [sys.executable, "-m", "ruff", *command, *options, "new"]
        done = subprocess.run(ruff, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_package_installs_and_its_own_tests_pass(here, monkeypatch):
    site = here / "site"
    pip = [sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--quiet"]
    pip += ["--no-build-isolation", "--disable-pip-version-check", "--target", str(site)]
    monkeypatch.setattr(verb, "pip_command", lambda folder: [*pip, pip_command(folder)[-1]])
    assert main(["new-backend", "mine", "--kind", "vae", "--install"]) == 0
    monkeypatch.setenv("PYTHONPATH", str(site))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "panda-mine/tests"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_package_that_pip_refuses_is_written_and_said(here, monkeypatch, capsys):
    failing = [sys.executable, "-c", "raise SystemExit('ERROR: no index')"]
    monkeypatch.setattr(verb, "pip_command", lambda folder: failing)
    assert main(["new-backend", "mine", "--install"]) == 2
    assert "was written, but pip could not install it: ERROR: no index" in capsys.readouterr().err


def test_a_folder_with_changes_of_the_users_is_not_replaced(here, capsys):
    assert main(["new-backend", "mine"]) == 0
    assert main(["new-backend", "mine", "--kind", "vae"]) == 0
    with (here / "panda-mine" / "panda_mine" / "backend.py").open("a") as file:
        file.write("# mine\n")
    assert main(["new-backend", "mine"]) == 2
    assert "backend.py" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["My_Gan"], "is no name of a backend"),
        (["class"], "is no name of a backend"),
        (["stylegan2"], "is taken"),
        (["parts"], "is taken"),
        (["plugins"], "is taken"),
        (["mine", "--kind", "module"], "go together"),
        (["mine", "--kind", "vae", "--module", "mynets:Decoder"], "go together"),
        (["mine", "--latent", "3"], "give that too"),
        (["mine", "--latent", "3,x"], "is no shape"),
        (["mine", "--module", "mynets"], "is no module and class"),
        (["mine", "--module", "nowhere:Decoder"], "nowhere cannot be imported"),
        (["mine", "--module", "mynets:Decodr"], "did you mean 'Decoder'"),
        (["mine", "--module", "mynets:Needy"], "cannot be called without arguments"),
        (["mine", "--module", "mynets:Bare"], "give it with --latent"),
        (
            ["mine", "--module", "mynets:leaves"],
            "cannot be called without arguments (SystemExit: no",
        ),
        (["mine", "--module", "mynets:Leaving"], "does not run on latents"),
        (["mine", "--module", "leaving:Decoder"], "leaving cannot be imported: SystemExit: 3"),
        (["mine", "--module", "mynets:Flat"], "no submodule that runs once"),
        (["mine", "--module", "mynets:ready"], "name the class, or a function"),
        (["mine", "--module", "mynets:text"], "makes a str, no torch.nn.Module"),
        (["mine", "--module", "mynets:Decoder", "--latent", "5,1,1"], "does not run on latents"),
    ],
)
def test_wrong_use_is_one_sentence_and_writes_nothing(words, said, here, capsys):
    assert main_or_exit(["new-backend", *words]) == 2
    assert said in capsys.readouterr().err
    assert not list(here.glob("panda-*"))


def main_or_exit(words):
    try:
        return main(words)
    except SystemExit as error:
        return error.code


def test_a_name_that_no_package_can_have_is_refused_in_python(tmp_path):
    with pytest.raises(PandaError, match="is no name of a backend"):
        write_package(tmp_path / "new", "a--b", "gan")
