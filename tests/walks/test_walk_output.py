"""Films, sheets and folders of frames."""

import json
import sys

import numpy as np
import pytest
from conftest import MINI
from PIL import Image

from panda import PandaError, walk
from panda.cli import main
from panda.images import to_picture
from panda.walks import output
from panda.walks.output import write_walk


@pytest.fixture
def frames(tiny):
    return walk(tiny, [3, 7, 5], frames=5)


def pixels(picture):
    return np.asarray(picture.convert("RGB"), float)


@pytest.mark.parametrize(("suffix", "error"), [("gif", 8), ("webp", 25)])
def test_a_film_has_all_frames_at_their_times(frames, tmp_path, suffix, error):
    write_walk(frames, tmp_path / f"walk.{suffix}", 30)
    with Image.open(tmp_path / f"walk.{suffix}") as film:
        assert film.n_frames == 5 and film.info["loop"] == 0
        times = []
        for number, image in enumerate(frames):
            film.seek(number)
            film.load()
            times.append(film.info["duration"])
            assert np.abs(pixels(film) - pixels(to_picture(image))).mean() < error
    assert abs(sum(times) - 5000 / 30) <= 5


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_a_frame_is_forgotten_before_the_next_is_made(frames, tmp_path, suffix, monkeypatch):
    alive = []
    to_picture = output.to_picture

    class Counted(Image.Image):
        def __del__(self):
            alive.remove(id(self))

    def counted(image):
        picture = to_picture(image)
        picture.__class__ = Counted
        alive.append(id(picture))
        assert len(alive) <= 2
        return picture

    monkeypatch.setattr(output, "to_picture", counted)
    write_walk(frames, tmp_path / f"walk.{suffix}", 24)


def test_a_film_for_players(frames, tmp_path):
    av = pytest.importorskip("av", reason="PyAV comes with the extra video")
    write_walk(frames, tmp_path / "walk.mp4", 24)
    with av.open(str(tmp_path / "walk.mp4")) as film:
        shown = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
        assert film.streams.video[0].average_rate == 24
    assert len(shown) == 5 and shown[0].shape == (16, 16, 3)


def test_without_pyav_a_film_is_one_sentence(frames, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(PandaError, match=r"pip install 'panda-parts\[video\]'"):
        write_walk(frames, tmp_path / "walk.mp4", 24)
    assert not list(tmp_path.iterdir())


def test_a_sheet_shows_all_frames_in_a_row(frames, tmp_path):
    write_walk(frames, tmp_path / "walk.png", 24)
    with Image.open(tmp_path / "walk.png") as sheet:
        assert sheet.size == (5 * 16 + 4 * 4, 16)
        assert np.array_equal(np.asarray(sheet)[:, :16], pixels(to_picture(frames[0])))


def test_frames_that_are_there_stay_and_others_are_made(tiny, frames, tmp_path):
    out = tmp_path / "frames"
    assert write_walk(frames, out, 24) == 0
    names = [f"{number:04}.png" for number in range(5)]
    assert sorted(p.name for p in out.iterdir()) == [*names, "made_by_panda.json", "walk.json"]
    before = (out / "0003.png").read_bytes()
    (out / "0003.png").unlink()
    kept = (out / "0001.png").stat().st_mtime_ns
    assert write_walk(walk(tiny, [3, 7, 5], frames=5), out, 24) == 4
    assert (out / "0003.png").read_bytes() == before
    assert (out / "0001.png").stat().st_mtime_ns == kept
    assert write_walk(walk(tiny, [3, 7], frames=3), out, 24) == 0  # another walk
    assert not (out / "0003.png").exists() and (out / "0002.png").exists()


def test_what_is_not_of_a_walk_is_not_replaced(frames, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.png").write_bytes(b"x")
    with pytest.raises(PandaError, match="choose another folder"):
        write_walk(frames, tmp_path / "mine", 24)
    with pytest.raises(PandaError, match=r"\.mpeg.*did you mean|\.mpeg.*valid"):
        write_walk(frames, tmp_path / "walk.mpeg", 24)
    with pytest.raises(PandaError, match="0 frames a second"):
        write_walk(frames, tmp_path / "walk.gif", 0)


def test_the_verb_says_what_it_made(tiny, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("panda.cli.walk.create_generator", lambda name, device: tiny)
    words = ["walk", MINI, "3", "7", "--frames", "3", "--out"]
    assert main([*words, str(tmp_path / "walk.png"), "--json"]) == 0
    said = capsys.readouterr()
    facts = json.loads(said.out)
    assert facts["frames"] == 3 and facts["easing"] == "linear" and len(facts["stops_sha256"]) == 2
    assert "walk.png (3 frames)" in said.err
    assert main(["walk", MINI, "3", "--out", str(tmp_path / "w.gif")]) == 2
    assert "stands still" in capsys.readouterr().err
