"""The methods, each from its maths, on the small networks of the goldens."""

import gc
import inspect
import weakref
from dataclasses import fields

import numpy as np
import pytest
import torch
from conftest import unsettled
from golden_files import FILES, FOLDER

from panda import PandaError, create_generator
from panda.directions.changes import WChange, ZChange
from panda.directions.gradients import Sensitivity, sensitivities, shrink
from panda.directions.jacobian import jacobian
from panda.directions.lowrankgan import robust_pca
from panda.directions.pca import principal_axes
from panda.directions.resefa import rayleigh
from panda.directions.sefa import eigen
from panda.directions.stylespace import local_channels, winners
from panda.factorization.fit import fit
from panda.methods.catalog import METHODS, find_method
from panda.methods.parts import part_changes
from panda.methods.published import read_directions
from panda.metrics.regions import Boxes

STYLEGAN2 = "stylegan2-genforce/checkpoint.pth"
MAPPED = (STYLEGAN2, "stylegan1-genforce/checkpoint.pth", "stylegan3-t/network.pkl")
STRAIGHT = (
    "proggan-genforce/checkpoint.pth",
    "biggan-deep-hf/hf",
    "biggan-ajbrock/state_dict.safetensors",
)
SMALL = {
    "ganspace": ("samples=200", "components=3", "features=20"),
    "sefa": ("components=3",),
    "stylespace": ("images=2", "samples=20", "probes=2", "channels=3"),
    "lowrankgan": ("images=1", "pixels=16", "directions=2", "relax=8", "sparsity=0.3"),
    "resefa": ("images=1", "pixels=16", "directions=2"),
    "panda": ("samples=20", "appearances=2"),
    "localdiff": ("rank=3", "joint=1", "directions=2", "iterations=2"),
    "loco": ("directions=2", "null=1", "iterations=2"),
    "random": ("components=2",),
}
EYES = Boxes({"eyes": (100, 128, 80, 160)})


@pytest.fixture(scope="module")
def generators():
    return {file: create_generator(FOLDER / file) for file in (*MAPPED, *STRAIGHT)}


@pytest.mark.parametrize("file", MAPPED)
@pytest.mark.parametrize("name", METHODS)
def test_every_method_fits_lists_and_applies_edits(generators, name, file):
    check(generators[file], name)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(
    "shape", ["stylegan2-rect-3x5", "stylegan2-ada-gray", "stylegan2-ada-rgba"]
)
def test_every_method_takes_images_of_any_shape(name, shape):
    check(create_generator(FOLDER / "shapes" / shape / "network.safetensors"), name)


@pytest.mark.parametrize("file", STRAIGHT)
@pytest.mark.parametrize("name", ["ganspace", "sefa", "panda", "localdiff", "loco", "random"])
def test_what_needs_no_w_runs_where_there_is_none(generators, name, file):
    check(generators[file], name)


def check(generator, name):
    settings = SMALL[name]
    if name == "panda":
        settings = (*settings, f"layers={list(generator.layers)[1]}@2", "focus=0.2")
    fitted = find_method(name, settings).fit(generator, EYES)
    assert fitted.edits() and fitted.method == name
    latents = generator.sample([1, 2])
    before = generator.forward(latents)
    edit = fitted.edits()[0]
    images = fitted.apply(generator, latents, edit, torch.tensor([0.0, 3.0]))
    assert images.shape == (2, generator.channels, *generator.size)
    torch.testing.assert_close(images[0], before[0], atol=1e-5, rtol=1e-4)
    assert (images[1] - before[1]).abs().max() > 1e-5
    alone = fitted.apply(generator, latents[1:], edit, 3.0)
    torch.testing.assert_close(images[1:], alone, atol=1e-4, rtol=1e-4)
    with pytest.raises(PandaError, match=f"{name} has no edit 'x'"):
        fitted.apply(generator, latents, "x", 1.0)


@pytest.mark.parametrize("name", ["stylespace", "lowrankgan", "resefa"])
def test_what_needs_w_says_so(generators, name):
    with pytest.raises(PandaError, match=r"needs a mapped latent space \(w\)"):
        find_method(name).fit(generators[STRAIGHT[0]], EYES)


