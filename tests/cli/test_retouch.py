"""``panda retouch``: from a photograph to an edited one in one command."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from panda.cli import main
from panda.cli import retouch as verb
from panda.metrics import face_mesh, lpips

PHOTOGRAPH = Path(__file__).parents[1] / "photographs" / "collins.jpg"
MINI = "mini-stylegan2-faces-64"

pytestmark = pytest.mark.skipif(
    not (lpips.WEIGHTS.cached and face_mesh.WEIGHTS.cached),
    reason="the weights of LPIPS and the face mesh are not cached; 'panda invert' fetches them",
)


@pytest.fixture(scope="module")
def edits(tmp_path_factory):
    """A file with an edit for the small generator."""
    edit = {
        "generator": MINI,
        "layer": "16.conv1",
        "appearances": 128,
        "parts": 6,
        "edits": ["0:p0:9sd"],
        "seeds": "0-63",
    }
    file = tmp_path_factory.mktemp("edits") / "edits.json"
    file.write_text(json.dumps({"format": 1, "edits": {"other": edit}}), encoding="utf-8")
    return file


@pytest.fixture
def photo(tmp_path):
    shutil.copy(PHOTOGRAPH, tmp_path / "me.jpg")
    return tmp_path / "me.jpg"


def retouch(photo, *more):
    return main(["retouch", str(photo), "--steps", "3", *map(str, more)])


def test_a_photograph_is_edited_and_a_second_edit_searches_nothing(
    photo, edits, capsys, monkeypatch
):
    before = photo.read_bytes()
    assert retouch(photo, "--edit", edits, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    out = photo.with_name("me-retouched.jpg")
    assert said["out"] == str(out) and said["generator"] == MINI and len(said["lpips"]) == 1
    assert photo.read_bytes() == before
    with Image.open(out) as after:
        assert f"{edits}" in after.info["xmp"].decode()
        first = np.asarray(after, float)

    def stop(*_):
        raise AssertionError("nothing is to be searched")

    monkeypatch.setattr(torch.optim.Adam, "step", stop)
    assert retouch(photo, "--edit", edits, "--strength", "2") == 0  # over what panda wrote
    assert "me-retouched.jpg (reconstruction: LPIPS 0." in capsys.readouterr().err
    with Image.open(out) as after:
        assert np.abs(np.asarray(after, float) - first).max() > 5
        after.save(out, quality=80, xmp=after.info["xmp"])  # as programs do that edit further
    mine = out.read_bytes()
    assert retouch(photo, "--edit", edits) == 2
    assert "panda did not write it, or it has changed since" in capsys.readouterr().err
    assert out.read_bytes() == mine


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--edit", "0:p0:1"], "'0:p0:1' is"),
        (["--edit", "nothing-like-it"], "'nothing-like-it' is no edit"),
        (
            ["--edit", "EDITS", "--out", "me.jpg"],
            "me.jpg is there already, and panda did not write",
        ),
        (["--edit", "EDITS", "--out", "me.gif"], "me.gif does not end as a picture"),
        (["--edit", "EDITS", "--out", "me.jpg/a.jpg"], "cannot write me.jpg/a.jpg: "),
        (["--edit", "EDITS", "--face", "0"], "'0' is none of largest, all, 1, 2"),
        (["--edit", "EDITS", "--face", "2"], "one face was found, but face 2 was asked for"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_written(
    photo, edits, more, said, capsys, monkeypatch
):
    monkeypatch.chdir(photo.parent)
    assert retouch("me.jpg", *(edits if word == "EDITS" else word for word in more)) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1
    assert [path.name for path in photo.parent.iterdir()] == ["me.jpg"]


def test_what_cannot_be_put_back_is_told_before_the_search(photo, edits, capsys, monkeypatch):
    monkeypatch.setattr("panda.inversion.invert", None)
    with Image.open(photo) as picture:
        picture.convert("CMYK").save(photo)
        picture.convert("RGBA").save(photo.with_suffix(".png"))
    assert retouch(photo, "--edit", edits) == 2
    assert "is of mode CMYK, expected 8 bits of gray or RGB" in capsys.readouterr().err
    clear = retouch(photo.with_suffix(".png"), "--edit", edits, "--out", photo.with_name("a.jpg"))
    assert clear == 2 and "a JPEG holds no transparency" in capsys.readouterr().err
    monkeypatch.chdir(photo.parent)
    assert retouch(".", "--edit", edits) == 2
    assert ". cannot be read: Is a directory" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["smile", "eyes", "open_mouth"])
def test_the_generator_of_the_largest_images_is_taken(name):
    assert verb._largest(name) == "mobilestylegan-ffhq-1024"
    assert verb._largest("no such edit") == ""


def test_a_reconstruction_that_is_far_from_the_photograph_is_told(photo, edits, capsys):
    words = "the reconstruction is far from the photograph"
    assert main(["retouch", str(photo), "--steps", "1", "--edit", str(edits)]) == 0
    assert words in capsys.readouterr().err
    assert main(["retouch", str(photo), "--steps", "60", "--edit", str(edits)]) == 0
    assert words not in capsys.readouterr().err
