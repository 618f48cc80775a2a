"""Every verb on images that are not square, gray ones and transparent ones."""

import json
from pathlib import Path

import pytest
from PIL import Image
from shaped import KINDS, SIZES, Plugin, Shaped

from panda import create_generator
from panda.cli import main
from panda.demo import run as demo
from panda.factorization.factors import Factors
from panda.generators import registry
from panda.images import save_picture, to_picture
from panda.metrics import lpips
from panda.testing import check_generator

NAMES = ("strip-gray", "tower-rgba")
LAYERS = {"strip-gray": "6", "tower-rgba": "12"}
MODES = {"strip-gray": "L", "tower-rgba": "RGBA"}


class Point:
    name, value, dist = "shaped", "shaped", None

    def load(self):
        return Plugin()


@pytest.fixture(scope="module", autouse=True)
def plugin():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "entry_points", lambda group: [Point()])
        registry.plugins.cache_clear()
        yield
    registry.plugins.cache_clear()


@pytest.fixture(scope="module", params=NAMES)
def work(request, tmp_path_factory, plugin):
    """A folder with factors of a generator."""
    folder = tmp_path_factory.mktemp(request.param)
    assert run("fit", request.param, LAYERS[request.param], "--parts", 4, "--seeds", "0-63",
               "--out", folder / "factors") == 0  # fmt: skip
    return request.param, folder


def run(*words):
    return main([str(word) for word in words])


def shape(name):
    height, width = create_generator(name).size
    scale = 256 / max(height, width)
    return (width, height), (round(width * scale), round(height * scale))


def check_sheet(folder, name, columns, rows):
    _, (width, height) = shape(name)
    with Image.open(folder / "sheet.png") as sheet:
        assert sheet.mode == "RGB"
        assert sheet.size == (columns * (width + 4) - 4, rows * (height + 4) - 4)


def check_pictures(folder, name, mode=None):
    for file in sorted(folder.glob("0*.png")):
        with Image.open(file) as picture:
            assert picture.mode == (mode or MODES[name]) and picture.size == shape(name)[0]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_kit_passes_images_of_any_shape(size, kind):
    results = check_generator(lambda *place: Shaped(SIZES[size], KINDS[kind], *place))
    assert {result.status for result in results} == {"ok"}, results


def test_lists_and_infos_have_size_and_channels(capsys):
    assert run("list") == 0
    assert "strip-gray   none          24 x 40 gray" in capsys.readouterr().out
    assert run("info", "tower-rgba", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["size"], facts["channels"]) == ([48, 16], 4)


def test_parts_are_drawn(work):
    name, folder = work
    factors = Factors.load(folder / "factors")
    assert factors.size == create_generator(name).size
    assert run("parts", folder / "factors", "--seeds", "0-2", "--out", folder / "parts") == 0
    check_sheet(folder / "parts", name, 5, 3)
    assert run("refine", folder / "factors", "--seeds", "0-1", "--out", folder / "fine") == 0
    check_sheet(folder / "fine", name, 5, 4)
    assert max(factors.show().size) == 256
    assert factors.show().size == shape(name)[1]


@pytest.mark.parametrize("edit", ["0:p0:4sd", "object:remove", "all:seed7:1", "1:remove:1@"])
def test_images_are_edited(work, tmp_path, edit):
    name, folder = work
    later = list(create_generator(name).layers)[2]
    text = f"0:seed7:1@{later}" if edit.endswith("@") else edit
    out = tmp_path / "edited"
    assert run("edit", folder / "factors", "--edit", text, "--seeds", "0-1", "--out", out) == 0
    check_sheet(out, name, 3, 2)
    check_pictures(out, name)


def test_objects_are_removed(work, tmp_path):
    name, folder = work
    out = tmp_path / "removed"
    assert run("remove", folder / "factors", "--parts", 0, "--seeds", 3, "--out", out) == 0
    check_pictures(out, name)