def test_settings_are_checked():
    assert find_method("resefa", ["images=2", "subspace=64"]).subspace == 64
    assert find_method("panda", ["refined=True"]).refined is True
    with pytest.raises(PandaError, match="no method 'sefaa'; did you mean 'sefa'"):
        find_method("sefaa")
    with pytest.raises(PandaError, match="has no setting 'image'; did you mean 'images'"):
        find_method("resefa", ["image=2"])
    with pytest.raises(PandaError, match="setting images of resefa cannot be 'many'"):
        find_method("resefa", ["images=many"])
    with pytest.raises(PandaError, match="setting joint of localdiff is -1, expected 0 or more"):
        find_method("localdiff", ["joint=-1"])


def test_derivatives_by_forward_mode_are_those_of_differences():
    generator = create_generator(FOLDER / STYLEGAN2, dtype="float64")
    latents = generator.sample([0])
    w = generator.w_plus(latents)[0, 0]
    directions = torch.eye(len(w), dtype=w.dtype)[:3]

    def images(rows):
        found = generator.forward(generator.with_w(generator.sample([0] * len(rows)), rows))
        return shrink(found, 16)

    exact = jacobian(images, w, directions, batch=2)
    step = 1e-6
    ahead, behind = images(w + step * directions), images(w - step * directions)
    torch.testing.assert_close(exact, (ahead - behind) / (2 * step), atol=1e-6, rtol=1e-5)


def test_without_a_forward_rule_differences_are_taken():
    def cube(rows):  # out= has none
        return torch.mul(rows.square(), rows, out=torch.empty(0))

    def honest(rows):
        return rows.square() * rows

    point, directions = torch.tensor([1.0, 2.0]), torch.eye(2)
    exact = jacobian(honest, point, directions)
    torch.testing.assert_close(jacobian(cube, point, directions), exact, atol=1e-3, rtol=1e-3)


def test_an_error_of_the_network_is_not_hidden():
    def broken(rows):
        raise RuntimeError("out of something")

    with pytest.raises(RuntimeError, match="out of something"):
        jacobian(broken, torch.zeros(2), torch.eye(2))


def test_principal_axes_are_those_of_the_samples(generators):
    generator = generators[STYLEGAN2]
    axes, deviations = principal_axes(generator, 300)
    w = generator.sample(range(300), truncation=1.0).tensors["w"][:, 0].double()
    values = torch.linalg.svdvals(w - w.mean(0)) / 300**0.5
    torch.testing.assert_close(deviations.double(), values, atol=1e-5, rtol=1e-3)
    torch.testing.assert_close(axes @ axes.T, torch.eye(len(axes)), atol=1e-5, rtol=0)
    along = ((w - w.mean(0)) @ axes[0].double()).std(unbiased=False)
    assert float(along) == pytest.approx(float(deviations[0]), rel=1e-4)


def test_sefa_finds_what_the_weights_amplify_most():
    torch.manual_seed(0)
    strong = torch.nn.functional.normalize(torch.randn(1, 6), dim=1)
    weight = torch.randn(50, 1) @ strong + 0.1 * torch.randn(50, 6)
    assert float((eigen([weight])[0] @ strong[0]).abs()) > 0.99


