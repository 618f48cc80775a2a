"""Everything that takes ``--device`` works on another device than the CPU, to the same result."""

from __future__ import annotations

import json

import pytest
import torch
from conftest import MINI
from glass import Panes
from golden_files import FOLDER

from panda import create_generator
from panda.cli import main
from panda.evaluation import locality
from panda.generators.registry import cards
from panda.metrics.face_mesh import FaceMesh, mesh_measures
from panda.metrics.face_networks import FaceNetworks
from panda.metrics.face_resnet import FaceResNet
from panda.metrics.face_shapes import shapes
from panda.metrics.identity import Identity
from panda.metrics.parsing import CLASSES

MINIS = [name for name in cards() if name.startswith("mini-")]

FILE = str(FOLDER / "stylegan2-genforce/checkpoint.pth")


@pytest.fixture(autouse=True)
def panes():
    with Panes():
        yield


@pytest.fixture(scope="module")
def factors(tmp_path_factory):
    folder = tmp_path_factory.mktemp("factors") / "faces"
    assert (
        main(["fit", MINI, "16.conv1", "--parts", "4", "--seeds", "0-39", "--out", str(folder)])
        == 0
    )
    return str(folder)


def outputs(folder):
    """Every file of a result but for its record, which may name device and time."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".json"
    }


def test_a_tensor_that_was_left_behind_is_found():
    there = torch.ones(3, device="glass")
    with pytest.raises(RuntimeError, match=r"shape \[3\] is on the CPU, others on glass"):
        there + torch.ones(3)
    with pytest.raises(RuntimeError, match="on the CPU"):
        torch.ones(3)[torch.tensor([0, 2], device="glass")]
    with pytest.raises(RuntimeError, match="on the CPU"):
        torch.stack([torch.tensor(1.0), there.sum()])
    assert (there + torch.tensor(1.0)).sum().item() == 6
    assert there[torch.tensor([0, 2])].cpu().tolist() == [1, 1]


@pytest.mark.parametrize("name", MINIS)
def test_images_are_those_of_the_cpu(name):
    images = []
    for device in ("cpu", "glass"):
        generator = create_generator(name, device=device)
        latents = generator.sample([3, 1])
        for layer in list(generator.layers)[::3]:
            images.append(generator.tail(generator.head(latents, layer), layer).cpu())
        assert generator.forward(latents).device.type == device
    half = len(images) // 2
    assert all(torch.equal(a, b) for a, b in zip(images[:half], images[half:], strict=True))


@pytest.mark.parametrize(
    "command",
    [
        f"fit {MINI} 16.conv1 --parts 4 --seeds 0-39",
        f"fit {MINI} 16.conv1 --parts 4 --seeds 0-9 --solver paper --steps 20",
        "parts FACTORS --seeds 0-1 --refine",
        "edit FACTORS --seeds 0-1 --edit 1:p0:3sd",
        "edit FACTORS --seeds 0-1 --edit 1:2:30 --refine",
        "refine FACTORS --seeds 0-1",
        "localize FACTORS --seeds 0-1 --appearance bg",
        "remove FACTORS --seeds 0-1",
        "walk FACTORS 3 7 --edit 1:p0:0..3sd --frames 3",
        "walk mini-proggan-faces-64 3 7 --frames 3",
    ],
)
def test_results_are_those_of_the_cpu(command, factors, tmp_path):
    words = command.replace("FACTORS", factors).split()
    for device in ("cpu", "glass"):
        assert main([*words, "--out", str(tmp_path / device), "--device", device]) == 0
    assert outputs(tmp_path / "cpu") == outputs(tmp_path / "glass") != {}


def test_names_are_those_of_the_cpu(factors, capsys):
    said = []
    for device in ("cpu", "glass"):
        assert main(["name", factors, "--no-faces", "--device", device]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1] != ""


def test_ablations_are_those_of_the_cpu(tmp_path, capsys):
    few = ["--parts", "3", "--samples", "6", "--appearances", "8", "--held-out", "2"]
    said = []
    for device in ("cpu", "glass"):
        out = ["--out", str(tmp_path / device), "--device", device]
        assert main(["benchmark", "ablations", FILE, "8.conv1", *few, "--steps", "5", *out]) == 0
        lines = capsys.readouterr().out.splitlines()
        said.append([line.rpartition("area")[0] for line in lines])
    assert said[0] == said[1] and len(said[0]) > 8


def test_every_method_is_measured_as_on_the_cpu(tmp_path, monkeypatch):
    def no_forward_mode(*arguments):
        raise NotImplementedError("forward AD")  # of tensors that are a class of their own

    monkeypatch.setattr(torch.func, "jvp", no_forward_mode)
    monkeypatch.setattr(locality, "LPIPS", lambda device: lambda a, b: (a - b).abs().mean(1))
    methods = [
        "panda:layers=8.conv1@3:samples=6:appearances=2",
        "stylespace:images=1:samples=5:probes=2:channels=2",
        "whole=stylespace:images=1:samples=5:channels=2",
        "resefa:images=1:pixels=16",
        "ganspace:samples=50:components=2",
        "sefa:components=2",
    ]
    words = ["benchmark", "locality", FILE, "--no-faces", "--n", "2", "--strength", "0.05"]
    words += ["--edits", "eyes", "--select", "1", "--shortlist", "1"]
    labels = [locality.label_of(method)[0] for method in methods]
    words += [word for method in methods for word in ("--method", method)]
    chosen = []
    for device in ("cpu", "glass"):
        assert main([*words, "--out", str(tmp_path / device), "--device", device]) == 0
        summary = json.loads((tmp_path / device / "results.json").read_text())["methods"]
        assert {facts["edits"]["eyes"]["n"] for facts in summary.values()} == {2}
        chosen.append([summary[m]["edits"]["eyes"]["chosen"] for m in labels])
    assert chosen[0] == chosen[1]


def test_faces_are_measured_where_they_are_parsed():
    parsed = torch.randint(0, len(CLASSES), (2, 32, 32), generator=torch.manual_seed(0))
    parsed[1] = CLASSES.index("skin")  # a face without a mouth
    here, there = shapes(parsed), shapes(parsed.to("glass"))
    assert all(torch.allclose(here[name], there[name], equal_nan=True) for name in here)


@torch.no_grad()
def test_landmarks_and_identity_are_found_where_the_images_are():
    networks, resnet = FaceNetworks(), FaceResNet()
    for scores in (networks.detector.fine_scores, networks.mesh.presence):
        scores.bias.fill_(9)  # a face everywhere
    images = torch.rand(1, 3, 48, 48, generator=torch.manual_seed(0)) * 2 - 1
    found = []
    for device in ("cpu", "glass"):
        mesh, identity = FaceMesh.__new__(FaceMesh), Identity.__new__(Identity)
        mesh.device = identity.device = torch.device(device)
        mesh.network, identity.network = networks.to(device), resnet.to(device)
        identity.mesh = mesh
        landmarks = mesh(images)
        assert landmarks.device.type == identity(images).device.type == device
        values = [landmarks, identity(images), *mesh_measures(landmarks).values()]
        found.append([value.cpu() for value in values])
    assert all(value.isfinite().all() for value in found[0])
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(*found, strict=True))
