"""LocalDiff and LOCO on a network whose Jacobian is known, and what they start from."""

import pytest
import torch

from panda import Generator, Latents, Layer, PandaError, State, edit_images
from panda.directions import named
from panda.directions.changes import FeatureChange
from panda.directions.feature_jacobian import feature_jacobians
from panda.directions.localdiff import LocalDiff, jive
from panda.directions.loco import LOCO
from panda.directions.named import find_direction
from panda.directions.random import Random
from panda.directions.singular import leading
from panda.evaluation.choose import ChosenEdit, screen
from panda.evaluation.faces import FaceSampler
from panda.evaluation.store import BenchmarkFolder
from panda.factorization.fit import fit
from panda.generators.predicting import Predicting
from panda.generators.seeds import seeded_normal
from panda.metrics.regions import Boxes

LEFT = Boxes({"left": (128, 64, 256, 128)})
"""The left half of every image."""


class Known(Generator):
    """Images are ``tanh(W x)``: the Jacobian is ``(1 - tanh^2) W``.

    Of the 32 features the left half depends on the first 12 alone, and the right half on the others
    and on the first 4.
    """

    usual_truncation = 1.0

    def __init__(self) -> None:
        self.name, self.device, self.size = "known", torch.device("cpu"), (4, 8)
        self.layers = {"a": Layer("a", 2, 4, 4)}
        draw = torch.Generator().manual_seed(0)
        weight = torch.randn(3, 4, 8, 32, generator=draw, dtype=torch.float64) / 3
        weight *= 0.9 ** torch.arange(32)  # so that singular values differ
        weight[..., :4, 12:] = 0
        weight[..., 4:, 4:12] = 0
        self.weight = weight

    def sample(self, seeds, *, truncation=1.0, label=None):
        z = truncation * torch.from_numpy(seeded_normal(seeds, 32)).double()
        return Latents(tuple(seeds), {"z": z})

    def head(self, latents, layer):
        return State(latents.tensors["z"].view(-1, 2, 4, 4))

    def tail(self, state, layer):
        return torch.einsum("cijk,nk->ncij", self.weight, state.x.flatten(1)).tanh()

    def forward(self, latents):
        return self.tail(self.head(latents, "a"), "a")

    def jacobian(self, seeds):
        """The Jacobian of the stacked images, ``[N, 3, 4, 8, 32]``."""
        images = self.forward(self.sample(seeds))
        return (1 - images.square())[..., None] * self.weight


class Expecting(Known, Predicting):
    """One that expects images of twice the contrast on the left."""

    def predict(self, state, layer):
        images = self.tail(state, layer)
        return torch.cat([2 * images[..., :4], images[..., 4:]], 3)


@pytest.fixture
def known():
    return Known()


def test_singular_vectors_are_those_of_the_whole_matrix():
    draw = torch.Generator().manual_seed(1)
    matrix = torch.randn(40, 24, generator=draw, dtype=torch.float64)
    matrix *= 0.8 ** torch.arange(24)  # columns, so that singular values differ
    values, rows = leading(lambda each: each @ matrix.T @ matrix, 24, 5, 100)
    _, expected, axes = torch.linalg.svd(matrix)
    torch.testing.assert_close(values, expected[:5], rtol=1e-3, atol=0)
    assert bool(((rows * axes[:5]).sum(1).abs() > 0.99).all())


def test_a_matrix_of_lower_rank_has_no_more_singular_vectors():
    row = torch.ones(1, 9, dtype=torch.float64)
    values, rows = leading(lambda each: each @ row.T @ row, 9, 4, 10)
    torch.testing.assert_close(values, torch.tensor([3.0], dtype=torch.float64))
    assert rows.shape == (1, 9)
    assert len(leading(torch.zeros_like, 9, 4, 10)[0]) == 0


