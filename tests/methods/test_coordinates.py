"""Gradients with respect to a part's own coordinates, with a stand-in for face parsing."""

import pytest
import torch
from glowing_eyes import Glow
from golden_files import FOLDER

from panda import PandaError, create_generator
from panda.editing.remove import part_map
from panda.evaluation.choose import ChosenEdit
from panda.evaluation.store import BenchmarkFolder
from panda.methods.catalog import find_method
from panda.methods.coordinates import CoordinateChange
from panda.metrics.regions import Parsed
from panda.metrics.soft_measures import soft_measures

LAYER = "8.conv1"
REGIONS = Parsed(Glow())


@pytest.fixture(scope="module")
def found():
    generator = create_generator(FOLDER / "stylegan2-genforce/checkpoint.pth")
    settings = ["images=3", "measures=eye area,lip corners", f"layer={LAYER}@3", "samples=20"]
    method = find_method("coordinates", [*settings, "parts=2"])
    return generator, method, method.fit(generator, REGIONS).changes


def slope(generator, change):
    """How fast the mean of the measure grows over the faces of the fit."""
    faces = generator.sample(range(3), truncation=generator.usual_truncation)
    render, step = change.start(generator, faces), torch.full((3,), 0.02)
    scores = (REGIONS.parser.scores(render(sign * step)) for sign in (1, -1))
    ahead, behind = (soft_measures(torch.zeros(3, 3, 8, 8), row)["eye area"] for row in scores)
    return float((ahead - behind).mean())


def test_of_all_directions_of_one_deviation_the_measure_grows_fastest_along_it(found):
    generator, _, changes = found
    assert len(changes) == 2 and all(name.startswith(f"eye area in {LAYER} ") for name in changes)
    slopes = [slope(generator, change) for change in changes.values()]
    assert slopes[0] > slopes[1] > 0
    best = next(iter(changes.values()))
    A, spread = best.factors.appearances, best.factors.spread[:, best.parts[0]]
    draws = torch.Generator().manual_seed(0)
    for row in torch.randn(4, A.shape[1], generator=draws):
        row += 2 * (A.T @ best.direction) / spread.clamp_min(1e-9)  # near it, or it is no test
        other = A @ (spread * row / row.norm())
        assert slope(generator, CoordinateChange(best.factors, best.parts, other)) < slopes[0]


def test_features_change_in_its_part_alone(found):
    generator, _, changes = found
    change, faces = next(iter(changes.values())), generator.sample([5, 6])
    state = generator.head(faces, LAYER)
    where = part_map(change.factors, change.parts)[:, None]
    moved = (
        state.x
        + torch.tensor([1.0, -2.0])[:, None, None, None] * where * change.direction[:, None, None]
    )
    expected = generator.tail(state.with_features(moved), LAYER)
    images = change.start(generator, faces)(torch.tensor([1.0, -2.0]))
    torch.testing.assert_close(images, expected)


def test_a_benchmark_keeps_it(found, tmp_path):
    _, method, changes = found
    (name, change), *_ = changes.items()
    assert method.aim(name) == "eye area" and method.supervised
    folder = BenchmarkFolder(tmp_path, {})
    fit = {"method": ["coordinates", []], "edits": 1, "cpu_seconds": 0.1}
    folder.save_choices("own", {"eyes": ChosenEdit(name, change, 1.0, 0.5, 1.0)}, fit)
    again = folder.load_choices("own")[0]["eyes"].change
    assert torch.equal(again.direction, change.direction) and again.parts == change.parts
    assert torch.equal(again.factors.parts, change.factors.parts)


def test_what_there_is_not_is_one_sentence(found):
    generator, *_ = found
    with pytest.raises(PandaError, match="layer='@3': expected such as 32.conv2@16"):
        find_method("coordinates", ["layer=@3"]).fit(generator, REGIONS)
    method = find_method("coordinates", ["images=1", "measures=lip corners", "samples=20"])
    with pytest.raises(PandaError, match="nothing at .* moves lip corners in 1 samples"):
        method.fit(generator, REGIONS)
