"""``panda invert`` and the verbs that take its result in place of seeds."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from panda.cli import main
from panda.factorization.fit import fit
from panda.generators.registry import create_generator
from panda.images import to_picture
from panda.inversion import Inversion
from panda.metrics import lpips

MINI = "mini-stylegan2-faces-64"


@pytest.fixture(scope="module")
def mini():
    return create_generator(MINI)


@pytest.fixture(scope="module")
def work(mini, tmp_path_factory):
    """A folder with a face as a photograph, its inversion, and factors."""
    if not lpips.WEIGHTS.cached:
        pytest.skip("the weights of LPIPS are not cached; 'panda invert' fetches them")
    folder = tmp_path_factory.mktemp("work")
    to_picture(mini.forward(mini.sample([700], truncation=1.0))[0], 128).save(folder / "face.png")
    fit(mini, "16.conv1", parts=4, seeds=range(40)).save(folder / "factors")
    wanted = ["--align", "never", "--steps", "20", "--out", str(folder / "me")]
    assert main(["invert", str(folder / "face.png"), "--generator", MINI, *wanted]) == 0
    return folder


def invert(folder, *arguments):
    return main(["invert", *map(str, arguments), "--generator", MINI, "--out", str(folder)])


def test_a_photograph_becomes_a_folder_and_json(work, capsys):
    wanted = ["--align", "never", "--steps", "4", "--json"]
    assert invert(work / "two", work / "face.png", work / "face.png", *wanted) == 0
    said = capsys.readouterr()
    config = json.loads(said.out)
    assert config["generator"] == MINI and config["pictures"] == [str(work / "face.png")] * 2
    assert len(config["lpips"]) == 2 and [len(trace) for trace in config["trace"]] == [4, 4]
    assert "face.png: LPIPS 0." in said.err
    assert sorted(path.name for path in (work / "two").iterdir()) == [
        "config.json",
        "inversion.safetensors",
        "made_by_panda.json",
        "sheet.png",
    ]
    with Image.open(work / "two" / "sheet.png") as picture:
        assert picture.size == (3 * 256 + 8, 2 * 256 + 4)


@pytest.mark.parametrize(
    ("verb", "files"),
    [
        (["parts"], []),
        (["edit", "--edit", "0:p0:5sd"], ["0000.png"]),
        (["remove", "--parts", "0"], ["0000.png"]),
        (["localize", "--appearance", "bg"], ["0000.png"]),
        (["refine"], ["parts.safetensors"]),
    ],
)
def test_every_verb_takes_an_inversion_in_place_of_seeds(work, verb, files, tmp_path):
    out = tmp_path / "out"
    rest = ["--latents", str(work / "me"), "--out", str(out)]
    assert main([verb[0], str(work / "factors"), *verb[1:], *rest]) == 0
    always = {"config.json", "made_by_panda.json", "sheet.png"}
    assert {path.name for path in out.iterdir()} == {*always, *files}


def test_what_is_edited_is_the_photograph(work, tmp_path):
    rest = ["--latents", str(work / "me"), "--out", str(tmp_path / "out")]
    assert main(["edit", str(work / "factors"), "--edit", "0:0:0", *rest]) == 0
    with Image.open(tmp_path / "out" / "0000.png") as picture:
        same = np.asarray(picture, dtype=float)
    made = np.asarray(to_picture(Inversion.load(work / "me").reconstructions[0]), dtype=float)
    assert np.abs(same - made).max() <= 1


def test_an_edit_goes_back_into_the_photograph(work, tmp_path, capsys):
    out = tmp_path / "out"
    rest = ["--latents", str(work / "me"), "--out", str(out), "--paste", "--json"]
    assert main(["edit", str(work / "factors"), "--edit", "0:p0:5sd", *rest]) == 0
    assert json.loads(capsys.readouterr().out)["pasted"] == [str(out / "face.png")]
    with Image.open(out / "face.png") as after, Image.open(work / "face.png") as before:
        assert 'panda:edits="0:p0:5sd"' in after.info["xmp"].decode()
        assert after.size == before.size and after.tobytes() != before.tobytes()
    assert main(["edit", str(work / "factors"), "--edit", "0:0:0", *rest[:-1]]) == 0
    assert f"{out / 'face.png'}\n" in capsys.readouterr().err
    with Image.open(out / "face.png") as after, Image.open(work / "face.png") as before:
        assert after.tobytes() == before.tobytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["edit", "FACTORS", "--edit", "0:0:1", "--latents", "ME", "--seeds", "1"], "leave out --"),
        (["parts", "FACTORS", "--latents", "ME", "--truncation", "0.5"], "leave out --truncation"),
        (["parts", "FACTORS", "--latents", "FACTORS"], "is not that of an inversion"),
        (["edit", "FACTORS", "--edit", "0:0:1", "--paste"], "--paste is for photographs; give"),
        (["parts", "FACTORS", "--latents", "missing"], "there is no 'missing'"),
        (["invert", "FACE", "--generator", "mini"], "there is no generator 'mini'"),
        (["invert", "FACE", "--generator", MINI, "--space", "z"], "has no space 'z'"),
        (["invert", "FACE", "--generator", MINI, "--align", "x"], "no 'x'; valid: auto,"),
        (["invert", "missing.png", "--generator", MINI], "there is no 'missing.png'"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_written(work, tmp_path, capsys, arguments, said):
    names = {"FACTORS": "factors", "ME": "me", "FACE": "face.png"}
    given = [str(work / names[word]) if word in names else word for word in arguments]
    assert main([*given, "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_an_interrupted_inversion_leaves_nothing_and_an_earlier_one_as_it_was(
    work, tmp_path, monkeypatch, capsys
):
    def stop(*_):
        raise KeyboardInterrupt

    invert(tmp_path / "me", work / "face.png", "--align", "never", "--steps", "2")
    before = (tmp_path / "me" / "config.json").read_bytes()
    monkeypatch.setattr(torch.optim.Adam, "step", stop)
    for folder in ("me", "new"):
        assert invert(tmp_path / folder, work / "face.png", "--align", "never") == 130
    assert "no file was left half-written" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["me"]
    assert (tmp_path / "me" / "config.json").read_bytes() == before
