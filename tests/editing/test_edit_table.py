"""Every edit in the tables of the page about local directions, applied to a small generator."""

import re

import numpy as np
import pytest
import torch
from conftest import MINI
from drawn_directions import use_few
from PIL import Image
from snippets import ROOT

from panda import create_generator, edit_images, fit
from panda.inversion import Inversion

PAGE = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (`[^|]*) \|.*\| `([^`|]+)` \|$", PAGE.split("## Local directions")[1], re.M)


@pytest.fixture(scope="module")
def fitted():
    generator = create_generator(MINI)
    return generator, fit(generator, "16.conv1", parts=2, seeds=range(40))


def test_the_tables_have_every_kind():
    assert len(ROWS) == 22


@pytest.mark.parametrize(("kind", "edit"), ROWS)
def test_an_edit_of_the_tables_changes_images(
    fitted, kind, edit, tmp_path, cache, monkeypatch, capsys
):
    generator, factors = fitted
    use_few(monkeypatch)
    monkeypatch.chdir(tmp_path)
    latents, other = generator.sample([1, 2]), generator.sample([9])
    half = Image.fromarray(np.repeat(np.uint8([[255], [0]]), 2, axis=1))
    half.save("mask.png")
    (tmp_path / "maps").mkdir()
    for seed in latents.seeds:
        half.save(f"maps/{seed:04}.png")
    np.save("smile.npy", np.ones((1, len(generator.w_mean)), dtype=np.float32))
    picture = torch.zeros(1, 3, 64, 64)
    facts = {"lpips": [0.5], "pixels": [0.5], "pictures": ["a"], "weights_sha256": generator.digest}
    there = generator.with_w(other, generator.w_plus(other))
    Inversion.of(generator.name, there, picture, picture, facts).save("me")
    capsys.readouterr()
    edit = edit.replace("@64.conv2", "@32.conv1")  # a layer of this generator
    images = edit_images(generator, factors, latents, edit)
    assert images.isfinite().all() and not torch.equal(images, generator.forward(latents))
    assert "changes nothing" not in capsys.readouterr().err
