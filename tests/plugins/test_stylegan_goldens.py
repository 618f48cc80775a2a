"""StyleGAN against goldens of genforce and of the TensorFlow original."""

import pytest
import torch
from golden_files import CPU, checkpoint, edited, io, names, near

from panda import Latents
from panda_plugins.common import winograd
from panda_plugins.stylegan.checkpoint import from_checkpoint, recognizes

FEATURES, IMAGES = 5e-5, 1e-4


@pytest.fixture(params=names("stylegan1-*"))
def folder(request):
    return request.param


@pytest.fixture(params=["direct", "winograd"])
def generator(request, folder, monkeypatch):
    if request.param == "winograd":
        monkeypatch.setattr(winograd, "CHANNELS", 1)
    assert recognizes(checkpoint(folder))
    loaded = from_checkpoint(checkpoint(folder), CPU, torch.float32)
    loaded.cutoff = 8
    return loaded


def latents(generator, golden):
    w = generator.truncate(generator.map(golden["z"]), float(golden["psi"]))
    return Latents((0, 1), {"w": w})


def test_mapping_and_truncation(generator, folder):
    golden = io(folder)
    w = generator.map(golden["z"])
    if "w" in golden:
        near(w, golden["w"], FEATURES)
        near(generator.truncate(w, float(golden["psi"])), golden["wp"], FEATURES)
    else:  # TensorFlow: before truncation
        near(generator.truncate(w, 1.0), golden["dlatents"], FEATURES)


def test_images_and_features(generator, folder):
    golden = io(folder)
    near(generator.forward(latents(generator, golden)), golden["image"], IMAGES)
    for index, name in enumerate(generator.layers):
        state = generator.head(latents(generator, golden), name)
        panda = f"feat.{index // 2 + 3}" if name.endswith("conv1") else ""  # PandA's count
        for key in (f"layer_out.{index}", panda):
            if key in golden:
                near(state.x, golden[key], FEATURES)


def test_edits(generator, folder):
    golden = io(folder)
    for count, pixels in ((3, 4), (4, 8)):
        if f"edit.{count}.image" in golden:
            state = generator.head(latents(generator, golden), f"{pixels}.conv1")
            image = generator.tail(edited(state, golden, f"edit.{count}"), f"{pixels}.conv1")
            near(image, golden[f"edit.{count}.image"], IMAGES)