def test_where_an_appearance_is_can_be_edited(work, tmp_path, capsys):
    name, folder = work
    masks, out = tmp_path / "masks", tmp_path / "edited"
    factors, seeds = folder / "factors", ("--seeds", "0-1")
    assert run("localize", factors, *seeds, "--out", masks) == 0
    check_sheet(masks, name, 3, 2)
    check_pictures(masks, name, "RGB")
    assert run("edit", factors, "--edit", f"{masks}/:0:3", *seeds, "--out", out) == 0
    with Image.open(masks / "0000.png") as mask:
        mask.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png")
    capsys.readouterr()
    edit = f"{tmp_path / 'turned.png'}:0:3"
    assert run("edit", factors, "--edit", edit, *seeds, "--out", out) == 2
    assert "whose height and width are " in capsys.readouterr().err


def test_a_picture_is_inverted_and_edited(work, tmp_path):
    if not lpips.WEIGHTS.cached:
        pytest.skip("the weights of LPIPS are not cached; 'panda invert' fetches them")
    name, folder = work
    generator = create_generator(name)
    image = generator(generator.sample([700]))[0]
    save_picture(to_picture(image, 128), tmp_path / "given.png")
    out = tmp_path / "me"
    words = ("--generator", name, "--steps", 4, "--out", out)
    assert run("invert", tmp_path / "given.png", *words) == 0
    check_sheet(out, name, 3, 1)
    edited = ("--latents", out, "--edit", "0:p0:4sd", "--out", tmp_path / "edited")
    assert run("edit", folder / "factors", *edited) == 0
    check_pictures(tmp_path / "edited", name)


def test_the_demo_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "QUICK", demo.DemoSettings(40, 1, (1, 1)))
    out = tmp_path / "demo"
    assert run("demo", "--generator", "strip-gray", "--quick", "--out", out) == 0
    with Image.open(out / "overview.png") as overview:
        assert overview.width == 7 * (224 + 4) - 4


def test_generators_of_different_shapes_are_compared(tmp_path, capsys):
    out = tmp_path / "compared"
    small = ("--levels", 4, "--samples", 40, "--parts", 3, "--scored", 4, "--no-faces")
    assert run("compare", *NAMES, "square-rgb", "--out", out, *small) == 0
    facts = json.loads((out / "results.json").read_text())
    assert [each["size"] for each in facts["generators"]] == [[24, 40], [48, 16], [32, 32]]
    assert "| strip-gray | Shaped | none | 24 x 40 gray | 6 (6) |" in capsys.readouterr().out


def test_parts_and_appearances_are_named(work):
    _, folder = work
    words = ("--seeds", "0-2", "--appearances", 1, "--no-faces")
    assert run("name", folder / "factors", *words) == 0
    assert Factors.load(folder / "factors").part_names


def test_a_studio_edits_and_exports(tmp_path):
    from panda.studio.app import Selection, Studio
    from panda.studio.exports import export_picture, export_sweep
    from panda.studio.library import Library
    from panda.studio.session import LABELS
    from panda.studio.views import stage

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PANDA_HOME", str(tmp_path))
        studio = Studio(Library(list(NAMES)))
        for name in NAMES:
            session = studio.open(Selection(name))
            (height, width), labels = session.canvas.generator.size, session.labels
            assert max(labels.shape) == LABELS
            assert labels.shape[1] / labels.shape[0] == pytest.approx(width / height, rel=0.05)
            corner = session.pick(0.999, 0.999)
            assert corner == int(labels[-1, -1])
            session.add("p0", "an edit")
            for view in ("Edited", "Difference", "Heat map", "Parts"):
                session.show(view)
                facts = stage(session, [str(k) for k in range(99)])
                assert facts["ratio"] == width / height
            Path(tmp_path / "shown.png").write_bytes(export_picture(session).data)
            with Image.open(tmp_path / "shown.png") as picture:
                assert (picture.mode, picture.size) == (MODES[name], (width, height))
            for suffix in ("webp", "gif"):
                assert export_sweep(session, suffix).data
