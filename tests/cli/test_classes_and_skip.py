"""Edits draw the class of the fit, and resume a running image in the ways of `--skip`."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from conftest import MINI

from panda import PandaError, create_generator, edit_images
from panda.cli import main
from panda.editing.apply import apply_edits
from panda.editing.edits import find_edits
from panda.evaluation.parsed import parsed_batches
from panda.factorization.factors import Factors
from panda.factorization.fit import fit
from panda.generators.one_class import OneClass
from panda.generators.shared import share
from panda.naming.names import name_factors
from panda.studio.app import Selection, Studio
from panda.studio.library import Library
from panda.studio.thumbnails import make_naming_context
from panda_plugins.biggan.backend import BrockBigGAN

CLASSES = "mini-biggan-faces-64"


@pytest.fixture(scope="module")
def generator():
    return create_generator(CLASSES)


@pytest.fixture(scope="module")
def folders(generator, tmp_path_factory):
    """Factors of a class, of a class for each seed, and of all classes."""
    folder = tmp_path_factory.mktemp("factors")
    for name, label in (("one", 2), ("each", [0, 1] * 4), ("all", None)):
        fit(generator, "8.block1", parts=2, seeds=8, label=label).save(folder / name)
    return folder


@pytest.fixture
def drawn(monkeypatch):
    """The classes that the generator is asked for."""
    labels, sample = [], BrockBigGAN.sample

    def record(self, seeds, *, truncation=None, label=None):
        labels.append(label)
        return sample(self, seeds, truncation=truncation, label=label)

    monkeypatch.setattr(BrockBigGAN, "sample", record)
    return labels


@pytest.mark.parametrize(
    ("name", "options", "label"),
    [("one", [], 2), ("one", ["--label", "1"], 1), ("each", [], None), ("all", [], None)],
)
@pytest.mark.parametrize("verb", ["edit", "remove", "localize", "parts", "refine"])
def test_verbs_draw_the_class_of_the_fit(
    folders, drawn, tmp_path, capsys, verb, name, options, label
):
    words = [verb, str(folders / name), "--seeds", "0", "--out", str(tmp_path / "out"), "--json"]
    words += ["--edit", "0:p0:2sd"] if verb == "edit" else []
    assert main([*words, *options]) == 0
    assert drawn == [label]
    assert json.loads(capsys.readouterr().out)["label"] == label


def test_names_and_measures_are_of_the_class_of_the_fit(generator, folders, drawn, monkeypatch):
    monkeypatch.setattr("panda.evaluation.parsed.enough_faces", lambda shown: True)
    factors = Factors.load(folders / "one")
    name_factors(generator, factors, None, appearances=1)
    list(parsed_batches(generator, factors, lambda images: images[:, 0], range(2)))
    make_naming_context(generator, factors, None)
    assert drawn == [2, 2, 2]


def test_the_studio_begins_with_the_class_of_the_fit(folders, drawn):
    studio = Studio(Library(factors=[folders / "one"]))
    session = studio.open(Selection(CLASSES))
    assert session.origin.label == 2
    assert drawn == [2]
    assert studio.open(Selection(CLASSES, label=1)).origin.label == 1


def test_factors_of_one_class_are_refused_by_a_generator_of_another(generator, folders):
    """Their weights are the same. Factors of all classes hold for each."""
    other = OneClass(generator, 1)
    sentence = f"factors of {CLASSES}@long hair, but the generator is {CLASSES}@hat; fit factors"
    for held in (other, share(other)):
        with pytest.raises(PandaError, match=sentence):
            edit_images(held, Factors.load(folders / "one"), held.sample([0]), "0:p0:4sd")
    for name, held in (("one", generator), ("one", OneClass(generator, 2)), ("all", other)):
        edit_images(held, Factors.load(folders / name), held.sample([0]), "0:p0:4sd")


def test_a_fit_to_one_class_makes_factors_of_the_generator_and_this_class(generator, tmp_path):
    factors = fit(OneClass(generator, 2), "8.block1", parts=2, seeds=8)
    same = fit(generator, "8.block1", parts=2, seeds=8, label=2)
    assert (factors.generator, factors.label, factors.seeds) == (CLASSES, 2, same.seeds)
    assert torch.equal(factors.parts, same.parts)
    factors.save(tmp_path / "factors")
    words = ["parts", str(tmp_path / "factors"), "--seeds", "0", "--out", str(tmp_path / "out")]
    assert main(words) == 0
    nameless = replace(factors, config={**factors.config, "weights_sha256": ""})
    nameless.check(OneClass(generator, 2))


@pytest.fixture(scope="module")
def edits():
    """What an edit changes at a layer in each way of `--skip`, by layer."""
    generator = create_generator(MINI)
    changes = {}
    for layer in ("16.conv1", "32.conv0"):
        factors = fit(generator, layer, parts=3, seeds=20)
        for skip in ("live", "keep", "drop"):
            generator.skip = skip
            state = generator.head(generator.sample([0, 1]), layer)
            x = apply_edits(factors, state.x, find_edits("0:p0:4sd", factors))
            images = [generator.tail(state.with_features(each), layer) for each in (state.x, x)]
            changes[layer, skip] = images[1] - images[0]
    return changes


@pytest.mark.parametrize("layer", ["16.conv1", "32.conv0"])
def test_edits_that_keep_the_image_are_the_released_ones_up_to_a_constant_image(edits, layer):
    """The released code drops the image so far, so its pictures lack the same with every edit."""
    released = edits[layer, "drop"]
    assert float(released.abs().max()) > 0.1
    torch.testing.assert_close(edits[layer, "keep"], released, atol=1e-4, rtol=0)


def test_by_default_edits_differ_where_a_layer_ends_a_block(edits):
    released = edits["16.conv1", "drop"]
    difference = (edits["16.conv1", "live"] - released).abs().max()
    assert float(difference) > 0.01 * float(released.abs().max())
    torch.testing.assert_close(
        edits["32.conv0", "live"], edits["32.conv0", "drop"], atol=1e-4, rtol=0
    )


@pytest.fixture(scope="module")
def faces_factors(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faces") / "f"
    fit(create_generator(MINI), "16.conv1", parts=3, seeds=20).save(folder)
    return folder


@pytest.mark.parametrize("verb", ["edit", "remove"])
def test_the_command_line_offers_each_way(faces_factors, tmp_path, verb):
    pictures = {}
    for skip in (None, "live", "keep", "drop"):
        out = tmp_path / str(skip)
        words = [verb, str(faces_factors), "--seeds", "0", "--out", str(out)]
        words += ["--edit", "0:p0:4sd"] if verb == "edit" else []
        assert main(words + (["--skip", skip] if skip else [])) == 0
        pictures[skip] = (out / "0000.png").read_bytes()
    assert pictures[None] == pictures["live"]
    assert len(set(pictures.values())) == 3


def test_a_generator_without_such_an_image_says_so(folders, tmp_path, capsys):
    words = ["remove", str(folders / "all"), "--skip", "keep", "--out", str(tmp_path / "out")]
    assert main(words) == 2
    assert "has no image that grows layer by layer; leave out --skip" in capsys.readouterr().err