def test_robust_pca_splits_a_low_rank_from_a_sparse_matrix():
    torch.manual_seed(1)
    low = torch.randn(30, 2).double()
    low = low @ low.T
    sparse = torch.zeros(30, 30).double()
    places = torch.randint(0, 30, (20, 2))
    sparse[places[:, 0], places[:, 1]] = sparse[places[:, 1], places[:, 0]] = 5.0
    found, rest = robust_pca(low + sparse, 30**-0.5)
    torch.testing.assert_close(found, low, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(rest, sparse, atol=1e-3, rtol=1e-3)
    with pytest.raises(PandaError, match="nothing in the region changes"):
        robust_pca(torch.zeros(3, 3), 0.1)


def test_resefa_maximizes_the_ratio():
    torch.manual_seed(2)
    inside, outside = (torch.randn(8, 20).double() for _ in range(2))
    inside, outside = inside @ inside.T, outside @ outside.T
    rows = rayleigh(inside, outside).double()
    ridge = 1e-3 * outside.trace() * torch.eye(8).double()

    def ratio(v):
        return float((v @ inside @ v) / (v @ (outside + ridge) @ v))

    best = ratio(rows[0])
    assert all(best >= ratio(v) - 1e-9 for v in (*rows, *torch.randn(200, 8).double()))


def test_stylespace_keeps_channels_that_win_in_one_region():
    masks = torch.zeros(2, 4, 4, dtype=torch.bool)
    masks[0, :2, :2] = masks[1, 2:, 2:] = True
    maps = torch.stack([masks[0].float(), masks[1].float(), torch.zeros(4, 4)])
    assert winners(maps, masks).tolist() == [0, 1, -1]
    wins = torch.tensor([[0, 1, -1], [0, 0, -1], [0, 1, 1]])
    shares = local_channels(wins, 2)
    assert shares[0].tolist() == [1, 0] and shares[2].tolist() == [0, 0]
    assert shares[1, 1] == pytest.approx(2 / 3)


def test_stylespace_by_its_authors_whole_jacobian(generators):
    boxes = Boxes({"left": (128, 64, 256, 128), "right": (128, 192, 256, 128)})
    method = find_method("stylespace", ["images=1", "samples=5", "channels=3"])
    fitted = method.fit(generators[STYLEGAN2], boxes)
    assert {name.partition(":")[0] for name in fitted.edits()} <= {"left", "right"}
    assert fitted.edits()


def test_published_directions_are_read_and_nothing_is_unpickled(generators, tmp_path):
    generator = generators[STYLEGAN2]
    size = len(generator.w_mean)
    good, bad, evil = tmp_path / "smile.npy", tmp_path / "wide.npy", tmp_path / "evil.npy"
    np.save(good, np.eye(1, size))
    np.save(bad, np.eye(1, size + 1))
    np.save(evil, np.array([object()]), allow_pickle=True)
    (change,) = read_directions([good], generator, 1, 3).values()
    assert change.direction.shape == (size,) and (change.start_slot, change.stop_slot) == (1, 3)
    for file, said in ((bad, "expected a direction"), (evil, "not a plain .npy matrix")):
        with pytest.raises(PandaError, match=said):
            read_directions([file], generator)


def test_every_golden_is_one_or_the_other():
    assert {*MAPPED, *STRAIGHT} <= set(FILES)


def test_changes_and_fits_can_be_compared_and_hashed(generators):
    fitted = [find_method("sefa", ["components=1"]).fit(generators[STYLEGAN2], EYES)] * 2
    changes = [WChange(torch.ones(4)), ZChange(torch.ones(4)), *fitted[0].changes.values()]
    assert fitted[0] == fitted[1] and len({*fitted}) == 1
    assert len({*changes}) == len(changes)
    assert changes[0] == changes[0] and WChange(torch.ones(4)) != WChange(torch.ones(4))


def test_part_changes_and_sensitivities_can_be_compared_and_hashed(generators):
    generator = generators[STYLEGAN2]
    factors = fit(generator, list(generator.layers)[1], parts=2, seeds=range(20))
    first, second = (part_changes(factors, appearances=1) for _ in range(2))
    assert all(first[name] != second[name] for name in first)
    assert len({*first.values(), *second.values()}) == 2 * len(first)
    one, other = (Sensitivity("eyes", 0, torch.eye(2), torch.eye(2)) for _ in range(2))
    assert one == one and one != other and len({one, other}) == 2


@pytest.mark.verdict
def test_edits_of_stable_parts_and_axes_are_listed_first(tiny):
    factors = unsettled(fit(tiny, "b", parts=3, seeds=range(16)), [1], [0, 2])
    listed = [name.removeprefix("b ") for name in part_changes(factors, appearances=2)]
    assert listed == [f"{part}:p{axis}" for part in (0, 2, 1) for axis in (1, 3)]


def test_sensitivities_are_computed_once_and_keep_no_generator():
    generator = create_generator(FOLDER / STYLEGAN2)
    settings = EYES, 1, 16, 4
    first = sensitivities(generator, *settings)
    assert sensitivities(generator, *settings) is first
    assert sensitivities(generator, EYES, 1, 16, 3) is not first
    there = weakref.ref(generator)
    del generator
    gc.collect()
    assert there() is None


def test_images_that_are_smaller_than_a_method_wants_stay_as_they_are():
    generator = create_generator(FOLDER / STYLEGAN2)
    (small,) = sensitivities(generator, EYES, 1, generator.size[0], None)
    (large,) = sensitivities(generator, EYES, 1, 8 * generator.size[0], None)
    assert torch.equal(large.inside, small.inside) and torch.equal(large.outside, small.outside)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_documents_its_source_and_settings(name):
    about = inspect.getdoc(type(METHODS[name]))  # without the indentation, which Python 3.13 drops
    assert "\nSource: " in about and "released code." in about
    assert METHODS[name].source.removeprefix("arXiv ") in about
    for field in fields(METHODS[name]):
        assert f"\n    {field.name}: " in about
