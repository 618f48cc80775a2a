"""Changes of latents that are kept inside a place, and places that no part is."""

import numpy as np
import pytest
import torch
from golden_files import FOLDER
from PIL import Image

from panda import PandaError, create_generator
from panda.cli import main
from panda.editing.apply import apply_edits, edit_images, edit_state, where_map
from panda.editing.edits import Edit
from panda.editing.local import LocalChange
from panda.editing.natural import stop
from panda.editing.places import kept, read_mask
from panda.editing.remove import object_map, remove
from panda.editing.sources import find_source
from panda.factorization.fit import fit
from panda.generators.contract import on_canvas

MAPPED, STRAIGHT = "stylegan2-genforce/checkpoint.pth", "biggan-ajbrock/state_dict.safetensors"
MARGINS = "stylegan3-t/network.pkl"


@pytest.fixture(scope="module")
def fitted():
    """Small generators, each with factors of its second layer."""
    found = {}
    for file in (MAPPED, STRAIGHT, MARGINS):
        generator = create_generator(FOLDER / file)
        layer = list(generator.layers)[1]
        found[file] = generator, fit(generator, layer, parts=2, seeds=range(40))
    return found


def save(path, row):
    np.save(path, np.asarray(row, dtype=np.float32).reshape(1, -1))
    return path


def size_of(generator):
    return generator.sample([0]).tensors["w" if hasattr(generator, "w_mean") else "z"].shape[-1]


@pytest.fixture
def direction(tmp_path):
    draw = np.random.default_rng(0)
    return lambda generator: save(tmp_path / "d.npy", draw.standard_normal(size_of(generator)))


def edited(generator, factors, latents, *edits):
    """The features of samples after edits, at the layer of the last one."""
    state = stop(generator, factors, latents)
    return edit_state(generator, factors, latents, state, edits)[0].x


@pytest.mark.parametrize("file", [MAPPED, STRAIGHT, MARGINS])
def test_everywhere_a_direction_changes_features_as_its_latents_do_and_in_a_part_only_there(
    fitted, direction, file
):
    generator, factors = fitted[file]
    path, latents = direction(generator), generator.sample([1, 2])
    before = stop(generator, factors, latents).x
    moved = find_source(str(path), generator).moved(generator, latents, torch.full((2,), 2.0))
    after = stop(generator, factors, moved).x
    plain = edited(generator, factors, latents, Edit("all", str(path), 2))
    torch.testing.assert_close(plain, after, atol=1e-5, rtol=1e-4)
    assert float((plain - before).abs().max()) > 1e-3
    inside = Edit(0, str(path), 2)
    local = edited(generator, factors, latents, inside)
    where = (1.5 * where_map(factors, inside, before)[:, None]).clamp_max(1)
    torch.testing.assert_close(local, before + where * (plain - before), atol=1e-5, rtol=1e-4)
    outside = where[0, 0] == 0
    assert bool(outside.any()) and torch.equal(local[:, :, outside], before[:, :, outside])
    images = edit_images(generator, factors, latents, f"0:{path}:2")
    assert images.shape[0] == 2 and not torch.equal(images, generator.forward(latents))
    with pytest.raises(PandaError, match="moves latents, which are not known here"):
        apply_edits(factors, before, [inside])


@pytest.mark.parametrize("file", [MAPPED, STRAIGHT, MARGINS])
def test_a_direction_acts_at_a_later_layer_beside_other_edits(fitted, direction, file):
    generator, factors = fitted[file]
    path, latents, later = direction(generator), generator.sample([1, 2]), [*generator.layers][3]
    edit = Edit.parse(f"0:{path}:2@{later}")
    alone = edited(generator, factors, latents, edit)
    moved = find_source(str(path), generator).moved(generator, latents, torch.full((2,), 2.0))
    before, after = (generator.head(each, later).x for each in (latents, moved))
    part = where_map(factors, Edit(0, 0, 1), before)
    where = kept(part, factors.layer, generator.layer(later))[:, None]
    expected = before + where * (after - before)
    torch.testing.assert_close(alone, expected, atol=1e-5, rtol=1e-4)
    first = Edit(1, 0, 3)
    both = edited(generator, factors, latents, edit, first)  # whatever their order
    state = stop(generator, factors, latents)
    state = state.with_features(apply_edits(factors, state.x, [first]))
    advanced = generator.advance(state, factors.layer.name, later).x
    torch.testing.assert_close(both, advanced + where * (after - before), atol=1e-5, rtol=1e-4)


