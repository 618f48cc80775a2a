"""Exports of the studio: edits that the shell reads, pictures, sweeps."""

import io
import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from conftest import MINI
from PIL import Image

from panda import PandaError
from panda.cli import main
from panda.editing.edit_files import read_edits
from panda.editing.edits import REMOVE
from panda.factorization.fit import fit
from panda.generators.registry import create_generator
from panda.studio import exports
from panda.studio.session import Origin, Session


def test_an_exported_edit_makes_the_exported_picture_from_the_shell(session, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    session.pick(0.5, 0.7)
    session.add("p0", "mouth")
    session.pick(0.5, 0.1)
    session.add(REMOVE, "hair")
    session.refine(True)
    edit, picture = exports.export_edit(session), exports.export_picture(session)
    (tmp_path / edit.name).write_bytes(edit.data)
    (named,) = read_edits(tmp_path / edit.name).values()
    assert named.generator == MINI and named.seeds == "0-63" and len(named.edits) == 2
    program, *words = shlex.split(exports.command(session))
    assert program == "panda" and main(words) == 0
    made, expected = (
        np.asarray(Image.open(source), dtype=int)
        for source in (tmp_path / "edited" / "0000.png", io.BytesIO(picture.data))
    )
    assert made.shape == (64, 64, 3) and abs(made - expected).max() <= 1


def test_an_edit_that_does_not_say_of_which_factors_needs_them(tmp_path, capsys):
    assert main(["edit", "--edit", "0:p0:4sd", "--out", str(tmp_path / "out")]) == 2
    assert "0:p0:4sd does not say of which factors" in capsys.readouterr().err
    assert main(["edit", "--edit", "big_eyes", "--out", str(tmp_path / "out")]) == 2
    assert "edit 'big_eyes' does not tell how its factors were made" in capsys.readouterr().err


def test_an_edit_is_refused_by_factors_of_other_seeds(session, tmp_path, capsys):
    session.choose(0)
    session.add("p0", "x")
    edit = exports.export_edit(session)
    (tmp_path / "edit.json").write_bytes(edit.data)
    layer = session.canvas.factors.layer.name
    other = fit(create_generator(MINI), layer, parts=16, seeds=range(20))
    other.save(tmp_path / "other")
    words = ["edit", str(tmp_path / "other"), "--edit", str(tmp_path / "edit.json")]
    assert main([*words, "--out", str(tmp_path / "out")]) == 2
    assert "fitted on seeds 0-63, but these are of seeds 0-19" in capsys.readouterr().err


def test_an_exported_edit_is_readable_json(session):
    session.choose(1)
    session.add("p2", "x")
    content = json.loads(exports.export_edit(session).data)
    assert content["format"] == 1 and content["edits"]["edit"]["edits"] == ["1:p2:4sd"]


@pytest.mark.parametrize("name", ['Anna\'s "best" photo.jpg', "-holiday $HOME.png"])
def test_the_command_quotes_the_name_of_a_photograph(session, name):
    origin = Origin(name=name)
    first, second = exports.command(Session(session.canvas, origin)).splitlines()
    picture = shlex.split(first)[2]
    assert Path(picture).name == name and not picture.startswith("-")
    assert shlex.split(second)[-4:] == ["--latents", "inverted", "--out", "edited"]


@pytest.mark.parametrize("suffix", ["webp", "gif"])
def test_a_sweep_runs_to_the_full_strength_and_back(session, suffix):
    session.pick(0.5, 0.7)
    with pytest.raises(PandaError, match="no edit is chosen that could be swept"):
        exports.export_sweep(session, suffix)
    session.add("p0", "mouth")
    fractions = []
    made = exports.export_sweep(session, suffix, fractions.append)
    assert fractions[-1] == 1.0 and made.name.endswith(suffix)
    with Image.open(io.BytesIO(made.data)) as animation:
        assert animation.n_frames == 2 * exports.FRAMES - 2 and animation.size == (64, 64)
        animation.seek(exports.FRAMES - 1)
        last = np.asarray(animation.convert("RGB"), dtype=float)
    expected = np.asarray(Image.open(io.BytesIO(exports.export_picture(session).data)), dtype=float)
    assert abs(last - expected).mean() < 6  # both formats are lossy
    with pytest.raises(PandaError, match="animations are webp or gif"):
        exports.export_sweep(session, "avi")
    session.change(session.stack.toggle(0))
    with pytest.raises(PandaError, match="there is no edit to export"):
        exports.export_edit(session)
