"""StyleGAN2 against goldens of all four code bases that publish its weights."""

import pytest
import torch
from golden_files import CPU, checkpoint, edited, io, names, near

from panda import Latents
from panda_plugins.common import winograd
from panda_plugins.stylegan2.checkpoint import from_checkpoint, recognizes

FEATURES, IMAGES = 5e-5, 1e-4
VARIANTS = {"live": ["hook"], "keep": ["resume"], "drop": ["dropimg", "panda"]}


@pytest.fixture(params=names("stylegan2-*"))
def folder(request):
    return request.param


@pytest.fixture(params=["direct", "winograd"])
def generator(request, folder, monkeypatch):
    if request.param == "winograd":
        monkeypatch.setattr(winograd, "CHANNELS", 1)
    loaded = from_checkpoint(checkpoint(folder), CPU, torch.float32)
    loaded.name = folder
    return loaded


def styles(generator, golden, cutoff=None, psi=None):
    generator.cutoff = cutoff
    w = generator.map(golden["z"], golden.get("label"))
    return generator.truncate(w, float(golden["psi"]) if psi is None else psi)


def latents(generator, golden, **options):
    return Latents((0, 1), {"w": styles(generator, golden, **options)})


def test_it_is_recognized(folder):
    assert recognizes(checkpoint(folder))


def test_mapping_and_truncation(generator, folder):
    golden = io(folder)
    if "w" in golden:
        near(generator.map(golden["z"], golden.get("label")), golden["w"], FEATURES)
    if "dlatents" in golden:  # TensorFlow: before truncation
        near(styles(generator, golden, psi=1.0), golden["dlatents"], FEATURES)
    for key, cutoff in {"ws_psi": None, "wp": None, "ws_psi_cutoff": 4, "wp_trunc4": 4}.items():
        if key in golden:
            near(styles(generator, golden, cutoff=cutoff), golden[key], FEATURES)


def test_images(generator, folder):
    golden = io(folder)
    near(generator.forward(latents(generator, golden)), golden["image"], IMAGES)
    if "image_psi1" in golden:
        near(generator.forward(latents(generator, golden, psi=1.0)), golden["image_psi1"], IMAGES)
    if "image_cutoff" in golden:
        near(
            generator.forward(latents(generator, golden, cutoff=4)), golden["image_cutoff"], IMAGES
        )
    if "image_noise_none" in golden:
        generator.noise = "none"
        image = generator.forward(latents(generator, golden))
        near(image, golden["image_noise_none"], IMAGES)


def test_features_and_the_running_image(generator, folder):
    golden = io(folder)
    generator.skip = "keep"
    for count, name in enumerate(generator.layers, 1):  # PandA counts layers from 1
        state = generator.head(latents(generator, golden), name)
        if f"feat.{count}" in golden:
            near(state.x, golden[f"feat.{count}"], FEATURES)
        if f"img.{count}" in golden:
            near(state.rest.image, golden[f"img.{count}"], IMAGES)


@pytest.mark.parametrize("skip", VARIANTS)
def test_edits_and_dropped_images(generator, folder, skip):
    golden = io(folder)
    generator.skip = skip
    for count, name in enumerate(generator.layers, 1):
        state = generator.head(latents(generator, golden), name)
        for key in (f"resume_dropimg.{count}", f"panda_resumed_image.{count}"):
            if skip == "drop" and key in golden:
                near(generator.tail(state, name), golden[key], IMAGES)
        for variant in VARIANTS[skip]:
            if f"edit.{count}.image_{variant}" in golden:
                image = generator.tail(edited(state, golden, f"edit.{count}"), name)
                near(image, golden[f"edit.{count}.image_{variant}"], IMAGES)


def test_the_goldens_have_every_variant():
    keys = {key.split("image_")[-1] for name in names("stylegan2-*") for key in io(name)}
    assert {"hook", "resume", "dropimg", "panda", "cutoff", "noise_none"} <= keys