def test_edits_at_layers_that_cannot_be_reached_are_one_sentence(fitted, tiny):
    generator, factors = fitted[MAPPED]
    latents, first = generator.sample([1]), next(iter(generator.layers))
    for edit, said in (
        (f"0:seed7:1@{first}", f"{first} comes before {factors.layer.name}, the layer of the"),
        ("0:seed7:1@nowhere", "has no layer 'nowhere'"),
        (f"0:0:1@{[*generator.layers][3]}", "only a change of latents can act at another layer"),
    ):
        with pytest.raises(PandaError, match=said):
            edit_images(generator, factors, latents, edit)
    stuck = fit(tiny, "a", parts=2, seeds=range(40))
    with pytest.raises(PandaError, match="takes edits at one layer only, here a"):
        edit_images(tiny, stuck, tiny.sample([1]), "0:seed7:1@b")
    with pytest.raises(PandaError, match="needs a latent z that goes straight into the network"):
        edit_images(tiny, stuck, tiny.sample([1]), "0:seed7:1")


@pytest.mark.parametrize("file", [MAPPED, STRAIGHT, MARGINS])
def test_a_change_of_a_method_is_local_as_the_same_edit_is(fitted, direction, file):
    generator, factors = fitted[file]
    path, latents, later = direction(generator), generator.sample([1, 2]), [*generator.layers][3]
    change = LocalChange(find_source(str(path), generator), factors, (0,), later)
    images = change.start(generator, latents)(torch.tensor([2.0, -1.0]))
    for row, strength in enumerate((2, -1)):
        edit = f"0:{path}:{strength}@{later}"
        expected = edit_images(generator, factors, latents[row], edit)
        torch.testing.assert_close(images[row : row + 1], expected, atol=1e-4, rtol=1e-3)


def test_a_strength_of_one_arrives_at_the_other_sample(fitted):
    for file in (MAPPED, STRAIGHT):
        generator, factors = fitted[file]
        label = {} if file == MAPPED else {"label": 0}
        latents, other = generator.sample([1], **label), generator.sample([7], **label)
        found = edited(generator, factors, latents, Edit.parse("all:seed7:1"))
        expected = stop(generator, factors, other).x
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)
        still = edited(generator, factors, latents, Edit("all", "seed7", 0))
        assert torch.equal(still, stop(generator, factors, latents).x)


def test_the_other_sample_is_of_the_class_of_the_factors():
    generator = create_generator(FOLDER / "stylegan2-ada-cond/network.pkl")
    layer = list(generator.layers)[1]
    factors = fit(generator, layer, parts=2, seeds=range(40), label=1)
    latents, other = (generator.sample([seed], label=1) for seed in (1, 7))
    found = edited(generator, factors, latents, Edit.parse("all:seed7:1"))
    expected = stop(generator, factors, other).x
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)


def test_a_range_of_slots_moves_these_alone(fitted):
    generator, factors = fitted[MAPPED]
    latents, count = generator.sample([1]), len(generator.slots)

    def moved(what):
        return edited(generator, factors, latents, Edit("all", what, 1))

    later = moved(f"seed7#{count - 1}")  # styles that act after the layer
    assert torch.equal(later, stop(generator, factors, latents).x)
    assert torch.equal(moved(f"seed7#0-{count - 1}"), moved("seed7"))
    for text in (f"seed7#{count}", "seed7#2-1"):
        with pytest.raises(PandaError, match="has slots 0 to"):
            moved(text)
    straight, parts = fitted[STRAIGHT]
    with pytest.raises(PandaError, match="a range of slots .* needs a mapped latent space"):
        edit_images(straight, parts, straight.sample([1]), "all:seed7#1:1")


