"""Parts of features in which a few positions, and a checkerboard, drown everything else."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from panda import Generator, Latents, Layer, State, fit
from panda.editing.refine import refine
from panda.factorization import artifacts as artifacts_module
from panda.factorization.artifacts import Artifacts, find_artifacts
from panda.generators.seeds import seeded_normal

SIDE, PLANTED, CHANNELS = 16, 4, 24
LAYER = Layer("l", CHANNELS, SIDE, SIDE)


def where() -> Tensor:
    """Return the quarters of the image, without its border, ``[4, H, W]``."""
    maps = torch.zeros(PLANTED, SIDE, SIDE)
    for part in range(PLANTED):
        row, column = divmod(part, 2)
        maps[part, 1 + 7 * row : 8 + 7 * row, 1 + 7 * column : 8 + 7 * column] = 1
    return maps


class Padded(Generator):
    """Planted parts, below a border and a checkerboard that are as random and far stronger."""

    usual_truncation = 1.0
    size = (64, 64)
    name = "padded"

    def __init__(self, border: float = 40.0, checkerboard: float = 1.5) -> None:
        self.device, self.dtype = torch.device("cpu"), torch.float32
        self.layers = {"l": LAYER}
        maps = [*where()]
        for row in (0, SIDE - 1):
            for column in range(0, SIDE, 4):
                spot = torch.zeros(SIDE, SIDE)
                spot[row, column : column + 4] = border
                maps.append(spot)
        board = torch.ones(SIDE, SIDE)
        board[::2] *= -1
        board[:, ::2] *= -1
        maps.append(checkerboard * board)
        self.maps = torch.stack(maps).flatten(1)
        self.colors = torch.randn(CHANNELS, 3, generator=torch.Generator().manual_seed(0))

    def sample(self, seeds, *, truncation=1.0, label=None):
        z = torch.from_numpy(seeded_normal(seeds, CHANNELS, len(self.maps)))
        return Latents(tuple(seeds), {"z": truncation * z})

    def head(self, latents, layer):
        return State((latents.tensors["z"] @ self.maps).unflatten(2, (SIDE, SIDE)))

    def tail(self, state, layer):
        small = torch.einsum("nchw,cd->ndhw", state.x, self.colors)
        return torch.nn.functional.interpolate(small, scale_factor=4).tanh()

    def forward(self, latents):
        return self.tail(self.head(latents, "l"), "l")


def likeness(factors) -> Tensor:
    """Return the cosine of each planted part with the part that is most like it, ``[4]``."""
    planted = normalize(where().flatten(1), dim=1)
    return (planted @ normalize(factors.parts, dim=0)).amax(1)


def test_planted_parts_are_found_below_artifacts(capsys):
    factors = fit(Padded(), "l", parts=PLANTED, seeds=range(200))
    assert (likeness(factors) > 0.9).all()
    assert factors.border == 1
    assert (
        "l has artifacts: positions that vary over 20 times as much as most, and most parts would"
        " be specks there. Parts are found without them, at a higher loss; --keep-artifacts"
        " (keep_artifacts=True) fits features as they are"
    ) in capsys.readouterr().err
    with_artifacts = fit(Padded(), "l", parts=PLANTED, seeds=range(200), keep_artifacts=True)
    assert (likeness(with_artifacts) < 0.5).all()
    assert with_artifacts.border == 0


def test_refined_parts_are_no_specks_either():
    """Of the four quarters each sample has its own share, and its border is as strong as ever."""
    generator = Padded()
    factors = fit(generator, "l", parts=PLANTED, seeds=range(200))
    refined = refine(factors, generator.head(generator.sample(range(900, 916)), "l").x)
    positions = max(1, LAYER.positions // 50)

    def specks(parts: Tensor) -> Tensor:
        """Return the share of each part that lies in 2 % of the positions."""
        return parts.sort(dim=-2, descending=True)[0][..., :positions, :].sum(-2) / parts.sum(-2)

    assert (specks(refined) < 0.5).all()
    plain = replace(factors, config={**factors.config, "border": 0})
    raw = refine(plain, generator.head(generator.sample(range(900, 916)), "l").x)
    assert (specks(raw) > 0.5).any()


def test_features_without_artifacts_are_fitted_as_they_are(capsys):
    plain = Padded(border=1.0, checkerboard=0.1)
    factors, kept = (
        fit(plain, "l", parts=PLANTED, seeds=range(60), keep_artifacts=keep)
        for keep in (False, True)
    )
    assert torch.equal(factors.parts, kept.parts)
    assert torch.equal(factors.appearances, kept.appearances)
    assert factors.border == 0
    assert capsys.readouterr().err == ""


def test_the_loss_is_of_the_features_as_they_are():
    from panda.factorization.features import Features
    from panda.factorization.loss import reconstruction_loss

    factors = fit(Padded(), "l", parts=PLANTED, seeds=range(100))
    features = Features(Padded(), LAYER, range(100))
    exact = reconstruction_loss(factors.appearances, factors.parts, features)
    assert factors.loss == pytest.approx(exact, abs=0.01)
    assert len(factors.config["trace"]) == 1


def test_a_typical_norm_is_not_that_of_artifacts():
    strong, weak = (fit(Padded(border), "l", parts=4, seeds=range(100)) for border in (40.0, 20.0))
    assert float(strong.background.norm() / weak.background.norm()) < 1.1


def test_any_batch_size_gives_the_same_factors():
    few, many = (fit(Padded(), "l", parts=PLANTED, seeds=range(90), batch=size) for size in (7, 45))
    assert torch.allclose(few.parts, many.parts, atol=1e-3 * float(many.parts.max()))


def test_an_interrupted_fit_resumes_with_the_same_artifacts(tmp_path):
    whole = fit(Padded(), "l", parts=PLANTED, seeds=range(90))
    fit(Padded(), "l", parts=PLANTED, seeds=range(90), resume=tmp_path / "journal")
    again = fit(Padded(), "l", parts=PLANTED, seeds=range(90), resume=tmp_path / "journal")
    assert torch.equal(again.parts, whole.parts)
    assert again.border == 1


def test_a_checkerboard_and_the_border_are_cleaned_away():
    artifacts = Artifacts(SIDE, SIDE, torch.ones(SIDE * SIDE))
    board = Padded(checkerboard=1.0).maps[-1:]
    inner = artifacts.clean(board).view(SIDE, SIDE)[2:-2, 2:-2]
    assert float(inner.abs().max()) < 1e-6
    spots = Padded().maps[PLANTED:-1]
    assert float(artifacts.clean(spots).abs().max()) == 0
    flat = torch.full((1, SIDE * SIDE), 3.0)
    assert torch.allclose(artifacts.clean(flat), flat)


@pytest.mark.parametrize("excess", [15.0, 30.0])
def test_twenty_times_the_variance_of_the_median_position_is_an_artifact(excess):
    draw = torch.Generator().manual_seed(0)
    batch = torch.randn(32, 200, SIDE * SIDE, generator=draw)
    batch[:, :, 5] *= excess**0.5
    found = find_artifacts({0: batch}, 32, batch, LAYER)
    assert (found is not None) == (excess > artifacts_module.EXCESS)
    if found:
        assert float(found.weights[5]) == pytest.approx(30**-0.5, rel=0.05)
        assert float(found.weights.max()) == 1


def test_maps_of_a_few_positions_have_no_border_to_set_aside():
    small = Layer("s", 4, 4, 4)
    batch = torch.randn(8, 4, 16)
    batch[:, :, 0] *= 100
    assert find_artifacts({0: batch}, 8, batch, small) is None
