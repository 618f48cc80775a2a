import errno
import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from panda import PandaError
from panda.factorization.factors import Factors, scale_parts
from panda.factorization.fit import fit
from panda.factorization.linear_algebra import leading_eigenvectors


@pytest.fixture
def factors(tiny):
    return fit(tiny, "b", parts=4, appearances=6, seeds=range(60))


def test_what_is_saved_is_what_is_loaded(factors, tmp_path):
    factors.save(tmp_path / "f")
    again = Factors.load(tmp_path / "f")
    assert sorted(path.name for path in (tmp_path / "f").iterdir()) == [
        "config.json",
        "factors.safetensors",
        "made_by_panda.json",
    ]
    for name, tensor in factors._tensors().items():
        assert torch.equal(getattr(again, name), tensor)
    assert again.layer == factors.layer
    assert again.config == factors.config


def test_the_config_holds_all_that_reproduces_them(factors, tmp_path, tiny):
    factors.save(tmp_path / "f")
    config = json.loads((tmp_path / "f" / "config.json").read_text())
    assert config["seeds"] == "0-59"
    assert config["solver"] == {"name": "joint"}
    assert config["generator"] == "tiny"
    assert {"trace", "truncation", "label", "versions", "energy_per_sample"} <= set(config)
    again = fit(tiny, config["layer"]["name"], parts=4, appearances=6, seeds=range(60))
    assert torch.allclose(again.parts, factors.parts)


def test_saving_again_replaces_but_never_touches_other_folders(factors, tmp_path):
    factors.save(tmp_path / "f")
    factors.save(tmp_path / "f")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").touch()
    with pytest.raises(PandaError, match="exists and holds no factors"):
        factors.save(tmp_path / "photos")


@pytest.mark.parametrize("missing", [None, "format", "generator", "layer"])
def test_factors_from_before_manifests_are_known_by_their_config(factors, tmp_path, missing):
    folder = factors.save(tmp_path / "f")
    (folder / "made_by_panda.json").unlink()
    if missing is None:
        factors.save(folder)
        assert Factors.load(folder).config == factors.config
        return
    config = json.loads((folder / "config.json").read_text())
    del config[missing]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(PandaError, match="exists and holds no factors"):
        factors.save(folder)


def test_saving_again_leaves_what_others_put_there(factors, tmp_path):
    folder = factors.save(tmp_path / "f")
    (folder / "notes.txt").write_text("mine")
    with suppress(PandaError):  # refused, or saved beside it
        factors.save(folder)
    assert (folder / "notes.txt").read_text() == "mine"
    (folder / "notes.txt").unlink()
    (folder / "config.json").write_text('{"format": 1}')  # of another program
    with pytest.raises(PandaError, match=r"holds what PandA did not write.*config.json"):
        factors.save(folder)
    assert (folder / "config.json").read_text() == '{"format": 1}'


def test_a_full_disk_leaves_the_earlier_factors_whole(factors, tmp_path, monkeypatch):
    factors.save(tmp_path / "f")

    def full(self, *_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(PandaError, match="cannot write .*: No space left on device"):
        replace(factors, generator="other").save(tmp_path / "f")
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
    assert Factors.load(tmp_path / "f").generator == "tiny"


@pytest.mark.parametrize("keep", [0, 7, 200, 2000])
def test_a_truncated_file_is_one_sentence(factors, tmp_path, keep):
    path = factors.save(tmp_path / "f") / "factors.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(PandaError, match="not a whole safetensors file"):
        Factors.load(tmp_path / "f")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("generator", 5),
        ("generator", None),
        ("layer", {"name": "b", "channels": 12, "height": 8.0, "width": 8}),
        ("layer", {"name": [], "channels": 12, "height": 8, "width": 8}),
        ("layer", {"name": "b", "channels": 12, "height": 0, "width": 8}),
        ("format", "1"),
        ("format", True),
    ],
)
def test_a_config_with_a_wrong_value_is_one_sentence(factors, tmp_path, name, value):
    factors.save(tmp_path / "f")
    config = json.loads((tmp_path / "f" / "config.json").read_text())
    (tmp_path / "f" / "config.json").write_text(json.dumps({**config, name: value}))
    with pytest.raises(PandaError):
        Factors.load(tmp_path / "f")


@pytest.mark.parametrize(
    "damage",
    [
        {"parts": torch.ones(64, 4, dtype=torch.int64)},
        {"appearances": torch.ones(12, 6).half()},
        {"mean": torch.tensor(1.0)},
        {"parts": torch.zeros(64, 4)},
        {"background": torch.full((12,), float("nan"))},
        {"extra": torch.ones(1)},
    ],
)
def test_wrong_tensors_are_one_sentence(factors, tmp_path, damage):
    from panda.checkpoints.tensors import save_tensors

    path = factors.save(tmp_path / "f") / "factors.safetensors"
    save_tensors(path, {**factors._tensors(), **damage}, {})
    with pytest.raises(PandaError):
        Factors.load(tmp_path / "f")


