"""What `fit` takes: natural input in any form, and one sentence for everything else."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import TinyGenerator

from panda import Layer, PandaError, create_generator
from panda.factorization.cached import cached_folder, fit_cached
from panda.factorization.fit import fit, import_released


@pytest.mark.parametrize(
    "seeds", [12, "0-11", range(12), list(range(12)), np.arange(12), torch.arange(12)]
)
def test_seeds_in_any_form_are_the_same_samples(tiny, seeds):
    factors = fit(tiny, "a", parts=2, seeds=seeds)
    assert factors.config["seeds"] == "0-11"
    assert torch.equal(factors.parts, fit(tiny, "a", parts=2, seeds=range(12)).parts)


def test_samples_may_come_one_by_one(tiny):
    alone, together = (fit(tiny, "a", parts=2, seeds=range(12), batch=size) for size in (1, 12))
    torch.testing.assert_close(alone.parts, together.parts, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("whole", [np.int64, np.uint8, torch.tensor])
def test_numbers_of_other_libraries_are_numbers(tiny, tmp_path, whole):
    factors = fit(
        tiny,
        "a",
        parts=whole(2),
        appearances=whole(3),
        seeds=whole(12),
        batch=whole(5),
        truncation=np.float32(0.5),
    )
    assert factors.spread.shape == (3, 2)
    assert factors.config["truncation"] == 0.5
    factors.save(tmp_path / "f")  # all of its config is plain data


def test_a_backend_may_count_in_numpy(tmp_path):
    class Counted(TinyGenerator):
        def __init__(self):
            super().__init__()
            sizes = {name: np.int64(layer.height) for name, layer in self.layers.items()}
            self.layers = {k: Layer(k, np.int32(12), side, side) for k, side in sizes.items()}

        def sample(self, seeds, **options):
            return replace(super().sample(seeds, **options), seeds=np.array(seeds))

    generator = Counted()
    fit(generator, "a", parts=2, seeds=4).save(tmp_path / "f")
    assert type(generator.sample(2).seeds[1]) is int
    assert type(generator.layers["b"].positions) is int


@pytest.mark.parametrize("name", ["truncation", "learning_rate"])
def test_numbers_beyond_floats_are_one_sentence(tiny, name):
    with pytest.raises(PandaError, match="is not a number, such as 0.7"):
        fit(tiny, "a", parts=2, seeds=4, **{name: 10**400})


def test_resume_takes_text(tiny, tmp_path):
    fit(tiny, "a", parts=2, seeds=4, resume=str(tmp_path / "j"))
    assert (tmp_path / "j" / "0-of-1.sums").exists()


def test_labels_are_one_for_all_samples_or_one_for_each():
    generator = create_generator("mini-biggan-faces-64")
    layer = "8.block1"
    alternating = {"label": np.arange(6) % 2, "seeds": 6, "parts": 2, "batch": 4}
    mixed = fit(generator, layer, **alternating)
    assert mixed.config["label"] == [0, 1, 0, 1, 0, 1]
    one = fit(generator, layer, **{**alternating, "label": np.int64(1)})
    assert one.config["label"] == 1
    x = generator.head(generator.sample(6, truncation=1, label=[0, 1, 0, 1, 0, 1]), layer).x
    torch.testing.assert_close(mixed.mean, x.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(one.mean, mixed.mean, atol=1e-3)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"generator": "tiny"}, "generator is 'tiny', expected what panda.create_generator"),
        ({"generator": None}, "generator is None"),
        ({"layer": "z"}, "generator 'tiny' has no layer 'z'"),
        ({"layer": 3}, "layer is 3, expected a name; valid: a, b"),
        ({"layer": ["a"]}, "layer is .*expected a name"),
        ({"layer": None}, "layer is None"),
        ({"parts": 0}, "0 parts were asked for; this layer has 4 x 4 positions, so 1 to 16"),
        ({"parts": -2}, "-2 parts were asked for"),
        ({"parts": 2.0}, "parts is 2.0; this layer has 4 x 4 positions, so 1 to 16"),
        ({"parts": "2"}, "parts is '2'; this layer"),
        ({"parts": None}, "parts is None; this layer"),
        ({"parts": True}, "parts is True; this layer"),
        ({"parts": [2]}, "this layer has"),
        ({"parts": np.array([2])}, "this layer has"),
        ({"appearances": 1.5}, "appearances is 1.5; this layer has 12 channels, so 1 to 12"),
        ({"appearances": 13}, "13 appearances were asked for"),
        ({"seeds": None}, "seeds None: expected whole numbers"),
        ({"seeds": []}, "no seeds were given"),
        ({"seeds": [0.5]}, "seed 0.5 is not a whole number"),
        ({"seeds": [-1]}, "seed -1 is not a whole number"),
        ({"seeds": "a-b"}, "seeds 'a-b' cannot be read"),
        ({"truncation": None}, "truncation None is not a number"),
        ({"truncation": "0.7"}, "truncation '0.7' is not a number"),
        ({"truncation": float("nan")}, "truncation nan is not a number"),
        ({"label": 0.5}, "label 0.5 is not a whole number"),
        ({"label": [0, 1]}, "2 labels were given for 4 seeds"),
        ({"label": [0, 1, 2, 0.5]}, "label .* is not a whole number"),
        ({"solver": "jiont"}, "there is no solver 'jiont'; did you mean 'joint'"),
        ({"solver": 3}, "there is no solver 3"),
        ({"solver": ["joint"]}, "there is no solver"),
        ({"solver": None}, "there is no solver None"),
        ({"learning_rate": None}, "learning rate None is not a number"),
        ({"learning_rate": -1}, "expected at least one step and a positive rate"),
        ({"steps": 1.5}, "1.5 steps with learning rate 1e-06: expected at least one step"),
        ({"batch": 0}, "batch is 0, expected a whole number of samples"),
        ({"batch": 2.5}, "batch is 2.5, expected a whole number of samples"),
        ({"batch": "all"}, "batch is 'all', expected a whole number of samples"),
        ({"resume": 3}, "resume is 3, expected the path of a folder"),
        ({"resume": b"j"}, "resume is b'j', expected the path of a folder"),
    ],
)
def test_what_cannot_be_fitted_is_one_sentence(tiny, changes, sentence):
    given = {"generator": tiny, "layer": "a", "parts": 2, "seeds": 4, **changes}
    with pytest.raises(PandaError, match=sentence):
        fit(**given)


@pytest.mark.parametrize("file", [None, 3, [Path("Uc.npy")]])
def test_released_files_that_are_no_paths_are_one_sentence(tiny, file):
    with pytest.raises(PandaError, match="the released file is .*, expected the path"):
        import_released(tiny, "a", file, "Us.npy")


def test_the_cache_knows_the_same_seeds_in_any_form(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("PANDA_HOME", str(tmp_path))
    folders = {
        cached_folder("tiny", "a", parts, 12, seeds)
        for parts in (2, np.int64(2))
        for seeds in (8, "0-7", range(8), np.arange(8))
    }
    assert [folder.name for folder in folders] == ["a-2-12-0-7"]
    factors = fit_cached(tiny, "a", parts=np.int64(2), seeds=torch.arange(8))
    assert (next(iter(folders)) / "config.json").exists()
    assert torch.equal(fit_cached(tiny, "a", parts=2, seeds="0-7").parts, factors.parts)
    with pytest.raises(PandaError, match="layer is 3"):
        fit_cached(tiny, 3)
