"""Results know the generator that they were made with by its weights, wherever its file lies."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import MINI
from safetensors.torch import load_file, save_file
from torch import nn

from panda import PandaError, TorchModule, create_generator, edit_images
from panda.checkpoints.digest import digest_of, weights_digest, with_digest
from panda.checkpoints.read import read_checkpoint
from panda.checkpoints.tensors import save_checkpoint
from panda.cli import main
from panda.comparison.plan import Plan
from panda.comparison.run import compare
from panda.editing.edit_files import NamedEdit, read_edits, write_edits
from panda.editing.edits import find_edits
from panda.evaluation import locality
from panda.evaluation.settings import LocalitySettings
from panda.factorization.cached import fit_cached
from panda.factorization.factors import Factors
from panda.factorization.features import Features
from panda.factorization.fit import _facts, fit
from panda.generators.registry import find_card
from panda.generators.shared import share
from panda.inversion import Inversion
from panda.studio.library import Library
from panda.studio.session import Canvas

LAYER = "8.conv1"
BOTH = r"with weights of sha256 [0-9a-f]{16}\.\.\., but those of .* are [0-9a-f]{16}\.\.\."


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A checkpoint of the user's own."""
    weights = find_card(MINI).weights
    assert weights is not None
    return Path(shutil.copy(weights.path, tmp_path / "own.safetensors"))


def train(file: Path, gain: float = 1.01) -> None:
    """Write other weights to the same path."""
    checkpoint = read_checkpoint(file)
    tensors = dict(checkpoint.tensors)
    name = next(name for name, tensor in tensors.items() if tensor.ndim == 4)
    tensors[name] = gain * tensors[name]
    save_checkpoint(file, replace(checkpoint, tensors=tensors, digest=""))