def test_files_that_are_no_direction_are_one_sentence(fitted, tmp_path):
    generator, factors = fitted[MAPPED]
    latents = generator.sample([1])
    save(tmp_path / "short.npy", [1, 2, 3])
    save(tmp_path / "zero.npy", [0] * size_of(generator))
    save(tmp_path / "nan.npy", [np.nan] * size_of(generator))
    for name, said in (
        (
            "short.npy",
            rf"is \[1, 3\], expected a direction of w of .*, \[1, {size_of(generator)}\]",
        ),
        ("nan.npy", "nan.npy has NaN or infinite values, which is no direction"),
        ("zero.npy", "zero.npy is zero, which is no direction"),
        ("none.npy", "none.npy cannot be read: No such file or directory"),
    ):
        with pytest.raises(PandaError, match=said):
            edit_images(generator, factors, latents, f"all:{tmp_path / name}:1")


def test_masks_of_the_user_the_object_and_what_is_around_it_are_places(fitted, tmp_path):
    for file in (MAPPED, MARGINS):
        generator, factors = fitted[file]
        side = factors.layer.side
        half = np.zeros((32, 32), dtype=np.uint8)
        half[:16] = 255
        Image.fromarray(half).save(tmp_path / "top.png")
        x = stop(generator, factors, generator.sample([1, 2])).x
        where = where_map(factors, Edit(str(tmp_path / "top.png"), 0, 1), x)
        assert where.shape == (1, *x.shape[2:])
        margin = factors.layer.margin
        inside = where[0, margin : margin + side, margin : margin + side]
        assert bool((inside[: side // 2] == 1).all()) and bool((inside[-(side // 2) :] == 0).all())
        edit = Edit(str(tmp_path / "top.png"), 0, 3)
        changed = apply_edits(factors, x, [edit]) - x
        assert bool((changed[:, :, where[0] == 0] == 0).all()) and float(changed.abs().max()) > 0
        objects = where_map(factors, Edit("object", 0, 1), x)
        assert torch.equal(objects, object_map(factors, x))
        assert torch.equal(where_map(factors, Edit("bg", 0, 1), x), 1 - objects)
        gone = apply_edits(factors, x, [Edit.parse("object:remove")])
        assert torch.equal(gone, remove(factors, x))
        cut = apply_edits(factors, x, [Edit(str(tmp_path / "top.png"), "remove")])
        assert not torch.equal(cut, x)


def test_a_mask_is_as_fine_as_the_layer_where_a_change_is_kept(fitted, direction, tmp_path):
    for file in (MAPPED, MARGINS):
        generator, factors = fitted[file]
        later = list(generator.layers.values())[-1]
        column = np.zeros((later.side, later.side), dtype=np.uint8)
        column[:, later.side // 2] = 255  # narrower than a position of the factors' layer
        Image.fromarray(column).save(tmp_path / "column.png")
        latents, mask = generator.sample([1]), tmp_path / "column.png"
        before = generator.head(latents, later.name).x
        found = edited(
            generator, factors, latents, Edit.parse(f"{mask}:{direction(generator)}:2@{later.name}")
        )
        changed = on_canvas((found - before).abs().amax(1) > 1e-3, later)
        assert torch.equal(changed[0].any(0), torch.from_numpy(column[0] > 0))


@pytest.mark.parametrize("edits", [("object:0:40", "bg:0:60"), ("object:0:40", "object:remove")])
def test_places_are_those_before_all_edits_wherever_edits_are_applied(fitted, edits):
    generator, factors = fitted[MAPPED]
    latents, stack = generator.sample([1, 2]), [Edit.parse(text) for text in edits]
    x = stop(generator, factors, latents).x
    both = apply_edits(factors, x, stack)
    torch.testing.assert_close(edited(generator, factors, latents, *stack), both)
    where = object_map(factors, x)
    if "remove" not in edits[1]:
        change = stack[0].change(factors)[:, None, None] * where[:, None]
        change = change + stack[1].change(factors)[:, None, None] * (1 - where)[:, None]
        torch.testing.assert_close(both, x + change)
    else:
        first = apply_edits(factors, x, stack[:1])
        torch.testing.assert_close(both, remove(factors, first, before=x))


def test_masks_may_be_transparent_or_have_16_bits(tmp_path):
    half = np.zeros((4, 4))
    half[:2] = 0.5
    white = np.full((4, 4, 4), 255, dtype=np.uint8)
    white[..., 3] = np.where(half > 0, 128, 0)  # white strokes on nothing
    plain = np.where(half > 0, 128, 0).astype(np.uint8)
    palette = Image.fromarray((half > 0).astype(np.uint8)).convert("P")
    palette.putpalette([255] * 6)
    palette.save(tmp_path / "palette.png", transparency=0)
    for name, values in (
        ("gray", plain),
        ("alpha", white),
        ("deep", (half * 65535).astype(np.uint16)),
    ):
        Image.fromarray(values).save(tmp_path / f"{name}.png")
    expected = torch.from_numpy(half).float()
    for name in ("gray", "alpha", "deep"):
        found = read_mask(tmp_path / f"{name}.png", (4, 4))
        torch.testing.assert_close(found, expected, atol=0.003, rtol=0)
    assert torch.equal(read_mask(tmp_path / "palette.png", (4, 4)), (expected > 0).float())


def test_a_strength_beyond_floats_is_one_sentence(fitted):
    generator, factors = fitted[MAPPED]
    with pytest.raises(PandaError, match="came out NaN; the strength is too large"):
        edit_images(generator, factors, generator.sample([1]), "all:seed7:1e300")


def test_what_no_place_takes_is_one_sentence(fitted, tmp_path):
    _, factors = fitted[MAPPED]
    Image.new("L", (4, 8)).save(tmp_path / "tall.png")
    (tmp_path / "bad.png").write_bytes(b"nothing")
    for edit, said in (
        (Edit("all", "remove"), "nothing would be left to continue"),
        (Edit("bg", "remove"), "nothing would be left to continue"),
        (Edit("all", "p0", 1), "p0 belongs to one part; give an appearance by number"),
        (Edit("object", "remove", 2), "strength of a removal is 2, expected 0"),
        (Edit("all", "seed7", float("nan")), "a finite strength"),
        (Edit(0, "seed7", 1, sigma=True), "a change of latents has no standard deviations"),
        (
            Edit(str(tmp_path / "tall.png"), 0, 1),
            "has 8 x 4 pixels, expected one of the whole image, whose",
        ),
        (Edit(torch.zeros(4, 8), 0, 1), "the mask has 4 x 8 pixels, expected one of the whole"),
        (Edit(str(tmp_path / "bad.png"), 0, 1), "bad.png is a damaged picture .*; give a PNG"),
        (Edit(str(tmp_path / "no.png"), 0, 1), "there is no mask .*no.png"),
    ):
        with pytest.raises(PandaError, match=said):
            edit.check(factors)


@pytest.mark.parametrize(
    "text",
    [
        "all:seed7:1",
        "0+1:a/smile.npy#4-7:-2.5",
        "object:remove:1",
        "mask.png:12:30",
        "mouth:seed12#3:0.5@64.conv2",
        "mouth:seed12:0.5@mid.2@10",
        "mouth:seed12:0.5@up.1@*",
    ],
)
def test_places_and_sources_are_written_as_they_are_read(text):
    edit = Edit.parse(text)
    assert str(edit) == text and Edit.parse(str(edit)) == edit


def test_the_shell_makes_a_direction_local(fitted, direction, tmp_path):
    generator, factors = fitted[MAPPED]
    factors.save(tmp_path / "factors")
    path = direction(generator)
    words = ["edit", str(tmp_path / "factors"), "--edit", f"0:{path}:2", "--edit", "1:seed9:0.5"]
    assert main([*words, "--seeds", "0-5", "--out", str(tmp_path / "out")]) in (None, 0)
    made = np.asarray(Image.open(tmp_path / "out" / "0003.png")).astype(float)
    edits = [f"0:{path}:2", "1:seed9:0.5"]
    latents = generator.sample([3])
    expected = edit_images(generator, factors, latents, edits)[0].clamp(-1, 1)
    assert np.abs(made - 127.5 * (expected.permute(1, 2, 0).numpy() + 1)).max() <= 1.01
