"""What factors record of the fit that made them, and what is refused, word for word."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

import panda
from panda import PandaError
from panda.factorization import fit as fit_module
from panda.factorization.display import html_of_parts, picture_of_parts
from panda.factorization.factors import Factors, scale_parts
from panda.factorization.features import Features
from panda.factorization.fit import fit, import_released, reconstruction_loss
from panda.factorization.inputs import compact_seeds, find_layer, joined_seeds
from panda.images import to_picture


@pytest.fixture(scope="module")
def factors():
    from conftest import TinyGenerator

    return fit(TinyGenerator(), "a", parts=2, appearances=3, seeds=12)


def said(call, *arguments, **options):
    with pytest.raises(PandaError) as error:
        call(*arguments, **options)
    return str(error.value)


def test_a_fit_records_all_that_made_it(tiny, monkeypatch):
    ticks = iter([10.0, 11.5, 14.25])
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    config = dict(fit(tiny, "b", parts=2, seeds=[3, 5, 9], truncation=0.5).config)
    x = tiny.head(tiny.sample([3, 5, 9], truncation=0.5), "b").x
    assert config.pop("energy_per_sample") == pytest.approx(float(x.square().sum()) / 3, rel=1e-5)
    assert config.pop("energy_discarded") == pytest.approx(0, abs=1e-5)
    trace = config.pop("trace")
    assert isinstance(trace, list) and len(trace) > 1
    expected = {
        "seeds": [3, 5, 9],
        "truncation": 0.5,
        "label": None,
        "solver": {"name": "joint"},
        "processes": 1,
        "seconds": {"sampling": 1.5, "solving": 2.75},
        "versions": {"panda": panda.__version__, "torch": torch.__version__},
    }
    assert {name: config[name] for name in expected} == expected


def test_the_released_rule_records_its_steps_and_the_loss_after_them(tiny):
    rule = {"solver": "paper", "learning_rate": 1e-4, "steps": 30}
    factors = fit(tiny, "a", parts=2, appearances=5, seeds=7, batch=3, **rule)
    assert factors.config["solver"] == {"name": "paper", "learning_rate": 1e-4, "steps": 30}
    Z = tiny.head(tiny.sample(range(7)), "a").x.flatten(2)
    A, P = fit_module.paper.initial_factors(torch.einsum("ncs,nds->cd", Z, Z), 16, (5, 2))
    steps = [Z[step % 7 : step % 7 + 1] for step in range(30)]  # again and again, one by one
    A, P = fit_module.paper.decompose(A, P, steps, 1e-4)
    torch.testing.assert_close(factors.parts, P, rtol=1e-4, atol=1e-6)
    (loss,) = factors.config["trace"]
    assert loss == pytest.approx(reconstruction_loss(A, P, [Z]), rel=1e-4)
    assert factors.seeds == ""  # another solver than a plain fit's


class Bars:
    """Stands for `panda.progress.bar`, and remembers what each bar was told."""

    def __init__(self):
        self.options, self.steps, self.seen = [], [], []

    def __call__(self, iterable=(), **options):
        self.options.append(options)
        self.steps.append(0)
        self.iterable = iterable
        return self

    def __iter__(self):
        return iter(self.iterable)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def update(self, steps=1):
        self.steps[-1] += steps

    def set_postfix(self, **values):
        self.seen.append(values)


def test_each_step_of_a_fit_shows_its_progress(tiny, monkeypatch):
    bars = Bars()
    for module in ("features", "shares", "statistics", "solvers.joint"):
        monkeypatch.setattr(f"panda.factorization.{module}.bar", bars)
    rule = {"solver": "paper", "learning_rate": 1e-4, "steps": 1}
    trace = fit(tiny, "a", parts=2, seeds=70, batch=20).config["trace"]
    basis, sample, solve, *halves = bars.options
    assert basis == {"desc": "sample for the basis", "unit": "batch"}
    assert sample == {"total": 70, "initial": 0, "desc": "sample", "unit": "img"}
    assert solve == {"desc": "solve on 16 components", "unit": "round"}
    assert halves == [{"desc": "solve a half on 16 components", "unit": "round"}] * 2
    assert bars.steps[:3] == [0, 70, len(trace) // 2] and min(bars.steps[3:]) > 0
    assert bars.seen[len(trace) // 2 - 1] == {"loss": f"{trace[-2]:.5f}"}
    fit(tiny, "a", parts=2, seeds=70, batch=20, **rule)
    assert {"total": 70, "desc": "sample a", "unit": "img"} in bars.options
    assert bars.steps[-1] == 70


def test_a_journal_is_of_fits_of_the_same_features_alone(tiny):
    features = Features(tiny, tiny.layer("a"), [1, 2, 4], 0.5, 3, 2)
    assert fit_module._facts(features) == {
        "generator": "tiny",
        "weights_sha256": tiny.digest,
        "layer": {"name": "a", "channels": 12, "height": 4, "width": 4, "margin": 0},
        "seeds": [1, 2, 4],
        "truncation": 0.5,
        "label": 3,
        "batch": 2,
        "versions": {"panda": panda.__version__, "torch": torch.__version__},
    }


def test_a_loss_is_the_squared_error_over_the_energy():
    draw = torch.Generator().manual_seed(0)
    Z = torch.randn(5, 4, 9, generator=draw)
    A, P = torch.randn(4, 2, generator=draw), torch.rand(9, 3, generator=draw)
    error = Z - A @ (A.T @ Z @ P) @ P.T
    expected = float(error.square().sum() / Z.square().sum())
    assert reconstruction_loss(A, P, [Z]) == pytest.approx(expected)
    batches = iter([Z[:1], Z[1:].double()])
    assert reconstruction_loss(A, P, batches) == pytest.approx(expected)


def test_imported_factors_record_their_files(tiny, tmp_path):
    np.save(tmp_path / "Uc.npy", np.eye(12, 3, dtype=np.float32))
    np.save(tmp_path / "Us.npy", np.ones((16, 2), dtype=np.float32))
    files = tmp_path / "Uc.npy", tmp_path / "Us.npy"
    config = import_released(tiny, "a", *files, seeds=5).config
    expected = {
        "seeds": "0-4",
        "truncation": 1.0,
        "label": None,
        "solver": {"name": "imported", "files": ["Uc.npy", "Us.npy"]},
        "trace": [],
        "versions": {"panda": panda.__version__, "torch": torch.__version__},
    }
    assert {name: config[name] for name in expected} == expected
    assert said(import_released, tiny, "c", *files) == (
        f"{files[0]} is for 12 channels and {files[1]} for 16 positions, but tiny c has 12 and 256"
    )
    for matrix in (np.full((16, 2), np.nan), np.full((16, 2), np.inf), np.eye(16, 2) * [1, -1]):
        np.save(tmp_path / "Us.npy", matrix.astype(np.float32))
        assert said(import_released, tiny, "a", *files, seeds=5) == (
            f"{files[0]} or {files[1]} holds NaN, infinity or an all-zero part"
        )


def test_parts_below_zero_are_cut_off_where_they_are_imported(tiny, tmp_path):
    np.save(tmp_path / "Uc.npy", np.eye(12, 3, dtype=np.float32))
    np.save(tmp_path / "Us.npy", np.linspace(-1, 1, 16, dtype=np.float32)[:, None])
    factors = import_released(tiny, "a", tmp_path / "Uc.npy", tmp_path / "Us.npy", seeds=5)
    torch.testing.assert_close(factors.parts[:, 0], torch.linspace(-1, 1, 16).clamp_min(0))


def test_sentences_about_what_cannot_be_fitted(tiny):
    assert said(fit, tiny, "a", steps=0, learning_rate=0.5) == (
        "0 steps with learning rate 0.5: expected at least one step and a positive rate"
    )
    assert said(fit, tiny, "a", learning_rate=0).endswith(
        "rate 0: expected at least one step and a positive rate"
    )
    assert said(fit, tiny, "a", appearances=0) == (
        "0 appearances were asked for; this layer has 12 channels, so 1 to 12"
    )
    assert said(fit, tiny, "a", batch=0) == "batch is 0, expected a whole number of samples from 1"
    assert said(find_layer, "tiny", "a") == (
        "generator is 'tiny', expected what panda.create_generator(NAME) returns, or a TorchModule"
        " around a module of your own"
    )
    assert [fit_module._check_rank("parts", rank, 16, "16 positions") for rank in (1, 16)] == [
        1,
        16,
    ]


def test_seeds_are_written_in_short_where_they_follow_each_other():
    assert compact_seeds(range(5, 9)) == compact_seeds([5, 6, 7, 8]) == "5-8"
    assert compact_seeds([4]) == "4-4"
    assert compact_seeds([5, 6, 8]) == [5, 6, 8] and compact_seeds((2, 1)) == [2, 1]
    assert joined_seeds("0-4") == "0-4" and joined_seeds([5, 6, 8]) == "5,6,8"


@pytest.mark.parametrize(
    ("change", "seeds"),
    [
        ({}, "0-11"),
        ({"seeds": [1, 5]}, "1,5"),
        ({"truncation": 0.9}, ""),
        ({"label": 0}, ""),
        ({"solver": {"name": "paper"}}, ""),
    ],
)
def test_seeds_stand_for_factors_of_a_plain_fit_alone(factors, change, seeds):
    changed = replace(factors, config={**factors.config, **change})
    assert changed.seeds == seeds
    (without,) = {name for name in change if name != "seeds"} or {"solver"}
    config = {name: value for name, value in factors.config.items() if name != without}
    assert replace(factors, config=config).seeds == ""


def test_losses_and_seeds_that_are_not_there(factors):
    bare = replace(factors, config={})
    assert bare.loss != bare.loss and bare.seeds == ""
    assert replace(factors, config={"trace": [0.5, 0.25]}).loss == 0.25


def test_a_constant_part_is_everywhere():
    parts = torch.tensor([[2.0, 1.0, 0.0], [2.0, 5.0, 1e-20]])
    assert torch.equal(scale_parts(parts), torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 1.0]]))
    many = torch.stack([parts, 3 * parts])
    assert torch.equal(scale_parts(many), scale_parts(parts).expand(2, 2, 3))


def test_sentences_about_factors(factors, tiny):
    assert said(factors.show, size=2**14 + 1) == (
        "size is 16385, expected a number of pixels from 1 to 16384"
    )
    assert factors.show(size=1).size == (1, 1)
    for over in (torch.zeros(3, 8), torch.zeros(2, 8, 8)):
        assert said(factors.show, over) == (
            f"the image has shape {list(over.shape)}, expected one image [3, H, W] in [-1, 1]"
        )
    assert said(factors.vector, "p3", 0) == (
        "appearance 'p3' of parts [0]: expected one part and p0 to p2, or bg, or a number"
    )
    assert said(factors.transform, torch.zeros(2, 12, 4, 5)) == (
        "features have shape [2, 12, 4, 5], expected [N, 12, 4, 4]"
    )
    assert factors.transform(torch.zeros(2, 12, 4, 4).half()).dtype == torch.float32
    assert factors.transform(torch.zeros(2, 12, 4, 4).double()).dtype == torch.float64
    background, length = factors.vector("bg")
    assert torch.equal(background, factors.background)
    assert length == float(factors.background.norm())
    own, spread = factors.vector("p1", 1)
    assert torch.equal(own, factors.own[1, 1]) and spread == float(factors.own_spread[1, 1])
    assert factors.vector(2, [0])[1] == float(factors.spread[2, 0])
    assert (
        said(Factors.load, b"f") == "the folder of factors is b'f', expected the path of a folder"
    )


def test_pictures_of_parts_have_the_size_that_was_asked_for(factors):
    masks = torch.zeros(1, 4, 4)
    for over in (None, to_picture(torch.ones(3, 6, 6)), torch.ones(3, 6, 6)):
        picture = picture_of_parts(masks, over, (20, 20))
        assert picture.size == (20, 20) and picture.mode == "RGB"
        assert picture.getpixel((3, 3)) == ((0, 0, 0) if over is None else (255, 255, 255))
    gray = to_picture(torch.ones(3, 6, 6)).convert("L")
    assert picture_of_parts(masks, gray, (20, 20)).mode == "RGB"


def test_parts_are_listed_in_their_colors():
    picture, names = to_picture(torch.ones(3, 6, 6)), ["0 hair", "1 <i>", "2"]
    page = html_of_parts("a <b>", picture, names, [0, 2, 1])
    assert page.startswith("<div><div>a &lt;b&gt;</div>")
    assert '<img alt="parts in colors" width="6" src="data:image/png;base64,iVBOR' in page
    assert page.endswith(
        '<div><span style="color:hsl(0 100% 62.5%)">&#9632;</span>&nbsp;0 hair'
        ' <span style="color:hsl(240 100% 62.5%)">&#9632;</span>&nbsp;2'
        ' <span style="color:hsl(120 100% 62.5%)">&#9632;</span>&nbsp;1 &lt;i&gt;</div></div>'
    )


def test_factors_of_other_shapes_than_the_layer_are_one_sentence(factors, tmp_path):
    channels = factors.layer.channels
    wrong = replace(factors, mean=torch.zeros(channels + 1))
    said = rf"mean is \({channels + 1},\), layer {factors.layer.name} needs \({channels},\)"
    with pytest.raises(PandaError, match=said):
        wrong.save(tmp_path / "wrong")
    assert not (tmp_path / "wrong").exists()


def test_factors_are_written_as_text_for_people(factors, tmp_path):
    text = (factors.save(tmp_path / "f") / "config.json").read_text()
    assert text.startswith('{\n "format": 1,\n "generator": "tiny",\n "layer": {')
    assert text.endswith("}\n") and json.loads(text)["layer"]["margin"] == 0
