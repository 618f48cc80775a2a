"""Latents from pictures, on a generator of the mini zoo."""

import pytest
import torch

from panda import PandaError, create_generator
from panda.edit import Edit, edit_images
from panda.factorize import fit
from panda.inversion import Inversion, invert
from panda.metrics import lpips


@pytest.fixture(scope="module")
def distance():
    if not lpips.WEIGHTS.cached:
        pytest.skip("the weights of LPIPS are not cached; 'panda invert' fetches them")
    return lpips.LPIPS()


@pytest.fixture(scope="module")
def mini():
    return create_generator("mini-stylegan2-faces-64")


@pytest.fixture(scope="module")
def pictures(mini):
    return mini.forward(mini.sample([5001, 5002]))


@pytest.fixture(scope="module")
def inverted(mini, pictures, distance):
    return invert(mini, pictures, steps=30, lpips=distance, names=["one.jpg", "two.jpg"])


def test_a_generated_face_comes_near_its_image_and_steps_bring_it_nearer(
    mini, pictures, distance, inverted
):
    few = invert(mini, pictures, steps=4, lpips=distance)
    assert max(inverted.lpips) < 0.02 < 0.04 < min(few.lpips)
    assert max(inverted.pixels) < 0.1
    assert all(a < b for a, b in zip(inverted.pixels, few.pixels, strict=True))
    images = mini.forward(inverted.latents_for(mini)).clamp(-1, 1)
    assert float((images - inverted.reconstructions).abs().max()) <= 1 / 127


def test_a_picture_has_the_same_latents_whatever_stands_beside_it(
    mini, pictures, distance, inverted
):
    alone = invert(mini, pictures[1:], steps=30, lpips=distance)
    assert torch.equal(alone.latents.tensors["w"], inverted.latents.tensors["w"][1:])
    other = invert(mini, pictures[1:], steps=30, lpips=distance, seed=100)
    assert not torch.equal(alone.latents.tensors["w"], other.latents.tensors["w"])


def test_edits_act_on_inverted_latents(mini, inverted):
    factors = fit(mini, "16.conv1", parts=4, seeds=range(50))
    latents = inverted.latents_for(mini)
    after = edit_images(mini, factors, latents, [Edit((0,), "p0", 3.0, sigma=True)])
    assert after.shape == (2, 3, 64, 64)
    assert float((after - inverted.reconstructions).abs().mean()) > 0.01


def test_an_inversion_comes_back_as_it_was_saved(inverted, tmp_path):
    inverted.save(tmp_path / "me")
    inverted.save(tmp_path / "me")
    found = Inversion.load(tmp_path / "me")
    assert found.config == inverted.config
    assert found.names == ("one.jpg", "two.jpg")
    assert found.latents.seeds == inverted.latents.seeds
    for name, tensor in inverted.latents.tensors.items():
        assert torch.equal(found.latents.tensors[name], tensor)
    assert torch.equal(found.pictures, inverted.pictures)
    assert torch.equal(found.reconstructions, inverted.reconstructions)


def test_progress_counts_the_steps_of_all_pictures_and_can_end_the_search(mini, pictures, distance):
    seen = []
    invert(mini, pictures, steps=3, lpips=distance, progress=lambda *step: seen.append(step))
    assert [(done, total) for done, total, _ in seen] == [(k, 6) for k in range(1, 7)]

    def stop(done, total, error):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        invert(mini, pictures, steps=3, lpips=distance, progress=stop)


def test_a_generator_without_latents_that_move_is_refused(tiny):
    with pytest.raises(PandaError, match="latents that can be moved .* which tiny has not"):
        invert(tiny, torch.zeros(1, 3, 16, 16))
