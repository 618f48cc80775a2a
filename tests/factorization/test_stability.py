"""Whether parts and axes are the same in two halves of the samples, and the number of parts."""

import json
import re
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import normalize

from panda import Generator, Latents, Layer, PandaError, State, fit
from panda.cli import main, rendering
from panda.cli.rendering import part_titles
from panda.factorization.factors import Factors
from panda.factorization.solvers.choose import _knee, _ladder
from panda.generators.seeds import seeded_normal

pytestmark = pytest.mark.verdict

SIDE, PLANTED, CHANNELS = 12, 4, 16


class Planted(Generator):
    """Four quarters of the image, each of which varies along axes of its own, in some noise."""

    usual_truncation, size, name = 1.0, (48, 48), "planted"

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
    marked = [title.endswith("(unstable)") for title in factors.part_titles]
    assert marked == (~planted).tolist()
    order = [*planted.nonzero().flatten().tolist(), *(~planted).nonzero().flatten().tolist()]
    assert factors.stable_parts == order
    assert part_titles(factors) == [f"part {factors.part_titles[part]}" for part in order]
    shown = re.findall("&nbsp;(\\d)", factors._repr_html_())
    assert list(map(int, shown)) == order and factors._repr_html_().count("(unstable)") == 2


def test_axes_of_equal_variance_are_unstable_and_come_last():
    """Two axes that vary equally may be turned in their plane; the two strong ones may not."""
    factors = fit(Planted(), "l", parts=PLANTED, seeds=range(300))
    rows = torch.tensor(factors.config["stability"]["own"])
    assert (rows[:, :2] > 0.98).all() and float(rows[:, 2:4].mean()) < 0.98
    unsure = [[1.0, 0.5, 0.9, *[0.1] * (rows.shape[1] - 3)]] * PLANTED
    config = {**factors.config, "stability": {"parts": [1.0] * PLANTED, "own": unsure}}
    known = replace(factors, config=config)
    assert known.stable_axes(0)[:4] == [0, 2, 1, 3] and known.unstable_axes(0)[:2] == [1, 3]


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


def test_the_numbers_are_chosen_from_the_shell(tmp_path, capsys):
    words = ["mini-stylegan2-faces-64", "8.conv1", "--seeds", "0-63", "--out", str(tmp_path / "f")]
    assert main(["fit", *words, "--parts", "auto", "--appearances", "auto"]) == 0
    said = capsys.readouterr().err
    assert "parts were chosen" in said and "appearances were chosen" in said
    config = json.loads((tmp_path / "f" / "config.json").read_text(encoding="utf-8"))
    assert len(config["solver"]["curve"]) == 15
    assert config["solver"]["appearance_curve"][-1]["appearances"] == 128
    assert main(["fit", *words, "--parts", "few"]) == 2
    assert "invalid int or auto value: 'few'" in capsys.readouterr().err


class FewAppearances(Planted):
    """Quarters that vary along two axes each: eight of all sixteen, in some noise."""

    def __init__(self) -> None:
        super().__init__()
        self.strength = torch.tensor([8.0, 6.0, 0.0, 0.0])


@pytest.fixture(scope="module")
def chosen():
    return fit(FewAppearances(), "l", parts=PLANTED, appearances="auto", seeds=range(100))


def test_the_planted_number_of_appearances_is_chosen(chosen):
    assert tuple(chosen.appearances.shape) == (CHANNELS, 8)
    curve = chosen.config["solver"]["appearance_curve"]
    assert [row["appearances"] for row in curve] == list(range(1, CHANNELS + 1))
    stability = [row["stability"] for row in curve]
    # Of eight axes halves agree; seven of them, of equal strength, and noise differ.
    assert stability[7] > 0.99 and max(stability[8:-1]) < 0.95 and max(stability[10:-1]) < 0.6
    losses = [row["loss"] for row in curve]
    assert losses == sorted(losses, reverse=True) and losses[7] - losses[-1] < 0.05
    assert chosen.loss == pytest.approx(losses[7], abs=1e-3)
    axes = FewAppearances().axes[:, :2].reshape(8, CHANNELS)
    inside = torch.linalg.qr(chosen.appearances)[0].T @ axes.T
    assert float(inside.norm(dim=0).min()) > 0.999


