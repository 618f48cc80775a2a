"""What an inversion compares: colors as they are seen, and alpha; at sizes that LPIPS can take."""

import pytest
import torch

from panda.inversion.objective import Objective, comparable, visible
from panda.metrics import lpips
from panda.metrics.lpips import NARROWEST


@pytest.fixture(scope="module")
def distance():
    if not lpips.WEIGHTS.cached:
        pytest.skip("the weights of LPIPS are not cached; 'panda invert' fetches them")
    return lpips.LPIPS()


def test_transparency_counts_and_hidden_colors_do_not():
    clear = torch.cat([torch.zeros(1, 3, 8, 8), -torch.ones(1, 1, 8, 8)], 1)
    gray, other = clear.clone(), clear.clone()
    gray[:, 3] = 1  # an opaque gray looks like nothing at all on gray
    other[:, :3] = 0.7
    assert not torch.equal(visible(gray), visible(clear))
    assert torch.equal(visible(other), visible(clear))
    colors = torch.rand(1, 3, 8, 8)
    assert visible(colors) is colors


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((64, 64), (128, 128)),
        ((200, 200), (200, 200)),
        ((512, 1024), (128, 256)),
        ((24, 40), (77, 128)),
        ((16, 512), (NARROWEST, 1024)),
    ],
)
def test_images_are_compared_in_their_proportions(size, expected):
    assert comparable(torch.zeros(1, 1, *size)).shape[2:] == expected


def test_what_lies_beyond_the_edge_of_a_photograph_does_not_count(distance):
    picture, inside = torch.zeros(1, 3, 128, 128), torch.ones(1, 128, 128)
    inside[:, :, :64] = 0
    objective, whole = Objective(distance, picture, inside), Objective(distance, picture)
    image = picture.clone()
    image[:, :, :, :64] = 1
    image.requires_grad_()
    assert float(objective(image).total.detach()) == 0 < 0.1 < float(whole(image).total.detach())
    (gradient,) = torch.autograd.grad(objective(image + 0.1).total.sum(), image)
    assert not gradient[..., :64].any() and gradient[..., 64:].any()


def test_the_error_of_a_cut_photograph_is_not_less_for_what_is_missing(distance):
    draw = torch.Generator().manual_seed(0)
    picture, noise = (torch.rand(1, 3, 128, 128, generator=draw) - 0.5 for _ in range(2))
    inside = torch.ones(1, 128, 128)
    inside[:, :64] = 0
    cut, whole = (Objective(distance, picture, part)(picture + noise) for part in (inside, None))
    torch.testing.assert_close(cut.pixels, whole.pixels, rtol=0.05, atol=0)
    assert cut.lpips > 0.9 * whole.lpips