def test_factors_that_cannot_be_are_not_saved(factors, tmp_path):
    with pytest.raises(PandaError, match=f"^{tmp_path / 'f'}: parts must be non-negative"):
        replace(factors, parts=-factors.parts).save(tmp_path / "f")
    assert not (tmp_path / "f").exists()


def test_a_strength_in_deviations_that_do_not_exist_is_refused(tiny):
    from panda.editing.edits import Edit

    constant = fit(tiny, "b", parts=2, seeds=[3])
    with pytest.raises(PandaError, match="does not vary over the samples"):
        Edit((0,), "p0", 5.0, sigma=True).change(constant)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"layer": 3}', '{"format": 9}'])
def test_a_damaged_config_is_one_sentence(factors, tmp_path, text):
    factors.save(tmp_path / "f")
    (tmp_path / "f" / "config.json").write_text(text)
    with pytest.raises(PandaError):
        Factors.load(tmp_path / "f")


def test_no_factors_there_says_how_to_make_them(tmp_path):
    with pytest.raises(PandaError, match="panda fit GENERATOR LAYER --out"):
        Factors.load(tmp_path / "nothing")


def test_a_picture_and_a_folder_of_results_hold_no_factors(tmp_path):
    (tmp_path / "config.json").write_text('{"made_by_panda": {"verb": "edit"}}')
    (tmp_path / "s0.png").touch()
    for path in (tmp_path, tmp_path / "s0.png"):
        with pytest.raises(PandaError, match="holds no factors; make them with 'panda fit") as said:
            Factors.load(path)
        assert str(said.value).startswith(f"{path} ")


def test_factors_of_another_generator_or_layer_are_refused(factors, tiny):
    factors.check(tiny)
    with pytest.raises(
        PandaError, match="factors of other, but the generator is tiny; fit factors for it$"
    ):
        replace(factors, generator="other").check(tiny)
    with pytest.raises(PandaError, match="these factors are for Layer"):
        replace(factors, layer=replace(factors.layer, channels=5)).check(tiny)


def test_transform_and_back_is_the_models_reconstruction(factors, tiny):
    x = tiny.head(tiny.sample(range(60)), "b").x
    back = factors.inverse_transform(factors.transform(x))
    lost = (x - back).square().sum() / x.square().sum()
    assert float(lost) == pytest.approx(factors.loss, abs=1e-4)


def test_own_appearances_are_the_axes_a_part_varies_along(factors, tiny):
    x = tiny.head(tiny.sample(range(60)), "b").x.flatten(2)
    weights = scale_parts(factors.parts)
    pooled = x @ (weights / weights.sum(0))
    for part in range(4):
        coordinates = pooled[:, :, part] @ factors.own[part].T
        assert torch.allclose(coordinates.std(0, correction=0), factors.own_spread[part], atol=1e-4)
    assert (factors.own_spread.diff(dim=1) <= 1e-6).all()


def test_masks_are_parts_scaled_to_zero_and_one(factors):
    assert factors.masks.shape == (4, 8, 8)
    assert torch.equal(factors.masks.amin((1, 2)), torch.zeros(4))
    assert torch.equal(factors.masks.amax((1, 2)), torch.ones(4))


@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30])
@pytest.mark.parametrize("spectrum", [torch.logspace(0, -4, 128), torch.linspace(1, 0.5, 128)])
def test_leading_axes_are_those_of_the_whole_eigenproblem(spectrum, scale):
    torch.manual_seed(0)
    turn = torch.linalg.qr(torch.randn(128, 128, dtype=torch.float64))[0]
    matrix = (scale * turn * spectrum.double() @ turn.T).numpy()
    values, axes = leading_eigenvectors(matrix, 16)
    expected = spectrum.double()[:16].numpy() * scale
    assert values == pytest.approx(expected, rel=1e-9)
    assert abs((axes.T @ turn.numpy()[:, :16]).diagonal()) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("live", [0, 1, 5, 20, 128])
def test_leading_axes_of_equal_values_are_the_same_each_time(live):
    matrix = torch.diag((torch.arange(128) < live).double()).numpy()
    values, axes = leading_eigenvectors(matrix, 16)
    assert (axes == leading_eigenvectors(matrix, 16)[1]).all()
    assert values.sum() == pytest.approx(min(live, 16))


@pytest.mark.parametrize("values", [[1.0, 0.5], [1.0], [3.0, 2.0, 1.0]])
def test_axes_of_few_directions_are_the_same_bits_in_every_call(values):
    """Lanczos' method goes on from a random vector where nothing is left: its own, each time."""
    matrix = np.diag(values + [0.0] * 60)
    first = leading_eigenvectors(matrix, 2)[1]
    assert all((leading_eigenvectors(matrix, 2)[1] == first).all() for _ in range(20))
