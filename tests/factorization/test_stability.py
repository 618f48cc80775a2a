"""Whether parts and axes are the same in two halves of the samples, and the number of parts."""

import json
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import normalize

from panda import Generator, Latents, Layer, PandaError, State, fit
from panda.cli import main
from panda.cli.rendering import part_titles
from panda.factorization.factors import Factors
from panda.generators.seeds import seeded_normal

pytestmark = pytest.mark.verdict

SIDE, PLANTED, CHANNELS = 12, 4, 16


class Planted(Generator):
    """Four quarters of the image, each of which varies along axes of its own, in some noise."""

    usual_truncation, resolution, name = 1.0, 48, "planted"

    def __init__(self, noise: float = 0.1) -> None:
        self.device, self.dtype, self.noise = torch.device("cpu"), torch.float32, noise
        self.layers = {"l": Layer("l", CHANNELS, SIDE, SIDE)}
        draw = torch.Generator().manual_seed(0)
        axes = torch.randn(CHANNELS, CHANNELS, generator=draw)
        self.axes = torch.linalg.qr(axes)[0].view(PLANTED, 4, CHANNELS)
        self.strength = torch.tensor([8.0, 4.0, 1.0, 1.0])
        self.maps = torch.zeros(PLANTED, SIDE, SIDE)
        for part in range(PLANTED):
            row, column = divmod(part, 2)
            self.maps[part, 6 * row : 6 * row + 6, 6 * column : 6 * column + 6] = 1

    def sample(self, seeds, *, truncation=1.0, label=None):
        size = PLANTED * 4 + CHANNELS * SIDE * SIDE
        return Latents(tuple(seeds), {"z": torch.from_numpy(seeded_normal(seeds, size)).float()})

    def head(self, latents, layer):
        z = latents.tensors["z"]
        weights = z[:, : PLANTED * 4].view(-1, PLANTED, 4) * self.strength
        colors = torch.einsum("npk,pkc->npc", weights, self.axes)
        noise = z[:, PLANTED * 4 :].view(-1, CHANNELS, SIDE, SIDE)
        return State(torch.einsum("npc,phw->nchw", colors, self.maps) + self.noise * noise)

    def tail(self, state, layer):
        return state.x[:, :3].repeat_interleave(4, 2).repeat_interleave(4, 3).tanh()

    def forward(self, latents):
        return self.tail(self.head(latents, "l"), "l")


def test_planted_parts_are_stable_and_those_of_noise_are_not():
    factors = fit(Planted(), "l", parts=6, seeds=range(200))
    found = normalize(factors.parts, dim=0).T @ normalize(Planted().maps.flatten(1).T, dim=0)
    planted = found.amax(1) > 0.9
    assert int(planted.sum()) == PLANTED
    stability = torch.tensor(factors.part_stability)
    assert (stability[planted] > 0.95).all() and (stability[~planted] < 0.5).all()
    titles = part_titles(factors)
    assert [title.endswith("(unstable)") for title in titles] == (~planted).tolist()
    assert factors._repr_html_().count("(unstable)") == 2


def test_axes_of_equal_variance_are_unstable_and_come_last():
    """Two axes that vary equally may be turned in their plane; the two strong ones may not."""
    factors = fit(Planted(), "l", parts=PLANTED, seeds=range(300))
    rows = torch.tensor(factors.config["stability"]["own"])
    assert (rows[:, :2] > 0.98).all() and float(rows[:, 2:4].mean()) < 0.98
    unsure = [[1.0, 0.5, 0.9, *[0.1] * (rows.shape[1] - 3)]] * PLANTED
    config = {**factors.config, "stability": {"parts": [1.0] * PLANTED, "own": unsure}}
    assert replace(factors, config=config).stable_axes(0)[:4] == [0, 2, 1, 3]


def test_the_planted_number_of_parts_is_chosen(tmp_path, capsys):
    factors = fit(Planted(), "l", parts="auto", seeds=range(200))
    assert factors.parts.shape[1] == PLANTED
    assert "4 parts were chosen: parts, loss and the least stability are 2 " in (
        capsys.readouterr().err
    )
    curve = factors.config["solver"]["curve"]
    assert [row["parts"] for row in curve][:5] == [2, 3, 4, 5, 6]
    losses = [row["loss"] for row in curve]
    assert losses[0] > losses[1] > losses[2] and losses[2] - losses[-1] < losses[1] - losses[2]
    again = Factors.load(factors.save(tmp_path / "f"))
    assert again.part_stability == factors.part_stability and len(again.part_stability) == PLANTED


def test_the_number_of_parts_is_chosen_from_the_shell(tmp_path, capsys):
    words = ["mini-stylegan2-faces-64", "8.conv1", "--seeds", "0-63", "--out", str(tmp_path / "f")]
    assert main(["fit", *words, "--parts", "auto"]) == 0
    assert "parts were chosen" in capsys.readouterr().err
    config = json.loads((tmp_path / "f" / "config.json").read_text(encoding="utf-8"))
    assert len(config["solver"]["curve"]) == 15
    assert main(["fit", *words, "--parts", "few"]) == 2
    assert "invalid int or auto value: 'few'" in capsys.readouterr().err


@pytest.mark.parametrize("given", [{"seeds": range(4)}, {"solver": "paper", "steps": 2}])
def test_a_number_of_parts_cannot_be_chosen_from_a_few_samples_or_by_the_released_rule(tiny, given):
    with pytest.raises(PandaError, match="from 4 samples|needs the solver joint"):
        fit(tiny, "b", parts="auto", **{"seeds": range(16), **given})


@pytest.mark.parametrize("facts", [None, 3, {"parts": [1.0]}, {"parts": ["a", "b", "c"]}, {}])
def test_odd_facts_about_stability_are_none(tiny, facts):
    factors = fit(tiny, "b", parts=3, seeds=range(16))
    assert len(factors.part_stability) == 3
    odd = replace(factors, config={**factors.config, "stability": facts})
    assert odd.part_stability == () and odd.stable_axes(0) == list(range(12))
    assert part_titles(odd) == ["part 0", "part 1", "part 2"]