def test_inside_and_outside_are_those_of_the_dense_jacobian(known):
    (jacobian,) = feature_jacobians(known, LEFT, "", 5, True)
    dense = known.jacobian(range(4, 9))
    for found, rows in (
        (jacobian.inside(3, 200), dense[..., :4, :]),
        (jacobian.outside(3, 200), dense[..., 4:, :]),
    ):
        _, values, axes = torch.linalg.svd(rows.reshape(-1, 32), full_matrices=False)
        torch.testing.assert_close(found[0], values[:3], rtol=2e-3, atol=0)
        assert float((found[1] @ axes[:3].T).norm() ** 2) > 2.9


def test_loco_leaves_the_outside_unchanged_to_first_order(known):
    changes = LOCO(images=2, directions=2, null=24, iterations=300).changes(known, LEFT)
    (first, *_) = changes.values()
    dense = known.jacobian([4, 5]) @ first.direction.double().flatten()
    assert float(dense[..., 4:].norm()) < 1e-4 * float(dense[..., :4].norm())
    latents = known.sample([4, 5])
    before = known(latents)
    moved = first.start(known, latents)(torch.full((2,), 1e-3)) - before
    assert float(moved[..., 4:].norm()) < 1e-3 * float(moved[..., :4].norm())
    loose = LOCO(images=2, directions=2, null=0).changes(known, LEFT)["left 0"]
    spilled = known.jacobian([4, 5]) @ loose.direction.double().flatten()
    assert float(spilled[..., 4:].norm()) > 0.1 * float(spilled[..., :4].norm())


def test_loco_says_where_all_that_moves_a_region_moves_the_rest(known):
    with pytest.raises(PandaError, match="LOCO finds no direction of known: whatever moves"):
        LOCO(null=32, iterations=1, directions=32).changes(Blind(), LEFT)


class Blind(Known):
    """The left half shows the same features as the right one."""

    def __init__(self) -> None:
        super().__init__()
        self.weight[..., 4:12] = 0
        self.weight[..., 12:] = 0


def test_jive_finds_what_blocks_share_and_what_each_has_alone():
    draw = torch.Generator().manual_seed(2)
    axes = torch.linalg.qr(torch.randn(30, 6, generator=draw, dtype=torch.float64))[0].T
    shared, own = axes[:2], (axes[2:4], axes[4:])
    mixed = torch.randn(2, 10, 4, generator=draw, dtype=torch.float64)
    noise = 1e-3 * torch.randn(2, 10, 30, generator=draw, dtype=torch.float64)
    blocks = [
        mix @ torch.cat([shared, rows]) + n for mix, rows, n in zip(mixed, own, noise, strict=True)
    ]
    joint, individual = jive(blocks, 2, 2)
    for found, expected in ((joint, shared), *zip(individual, own, strict=True)):
        assert float((found @ expected.T).norm() ** 2) > 1.99
    for rows in individual:
        torch.testing.assert_close(rows @ joint.T, torch.zeros(2, 2).double(), atol=1e-9, rtol=0)


def test_localdiff_tells_what_a_region_has_alone_from_what_it_shares(known):
    method = LocalDiff(images=2, rank=12, joint=4, directions=3, iterations=300)
    changes = method.changes(known, LEFT)
    assert list(changes) == [f"left {k}" for k in range(3)] + [f"left joint {k}" for k in range(4)]
    spilled = {}
    for name, change in changes.items():
        moved = known.jacobian([4, 5]) @ change.direction.double().flatten()
        spilled[name] = float(moved[..., 4:].norm() / moved[..., :4].norm())
    assert max(spilled[f"left {k}"] for k in range(3)) < 0.5
    assert min(spilled[f"left joint {k}"] for k in range(4)) > 0.5


def test_what_a_sampler_expects_is_taken_where_it_tells():
    values = {}
    for generator, predicted in ((Known(), True), (Expecting(), True), (Expecting(), False)):
        (jacobian,) = feature_jacobians(generator, LEFT, "a", 1, predicted)
        values[type(generator).__name__, predicted] = jacobian.inside(1, 50)[0]
    plain = values["Known", True]
    torch.testing.assert_close(values["Expecting", True], 2 * plain)
    torch.testing.assert_close(values["Expecting", False], plain)