def test_the_loss_on_the_curve_is_that_of_a_fit_with_so_many(chosen):
    curve = chosen.config["solver"]["appearance_curve"]
    for count in (3, CHANNELS):
        again = fit(FewAppearances(), "l", parts=PLANTED, appearances=count, seeds=range(100))
        assert again.loss == pytest.approx(curve[count - 1]["loss"], abs=2e-3)


def test_both_numbers_are_chosen_together_and_drawn(tmp_path, monkeypatch, capsys):
    generator = FewAppearances()
    factors = fit(generator, "l", parts="auto", appearances="auto", seeds=range(100))
    assert tuple(factors.spread.shape) == (8, PLANTED)
    said = capsys.readouterr().err
    assert "4 parts were chosen" in said and "8 appearances were chosen, of all channels" in said
    assert set(factors.curves) == {"parts", "appearances"}
    factors.save(tmp_path / "f")
    monkeypatch.setattr(rendering, "create_generator", lambda *_, **__: generator)
    out = tmp_path / "parts"
    assert main(["parts", str(tmp_path / "f"), "--seeds", "1", "--out", str(out)]) == 0
    page = (out / "numbers.html").read_text(encoding="utf-8")
    assert ">4 parts</h2>" in page and ">8 appearances</h2>" in page and page.count("<svg") >= 2


@pytest.mark.parametrize("rows", [3, [{"parts": 2}], [{"parts": 0, "loss": 1, "stability": 1}]])
def test_odd_curves_are_none(tiny, rows):
    factors = fit(tiny, "b", parts=3, seeds=range(16))
    solver = {"name": "joint", "curve": rows, "appearance_curve": None}
    assert replace(factors, config={**factors.config, "solver": solver}).curves == {}
    assert factors.curves == {}


def test_the_knee_is_looked_for_among_stable_numbers():
    rows = [(1, 1.0, 0.9), (2, 0.5, 0.9), (3, 0.1, 0.5), (4, 0.05, 0.85), (8, 0.0, 1.0)]
    curve = [{"parts": k, "loss": loss, "stability": same} for k, loss, same in rows]
    assert _knee(curve, "parts", stable=False) == 2
    assert _knee(curve, "parts", stable=True) == 3
    assert _knee(curve[:1], "parts", stable=True) == 0


def test_numbers_of_many_channels_are_fewer_than_channels():
    ladder = _ladder(512)
    assert ladder[:18] == [*range(1, 17), 18, 20] and ladder[-2:] == [480, 512]
    assert len(ladder) == 56 and _ladder(1) == [1] and _ladder(17) == [*range(1, 18)]


@pytest.mark.parametrize("given", [{"seeds": range(4)}, {"solver": "paper", "steps": 2}])
def test_numbers_cannot_be_chosen_from_a_few_samples_or_by_the_released_rule(tiny, given):
    with pytest.raises(PandaError, match="from 4 samples|needs the solver joint"):
        fit(tiny, "b", parts="auto", **{"seeds": range(16), **given})
    with pytest.raises(PandaError, match="appearances cannot be chosen from 4|needs the solver"):
        fit(tiny, "b", appearances="auto", parts=3, **{"seeds": range(16), **given})


@pytest.mark.parametrize("facts", [None, 3, {"parts": [1.0]}, {"parts": ["a", "b", "c"]}, {}])
def test_odd_facts_about_stability_are_none(tiny, facts):
    factors = fit(tiny, "b", parts=3, seeds=range(16))
    assert len(factors.part_stability) == 3
    odd = replace(factors, config={**factors.config, "stability": facts})
    assert odd.part_stability == () and odd.stable_axes(0) == list(range(12))
    assert part_titles(odd) == ["part 0", "part 1", "part 2"] and odd.stable_parts == [0, 1, 2]
