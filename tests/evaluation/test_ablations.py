"""One command for all ablations, on a small generator."""

import json

import pytest
import torch

from panda.cli import main
from panda.cli.benchmark import ablations
from panda.evaluation.ablations import area
from panda.generators.contract import Layer


def test_every_choice_is_measured_on_samples_kept_out(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(ablations, "create_generator", lambda name, device: tiny)
    sizes = ["--parts", "2,3,6", "--samples", "20,60", "--held-out", "20", "--steps", "30"]
    assert main(["benchmark", "ablations", "tiny", "b", *sizes, "--out", str(tmp_path)]) == 0
    assert "refinement" in capsys.readouterr().out
    rows = json.loads((tmp_path / "ablations.json").read_text())
    assert {row["choice"] for row in rows} == {
        *("layer", "parts", "appearances", "samples", "solver", "start", "A", "refinement"),
    }
    loss = {(row["choice"], row["value"]): row["loss"] for row in rows}
    assert all(0 <= value <= 1 for value in loss.values())
    assert loss["parts", "6"] < loss["parts", "3"] < loss["parts", "2"]
    assert loss["refinement", "parts of each sample"] < loss["solver", "joint"]
    assert loss["A", "orthonormal, P of any sign"] < loss["A", "orthonormal"]
    page = (tmp_path / "ablations.html").read_text()
    assert "<svg" in page and "less loss than the joint" in page


def test_area_is_the_share_of_the_image_that_a_part_takes():
    parts = torch.zeros(100, 2)
    parts[:10, 0] = 1.0
    parts[:50, 1] = 2.0
    assert area(Layer("l", 1, 10, 10), parts) == pytest.approx((0.1 + 0.5) / 2)
    padded = torch.zeros(14, 14, 3)
    padded[2:12, 2:12, :2] = parts.view(10, 10, 2)
    padded[:2, :, :] = 1.0  # outside of the image, as all of the third part
    share = area(Layer("l", 1, 14, 14, margin=2), padded.view(196, 3))
    assert share == pytest.approx((0.1 + 0.5 + 0) / 3)