@pytest.fixture
def factors(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Factors of that checkpoint, which was named by a relative path."""
    monkeypatch.chdir(tmp_path)
    fit(create_generator(file.name), LAYER, parts=3, seeds=8).save("factors")
    return tmp_path / "factors"


def test_a_digest_is_of_names_types_shapes_and_numbers() -> None:
    tensors = {"a": torch.arange(6.0), "b": torch.tensor(3), "c": torch.ones(2, 2).bfloat16()}
    digest = digest_of(tensors)
    assert digest == digest_of(dict(reversed(tensors.items())))
    assert digest == digest_of({**tensors, "a": torch.arange(12.0)[::2].div(2)})  # not contiguous
    assert digest == digest_of({**tensors, "a": tensors["a"].double()})
    others = [
        {**tensors, "a": torch.arange(6.0).view(2, 3)},
        {**tensors, "a": torch.arange(6.0) + 1e-6},
        {**tensors, "b": torch.tensor(3, dtype=torch.int32)},
        {"d": tensors["a"], "b": tensors["b"], "c": tensors["c"]},
    ]
    digests = {digest_of(other) for other in others} | {digest_of(tensors, {"final_tanh": True})}
    assert len(digests | {digest}) == len(others) + 2


def test_a_digest_does_not_depend_on_the_container(file: Path, tmp_path: Path) -> None:
    """A catalog's name, a copy of its file, and another container: the same weights."""
    digest = create_generator(MINI).digest
    assert len(digest) == 64
    assert create_generator(file).digest == digest
    assert create_generator(file, dtype="float64").digest == digest
    torch.save(dict(read_checkpoint(file).tensors), tmp_path / "G.pt")
    assert weights_digest(read_checkpoint(tmp_path / "G.pt")) == digest
    assert main(["convert", str(file), "--out", str(tmp_path / "copy.safetensors")]) == 0
    assert read_checkpoint(tmp_path / "copy.safetensors").digest == digest


def test_a_digest_in_a_file_counts_only_under_its_seal(file: Path, tmp_path: Path) -> None:
    written = with_digest(read_checkpoint(file))
    save_checkpoint(tmp_path / "sealed.safetensors", replace(written, digest="f" * 64))
    assert weights_digest(read_checkpoint(tmp_path / "sealed.safetensors")) == "f" * 64
    save_file(load_file(file), tmp_path / "edited.safetensors", {"weights_sha256": "f" * 64})
    assert weights_digest(read_checkpoint(tmp_path / "edited.safetensors")) == written.digest


def test_a_file_is_found_again_from_any_folder(factors, file, tmp_path, monkeypatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    loaded = Factors.load(factors)
    assert loaded.generator == str(file)
    out = tmp_path / "edited"
    words = ["edit", str(factors), "--edit", "0:p0:2sd", "--seeds", "0", "--out", str(out)]
    assert main(words) == 0
    for spelled in ("../own.safetensors", file, "../elsewhere/../own.safetensors"):
        loaded.check(create_generator(spelled))


VERBS = {
    "edit": ["--edit", "0:p0:2sd", "--out", "out"],
    "remove": ["--out", "out"],
    "localize": ["--out", "out"],
    "parts": ["--out", "out"],
    "refine": ["--out", "out"],
    "name": ["--no-faces"],
}


@pytest.mark.parametrize("verb", VERBS)
def test_factors_of_a_file_that_was_moved_take_it_where_it_is(
    factors, file, tmp_path, verb, capsys
) -> None:
    (tmp_path / "new").mkdir()
    moved = file.rename(tmp_path / "new" / "other.safetensors")
    words = [verb, str(factors), *VERBS[verb], "--seeds", "0,1"]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert f"factors of {file}, which is no longer there; --generator takes a file" in said
    assert main([*words, "--generator", str(moved)]) == 0
    train(moved)
    capsys.readouterr()
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    assert main([*words, "--generator", str(moved)]) == 2
    assert "these are factors of" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_commands_say_that_a_module_in_memory_is_for_python(tmp_path, capsys) -> None:
    module = nn.Sequential(nn.Conv2d(8, 3, 1), nn.Upsample(scale_factor=4))
    generator = TorchModule(module, ["0"], latent=(8, 4, 4))
    fit(generator, "0", parts=2, seeds=8).save(tmp_path / "factors")
    words = [str(tmp_path / "factors"), "--edit", "0:p0:2sd", "--out", str(tmp_path / "out")]
    assert main(["edit", *words]) == 2
    said = capsys.readouterr().err
    assert "factors of Sequential, which is no file, and no plugin brings it" in said
    assert "a module in memory is for Python, as in panda.edit_images(" in said
    with pytest.raises(PandaError, match="factors of Sequential, .* a module in memory is for"):
        Library(factors=[tmp_path / "factors"])


@pytest.mark.parametrize("verb", VERBS)
def test_other_weights_under_the_same_path_are_refused(
    factors, file, tmp_path, verb, capsys
) -> None:
    train(file)
    assert main([verb, str(factors), *VERBS[verb]]) == 2
    said = capsys.readouterr().err
    assert "these are factors of" in said and "fit factors for it" in said
    assert said.count("sha256") == 1 and said.count("own.safetensors") == 2
    assert not (tmp_path / "out").exists()


def test_other_weights_are_refused_in_python_and_in_the_studio(factors, file) -> None:
    train(file)
    loaded, generator = Factors.load(factors), create_generator(file)
    latents = generator.sample([0])
    with pytest.raises(PandaError, match=BOTH):
        edit_images(generator, loaded, latents, "0:p0:2sd")
    studio = Library(factors=[factors])
    with pytest.raises(PandaError, match=BOTH):
        Canvas(studio.generator(str(file)), loaded, latents)


def test_the_same_weights_are_known_under_another_name(factors) -> None:
    """A copy, and the catalog's own name, are the same generator."""
    loaded, generator = Factors.load(factors), create_generator(MINI)
    loaded.check(generator)
    loaded.check(share(generator))


def test_older_factors_know_a_name_alone(factors, file) -> None:
    config = json.loads((factors / "config.json").read_text())
    del config["weights_sha256"]
    (factors / "config.json").write_text(json.dumps({**config, "generator": file.name}))
    loaded = Factors.load(factors)
    assert loaded.digest == ""
    loaded.check(create_generator(file))  # the relative path leads there
    with pytest.raises(PandaError, match=f"factors of {file.name}, but the generator is {MINI}"):
        loaded.check(create_generator(MINI))


def test_a_digest_that_is_no_text_is_one_sentence(factors) -> None:
    config = json.loads((factors / "config.json").read_text())
    (factors / "config.json").write_text(json.dumps({**config, "weights_sha256": 7}))
    with pytest.raises(PandaError, match="weights_sha256 is 7, expected the digest of weights"):
        Factors.load(factors)


def test_cached_factors_of_other_weights_are_fitted_again(file, cache) -> None:
    """Even where the file has the size and the time that it had."""
    train(file, 1.0)
    before = file.stat()
    first = fit_cached(create_generator(file), LAYER, parts=2, seeds="0-7")
    train(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size
    again = fit_cached(create_generator(file), LAYER, parts=2, seeds="0-7")
    assert again.digest not in ("", first.digest)
    (folder,) = (cache / "factors").glob("*/8.conv1-2-128-0-7")
    assert Factors.load(folder).digest == again.digest


def test_a_journal_is_of_its_weights(tiny) -> None:
    features = Features(tiny, tiny.layer("b"), range(4))
    before = _facts(features)
    tiny.digest_in_file = "f" * 64
    assert _facts(features) != before


def test_modules_of_one_class_are_told_apart_by_their_weights() -> None:
    def network() -> nn.Sequential:
        up = nn.Upsample(scale_factor=4)
        return nn.Sequential(nn.Conv2d(8, 6, 1), up, nn.Conv2d(6, 3, 1), nn.Tanh())

    def wrap(module: nn.Module, dtype: str = "float32") -> TorchModule:
        return TorchModule(module, ["1"], latent=(8, 4, 4), dtype=dtype)

    module, other = network(), network()
    generator = wrap(module)
    factors = fit(generator, "1", parts=2, seeds=8)
    factors.check(generator)
    assert wrap(other).name == generator.name
    with pytest.raises(PandaError, match=BOTH):
        factors.check(wrap(other))
    other.load_state_dict(module.state_dict())
    factors.check(wrap(other, "float64"))
    with torch.no_grad():
        module[0].weight.mul_(1.01)  # trained further
    with pytest.raises(PandaError, match=BOTH):
        factors.check(generator)


def test_the_refusal_of_a_namesake_says_what_differs() -> None:
    def wrap(channels: int, up: str = "1") -> TorchModule:
        module = nn.Sequential()
        module.add_module("0", nn.Conv2d(8, channels, 1))
        module.add_module(up, nn.Upsample(scale_factor=4))
        module.add_module("2", nn.Conv2d(channels, 3, 1))
        return TorchModule(module, [up], latent=(8, 4, 4))

    factors = fit(wrap(6), "1", parts=2, seeds=8)
    with pytest.raises(PandaError, match=rf"{BOTH} \(another one of this name, or trained since\)"):
        factors.check(wrap(6))
    with pytest.raises(PandaError, match=r"for Layer\(.*channels=6, .* has Layer\(.*channels=5, "):
        factors.check(wrap(5))
    with pytest.raises(PandaError, match="'Sequential' has no layer '1'; valid: up"):
        factors.check(wrap(6, "up"))


@pytest.mark.parametrize(
    "change",
    [
        lambda weight: weight.data.mul_(1.01),  # as moving averages of weights do
        lambda weight: weight.numpy().fill(1),
        lambda weight: weight.detach().mul_(1.01),
    ],
    ids=["data", "numpy", "detached"],
)
def test_a_module_that_is_changed_behind_its_back_has_another_digest(change) -> None:
    module = nn.Sequential(nn.Conv2d(8, 3, 1), nn.Upsample(scale_factor=4))
    generator = TorchModule(module, ["0"], latent=(8, 4, 4))
    digest = generator.digest
    assert generator.digest == digest
    change(module[0].weight)
    assert generator.digest not in ("", digest)


def test_an_inversion_is_of_its_weights(file) -> None:
    generator = create_generator(file)
    latents = generator.sample([0])
    images = torch.zeros(1, 3, 64, 64)
    config = {"lpips": [0.1], "pixels": [0.1], "pictures": ["a"]}
    config["weights_sha256"] = generator.digest
    inversion = Inversion.of(generator.name, latents, images, images, config)
    inversion.latents_for(create_generator(MINI))
    train(file)
    with pytest.raises(PandaError, match=f"these are latents of .* {BOTH}"):
        inversion.latents_for(create_generator(file))


def test_an_edit_of_a_file_is_for_its_weights(factors, file, tmp_path) -> None:
    loaded = Factors.load(factors)
    ranks = loaded.appearances.shape[1], loaded.parts.shape[1]
    named = NamedEdit(str(file), LAYER, *ranks, ("0:p0:2sd",), seeds="0-7", weights=loaded.digest)
    write_edits("zoo.json", {"smile": named})
    assert read_edits("zoo.json")["smile"] == named
    assert len(find_edits("zoo.json:smile", loaded)) == 1
    other = replace(loaded, config={**loaded.config, "weights_sha256": "0" * 64})
    with pytest.raises(PandaError, match=r"of sha256 [0-9a-f]{16}\.\.\., but these are factors of"):
        find_edits("zoo.json:smile", other)
    renamed = replace(loaded, generator=MINI)  # the same weights
    assert len(find_edits("zoo.json:smile", renamed)) == 1


def test_a_benchmark_resumes_with_its_weights_only(file, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(locality, "LPIPS", lambda device: None)
    settings = LocalitySettings(str(file), edits="eyes", methods=("sefa",), parse=0)
    locality.prepare(create_generator(file), settings, tmp_path / "out").folder.begin()
    locality.prepare(create_generator(file), settings, tmp_path / "out")
    plan = json.loads((tmp_path / "out" / "plan.json").read_text())
    train(file)
    with pytest.raises(PandaError, match=r"benchmark of other settings \(weights_sha256\)"):
        locality.prepare(create_generator(file), settings, tmp_path / "out")
    del plan["weights_sha256"]  # as older ones are
    (tmp_path / "out" / "plan.json").write_text(json.dumps(plan))
    locality.prepare(create_generator(file), settings, tmp_path / "out")


def test_a_comparison_resumes_with_its_weights_only(file, tmp_path, monkeypatch) -> None:
    """Whether all of it is done or not."""
    monkeypatch.chdir(tmp_path)
    plan = Plan(
        levels=(8,), samples=8, images=2, parts=2, scored=2, selected=2, axes=1, faces=False
    )
    compare(file.name, "out", plan)
    (level,) = (tmp_path / "out" / "generators").glob("*/level-8")
    assert Factors.load(level / "factors").generator == str(file)
    compare(file.name, "out", plan)
    train(file)
    with pytest.raises(PandaError, match="has results of weights of sha256 .* delete it"):
        compare(file.name, "out", plan)
    shutil.rmtree(level)
    with pytest.raises(PandaError, match="has results of weights of sha256 .* delete it"):
        compare(file.name, "out", plan)
