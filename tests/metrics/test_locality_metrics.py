"""ROIR, matched strength, LPIPS, the localization score and regions of interest."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch

from panda import PandaError
from panda.checkpoints.array_pickles import read_array_pickle
from panda.metrics.lpips import AlexNetDistance, from_flax, localization, outside
from panda.metrics.matching import match
from panda.metrics.regions import Boxes, widened
from panda.metrics.roir import composite, measure, small


def left(count, size=8):
    region = torch.zeros(count, size, size, dtype=torch.bool)
    region[:, :, : size // 2] = True
    return region


def test_roir_is_the_change_outside_over_that_inside():
    before = torch.zeros(2, 3, 8, 8)
    after = before.clone()
    after[:, :, :, :4] = 0.2
    after[1, :, :, 4:] = 0.1
    change = measure(before, after, left(2))
    assert change.roir.tolist() == pytest.approx([0, 0.5])
    assert change.strength.tolist() == pytest.approx([0.2, 0.2])
    pasted = composite(before, after, left(2))
    assert measure(before, pasted, left(2)).roir.tolist() == [0, 0]


def test_what_has_no_roir_is_refused():
    images, nan = torch.zeros(1, 3, 8, 8), torch.full((1, 3, 8, 8), float("nan"))
    with pytest.raises(PandaError, match="a region is empty"):
        measure(images, images, ~left(1) & left(1))
    with pytest.raises(PandaError, match="do not belong together"):
        measure(images, images, left(1, 4))
    with pytest.raises(PandaError, match="NaN"):
        measure(images, nan, left(1))


def test_strengths_are_matched_image_by_image():
    before = torch.zeros(3, 3, 8, 8)
    gain = torch.tensor([0.01, 0.1, 1.0]).view(-1, 1, 1, 1)

    def render(strengths):  # saturates slowly, as images do
        return torch.tanh(gain * strengths.view(-1, 1, 1, 1)).expand(-1, 3, 8, 8)

    found = match(render, before, left(3), 0.3, start=-1.0)
    assert found.reached.all()
    assert found.change.strength.tolist() == pytest.approx([0.3] * 3, rel=0.03)
    assert found.change.roir.tolist() == pytest.approx([1, 1, 1])
    assert (found.strengths < 0).all()
    again = measure(before, found.images, left(3))
    assert torch.equal(again.inside, found.change.inside)


def test_an_edit_that_saturates_says_so():
    before = torch.zeros(1, 3, 8, 8)
    found = match(
        lambda a: a.clamp(-0.1, 0.1).view(-1, 1, 1, 1).expand(-1, 3, 8, 8),
        before,
        left(1),
        0.5,
        start=0.01,
    )
    assert not found.reached.any()
    assert float(found.change.strength) == pytest.approx(0.1, rel=1e-3)


def test_small_images_are_means():
    images = torch.rand(1, 3, 16, 16)
    assert torch.allclose(small(images, 8)[0, 0, 0, 0], images[0, 0, :2, :2].mean())
    assert small(images, 16).equal(images)


def test_images_grow_without_steps():
    """Of repeated pixels, face parsing sees the edges."""
    ramp = torch.linspace(-0.8, 0.8, 16).expand(1, 3, 16, 16)
    steps = small(ramp, 64)[0, 0, 0].diff()[8:-8]
    assert float(steps.min()) > 0.5 * float(steps.max()) > 0
    assert float(small(2 * ramp.sign() * ramp.abs().ceil(), 64).abs().max()) <= 1


def test_localization_is_the_share_of_the_most_changed_places_inside():
    region = left(2)
    maps = torch.stack([region[0].float(), (~region[0]).float()])
    assert localization(maps, region).tolist() == [1, 0]
    assert outside(maps, region).tolist() == [0, 1]


def test_boxes_and_parsed_regions():
    images = torch.zeros(2, 3, 4, 4)
    found = Boxes().find(images, 256)
    assert found["nose"].shape == (2, 256, 256)
    assert int(found["nose"][0].sum()) == 40 * 46
    rows, columns = found["mouth"][0].nonzero(as_tuple=True)
    assert (int(rows.min()), int(rows.max())) == (169, 198)
    assert (int(columns.min()), int(columns.max())) == (92, 161)
    parsed = torch.zeros(1, 64, 64, dtype=torch.uint8)
    parsed[0, 20:24, 30:34] = 4
    eyes = widened(parsed, 64)["eyes"][0]
    assert int(eyes.sum()) == (4 + 2 * 3) ** 2
    assert not widened(parsed, 64)["nose"].any()
    with pytest.raises(PandaError, match="no region 'noze'; did you mean 'nose'"):
        Boxes().check("noze")


@pytest.fixture
def network():
    torch.manual_seed(0)
    made = AlexNetDistance().requires_grad_(False)
    for weight in made.weights:
        weight.data = torch.rand_like(weight)
    return made


def test_lpips_is_zero_for_the_same_image_and_local(network):
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    assert network(image, image).abs().max() == 0
    other = image.clone()
    other[:, :, 40:, 40:] = 0
    maps = network(image, other)
    assert maps.shape == (1, 64, 64)
    assert maps[0, 44:, 44:].mean() > 5 * maps[0, :12, :12].mean()


def test_lpips_reads_flax_names(network):
    tensors = {}
    for index, conv in enumerate(network.convolutions):
        tensors[f"AlexNet_0.Conv_{index}.kernel"] = conv.weight.permute(2, 3, 1, 0)
        tensors[f"AlexNet_0.Conv_{index}.bias"] = conv.bias
        weight = network.weights[index].view(1, 1, -1, 1)
        tensors[f"NetLinLayer_{index}.Conv_0.kernel"] = weight
    state = network.state_dict()
    for name, value in from_flax(tensors).items():
        assert torch.equal(value, state[name])


def test_pickles_of_arrays_are_read_as_data(tmp_path):
    path = tmp_path / "a.ckpt"
    path.write_bytes(pickle.dumps({"net": {"w": np.eye(2, dtype=np.float32)}}, protocol=3))
    assert torch.equal(read_array_pickle(path)["net.w"], torch.eye(2))
    path.write_bytes(pickle.dumps([1], protocol=3))
    with pytest.raises(PandaError, match="not contain a dict of arrays"):
        read_array_pickle(path)
    path.write_bytes(pickle.dumps({"a": subprocess.run}, protocol=3))
    with pytest.raises(PandaError, match="which no checkpoint needs; nothing of it was run"):
        read_array_pickle(path)


def test_dicts_that_share_dicts_are_not_walked_without_an_end(tmp_path):
    nested: dict[str, object] = {}
    for _ in range(60):
        nested = {"a": nested, "b": nested}
    (tmp_path / "a.ckpt").write_bytes(pickle.dumps(nested, protocol=3))
    with pytest.raises(PandaError, match="over 30000 names, more than any checkpoint has"):
        read_array_pickle(tmp_path / "a.ckpt")


def test_listing_methods_and_measures_needs_no_weights():
    code = "import panda.methods.catalog, panda.metrics.lpips, panda.metrics.regions"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.download
def test_the_published_weights_of_lpips(tmp_path, monkeypatch):
    from panda.metrics.lpips import LPIPS

    monkeypatch.setenv("PANDA_HOME", str(tmp_path))
    draw = torch.Generator().manual_seed(0)
    images = torch.rand(1, 3, 64, 64, generator=draw) * 2 - 1
    noisy = (images + 0.3 * torch.randn(images.shape, generator=draw)).clamp(-1, 1)
    assert 0.005 < float(LPIPS()(images, noisy).mean()) < 1