def test_what_cannot_be_derived_or_has_no_region_is_refused(known, monkeypatch):
    nowhere = Boxes({"eyes": (900, 900, 10, 10)})
    with pytest.raises(PandaError, match="no image of known has eyes; more 'images'"):
        LOCO().changes(known, nowhere)
    with pytest.raises(PandaError, match="0 images, expected at least 1"):
        LocalDiff(images=0).changes(known, LEFT)
    with pytest.raises(PandaError, match="has no layer 'b'"):
        LOCO(layer="b").changes(known, LEFT)
    whole = Known.tail
    monkeypatch.setattr(
        Known, "tail", lambda self, state, layer: whole(self, state, layer).detach()
    )
    with pytest.raises(PandaError, match="known gives no gradients"):
        LOCO().changes(known, LEFT)


def test_random_directions_of_features_are_everywhere_or_in_a_region(known):
    changes = Random(components=2, layer="a").changes(known, LEFT)
    assert list(changes) == ["0", "1", "left 0", "left 1"]
    everywhere, inside = changes["1"].direction, changes["left 1"].direction
    assert float(inside[..., 2:].abs().max()) == 0 < float(everywhere[..., 2:].abs().min())
    for each in changes.values():
        assert float(each.direction.norm()) == pytest.approx(1, rel=1e-5)


def test_changes_of_features_are_screened_and_kept_in_a_benchmark(known, tmp_path):
    draw = torch.Generator().manual_seed(0)
    change = FeatureChange(torch.randn(2, 4, 4, generator=draw), "a")
    faces = FaceSampler(known, None, boxes=True, size=8).sample([0])
    assert set(screen(FaceSampler(known, None, size=8), change, faces)) == set(Boxes().names)
    folder = BenchmarkFolder(tmp_path, {})
    fit = {"method": ["loco", []], "edits": 1, "cpu_seconds": 0.1}
    folder.save_choices("loco", {"eyes": ChosenEdit("eyes 0", change, 1.0, 0.5, 1.0)}, fit)
    loaded = folder.load_choices("loco")[0]["eyes"].change
    assert torch.equal(loaded.direction, change.direction) and loaded.layer == "a"


@pytest.fixture
def faces(tiny, monkeypatch, cache):
    """A tiny generator that is taken for one of faces."""
    monkeypatch.setattr(named, "_FOUND", type(named._FOUND)())
    monkeypatch.setattr(named, "makes_faces", lambda name: True)
    few = LOCO(directions=2, null=1, iterations=2)
    monkeypatch.setitem(named.FEATURE_FINDERS, "loco", named._of_features(few))
    return tiny


def test_a_name_stands_for_features_of_the_layer_where_an_edit_acts(faces):
    factors = fit(faces, "b", parts=3, seeds=range(16))
    latents = faces.sample([1, 2])
    change = find_direction("loco", "eyes.1", faces, layer="b")
    assert change.layer == "b" and change.direction.shape == (12, 8, 8)
    expected = change.start(faces, latents)(torch.full((2,), 3.0))
    images = edit_images(faces, factors, latents, "all:loco/eyes.1:3")
    torch.testing.assert_close(images, expected, atol=1e-5, rtol=1e-4)
    local = edit_images(faces, factors, latents, "0:loco/eyes.1:3")
    assert float((local - images).abs().max()) > 1e-4
    assert find_direction("loco", "eyes.1", faces, layer="c").layer == "c"
    assert find_direction("loco", "eyes.1", faces).layer == "a"  # the usual one


def test_names_that_there_are_not_are_refused(faces):
    for key, said in (
        ("eyes.2", "no direction loco/eyes.2; loco has eyes.0 to eyes.1"),
        ("eyes.0.1", "no direction loco/eyes.0.1"),
        ("ears.0", "expected REGION.NUMBER, such as loco/eyes.0"),
    ):
        with pytest.raises(PandaError, match=said):
            find_direction("loco", key, faces, layer="b")
    with pytest.raises(PandaError, match="moves features and no slots; leave out '#'"):
        find_direction("loco", "eyes.0", faces, (1, 2))
