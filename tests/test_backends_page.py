"""The code of docs/backends.md runs, and its example is a package that pip installs."""

from __future__ import annotations

import json
import os
import random
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from backend_checks import conform
from snippets import ROOT, blocks
from torch import nn

from panda import PandaError
from panda.generators.torch_module import TorchModule
from panda.testing import CHECKS, check_generator

PAGE = "docs/backends.md"
EXAMPLE = ROOT / "examples" / "panda-upconv"


def test_the_python_snippets_run_from_top_to_bottom(capsys):
    namespace: dict[str, object] = {}
    for snippet in blocks(PAGE, "python"):
        if not snippet.startswith("# "):  # those are files
            exec(compile(snippet, PAGE, "exec"), namespace)
    assert "Layer(name='3', channels=16, height=8, width=8" in capsys.readouterr().out
    # The page has no network for the class with its own sample, so that it stays short.
    make = namespace["Conditional"]
    conform(lambda device, dtype: make(TwoInputs(), ["chain.1"], device=device, dtype=dtype))


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            grow = nn.ConvTranspose2d(16, 8, 4), nn.ReLU(), nn.ConvTranspose2d(8, 3, 4, 2, 1)
        self.chain = nn.Sequential(*grow, nn.Tanh())

    def forward(self, z, label):
        return self.chain(z + label.view(-1, 1, 1, 1))


def test_the_package_on_the_page_is_the_example():
    module = (EXAMPLE / "panda_upconv.py").read_text()
    assert f"# panda_upconv.py\n{module}" in blocks(PAGE, "python")
    assert (EXAMPLE / "pyproject.toml").read_text() in blocks(PAGE, "toml")
    assert sum(bool(line.strip()) for line in module.splitlines()) < 40


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the example installed into it by pip, and how to run something there."""
    folder = tmp_path_factory.mktemp("user")
    shutil.copytree(EXAMPLE, folder / "examples" / "panda-upconv")
    site = folder / "site"
    places = [str(site), os.environ.get("PYTHONPATH", "")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))}
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]

    def run(line: str) -> str:
        words = shlex.split(line)
        if words[0] == "pip":
            words += [*offline, "--target", str(site)]
        words = words[1:] if words[0] == "python" else ["-m", *words]
        process = subprocess.run(
            [sys.executable, *words], cwd=folder, env=env, capture_output=True, text=True
        )
        assert process.returncode == 0, f"{line}: {process.stdout}{process.stderr}"
        return process.stdout

    for snippet in blocks(PAGE, "python"):
        if snippet.startswith("# test_"):
            (folder / snippet.split()[1]).write_text(snippet)
    return folder, run


def test_the_shell_session_installs_the_example_and_finds_it(installed):
    folder, run = installed
    (session,) = blocks(PAGE, "sh")
    output = {line: run(line) for line in session.splitlines()}
    assert "upconv-random-64" in output["panda list"]
    assert "upconv  panda-upconv 1.0  upconv-random-64, UpConvGAN files" in output["panda plugins"]
    passed = len(CHECKS) - 1  # its card has no options
    assert f"{passed} passed" in output["python -m pytest test_backend.py"]
    assert (folder / "factors" / "config.json").is_file()


def test_the_examples_architecture_opens_files(installed, tmp_path):
    _, run = installed
    sys.path.insert(0, str(EXAMPLE))
    try:
        import panda_upconv

        torch.manual_seed(3)
        network = panda_upconv.network(12, 4)
        tensors = {f"main.{name}": tensor for name, tensor in network.state_dict().items()}
    finally:
        sys.path.remove(str(EXAMPLE))
    torch.save(tensors, tmp_path / "netG.pth")
    facts = json.loads(run(f"panda info {tmp_path / 'netG.pth'} --json"))
    assert (facts["architecture"], facts["size"]) == ("UpConvGAN", [64, 64])
    assert [layer["height"] for layer in facts["layers"]] == [4, 8, 16, 32]


@pytest.mark.parametrize("stream", ["global", "numpy", "python", "own"])
def test_random_draws_of_a_module_are_detected_where_the_page_says(stream):
    generator = torch.Generator().manual_seed(0)
    noise = {
        "global": lambda: torch.rand(()),
        "numpy": np.random.rand,
        "python": random.random,
        "own": lambda: torch.rand((), generator=generator),
    }[stream]

    class Noisy(nn.Sequential):
        def forward(self, z):
            return super().forward(z) * (0.5 + 0.5 * noise())

    def load(device, dtype):
        network = Noisy(nn.ConvTranspose2d(6, 3, 4), nn.ConvTranspose2d(3, 3, 4, 2, 1), nn.Tanh())
        return TorchModule(network, ["0"], latent=(6, 1, 1), device=device, dtype=dtype)

    if stream == "global":
        with pytest.raises(PandaError, match="draws random numbers in its forward pass"):
            check_generator(load)
    else:
        failed = [r.check for r in check_generator(load) if r.status == "failed"]
        assert failed == ["repeatable"]
