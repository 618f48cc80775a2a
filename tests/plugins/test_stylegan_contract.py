"""What the contract requires of StyleGAN and StyleGAN2, on the small networks of the goldens."""

import subprocess
import sys

import pytest
import torch
from golden_files import CPU, checkpoint

from panda import Latents, PandaError
from panda_plugins.common import winograd
from panda_plugins.stylegan.checkpoint import from_checkpoint as stylegan
from panda_plugins.stylegan2.checkpoint import from_checkpoint as stylegan2

pytestmark = pytest.mark.numeric

LOADERS = {
    "stylegan1-genforce": stylegan,
    "stylegan2-ada": stylegan2,
    "stylegan2-ada-cond": stylegan2,
}


def load(name, dtype=torch.float32):
    loaded = LOADERS[name](checkpoint(name), CPU, dtype)
    loaded.name = name
    return loaded


@pytest.fixture(params=LOADERS)
def generator(request):
    return load(request.param)


def test_noise_changes_the_image_and_unknown_noise_is_refused(generator):
    z = generator.sample([0])
    images = []
    for noise in ("const", "random", "none"):
        generator.noise = noise
        images.append(generator.forward(z))
    assert (images[0] - images[1]).abs().max() > 1e-3
    assert (images[1] - images[2]).abs().max() > 1e-3
    generator.noise = "randon"
    with pytest.raises(PandaError, match="'randon'; did you mean 'random'"):
        generator.forward(z)


def test_zero_truncation_gives_the_mean_to_the_layers_before_the_cutoff(generator):
    free = generator.sample([0, 1], truncation=1.0).tensors["w"]
    mean = generator.sample([0, 1], truncation=0)
    assert torch.equal(mean.tensors["w"][0], mean.tensors["w"][1])
    generator.cutoff = 3
    cut = generator.sample([0, 1], truncation=0).tensors["w"]
    assert torch.equal(cut[:, :3], mean.tensors["w"][:, :3])
    assert torch.equal(cut[:, 3:], free[:, 3:])


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*")
@pytest.mark.parametrize("channels", [1, 1000])
def test_images_can_be_differentiated_in_w(generator, channels, monkeypatch):
    monkeypatch.setattr(winograd, "CHANNELS", channels)
    generator = load(generator.name, torch.float64)
    w = generator.sample([0], truncation=1.0).tensors["w"]
    direction = torch.randn(w.shape, dtype=w.dtype, generator=torch.Generator().manual_seed(0))

    def images(w):
        state = generator.head(Latents((0,), {"w": w}), "8.conv1")
        return generator.tail(state, "8.conv1")

    step = 1e-6 * direction
    numeric = (images(w + step) - images(w - step)) / 2e-6
    forward = torch.func.vmap(lambda v: torch.func.jvp(images, (w,), (v,))[1])(direction[None])
    torch.testing.assert_close(forward[0], numeric, atol=1e-6, rtol=1e-5)
    leaf = w.clone().requires_grad_()
    images(leaf).sum().backward()
    torch.testing.assert_close((leaf.grad * direction).sum(), numeric.sum(), atol=1e-6, rtol=1e-5)


def test_labels():
    plain, conditional = load("stylegan2-ada"), load("stylegan2-ada-cond")
    with pytest.raises(PandaError, match="stylegan2-ada has no classes, but label 1 was given"):
        plain.sample([0], label=1)
    with pytest.raises(PandaError, match="has classes 0 to 2, but 3 was given"):
        conditional.sample([0], label=3)
    with pytest.raises(PandaError, match="has 3 classes, but labels of 0 were given"):
        conditional.map(torch.zeros(1, 24))
    by_class = [conditional.sample([0, 1, 2], label=label).tensors["w"] for label in range(3)]
    assert (by_class[0] - by_class[1]).abs().max() > 1e-3
    drawn = conditional.sample(range(30)).tensors["w"]
    given = torch.stack([conditional.sample(range(30), label=k).tensors["w"] for k in range(3)])
    nearest = (given - drawn).abs().amax((2, 3)).argmin(0)
    assert set(nearest.tolist()) == {0, 1, 2}


def test_only_dropping_the_skip_image_changes_the_image():
    generator = load("stylegan2-ada")
    z = generator.sample([0])
    whole = generator.forward(z)
    for skip, same in {"live": True, "keep": True, "drop": False}.items():
        generator.skip = skip
        image = generator.tail(generator.head(z, "16.conv1"), "16.conv1")
        assert torch.equal(image, whole) is same
    with pytest.raises(PandaError, match=r"nothing is painted after layer '32\.conv1'"):
        generator.tail(generator.head(z, "32.conv1"), "32.conv1")
    generator.skip = "none"
    with pytest.raises(PandaError, match="there is no skip 'none'; valid: live, keep, drop"):
        generator.head(z, "8.conv0")


@pytest.mark.parametrize("plugin", ["stylegan", "stylegan2"])
def test_listing_does_not_import_torch(plugin):
    code = f"import sys, panda_plugins.{plugin} as p; p.panda_architectures(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "torch" not in done.stdout.split()
