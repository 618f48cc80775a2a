"""What edits take from photographs, classes and arrays; masks by sample; edits that do nothing."""

import json
import re

import numpy as np
import pytest
import torch
from conftest import AdvancingGenerator
from golden_files import FOLDER
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from panda import PandaError, create_generator
from panda.cli import main
from panda.editing.apply import apply_edits, edit_images, edit_state, where_map
from panda.editing.arrays import Array
from panda.editing.edit_files import NamedEdit, read_edits, write_edits
from panda.editing.edits import Edit, as_edits
from panda.editing.natural import stop
from panda.editing.places import kept
from panda.editing.refine import refine
from panda.editing.sources import find_source
from panda.factorization.fit import fit
from panda.generators.carried import carrying
from panda.generators.latent_spaces import ZSpace, has_w, w_space
from panda.generators.one_class import OneClass
from panda.generators.registry import cards, list_generators
from panda.inversion import Inversion

MAPPED, STRAIGHT = "stylegan2-genforce/checkpoint.pth", "biggan-ajbrock/state_dict.safetensors"
CLASSES = "stylegan2-ada-cond/network.pkl"


def loaded(name, **options):
    generator = create_generator(FOLDER / name)
    layer = list(generator.layers)[1]
    return generator, fit(generator, layer, parts=2, seeds=range(40), **options)


@pytest.fixture(scope="module")
def mapped():
    return loaded(MAPPED)


@pytest.fixture(scope="module")
def straight():
    return loaded(STRAIGHT)


@pytest.fixture(scope="module")
def classes():
    return loaded(CLASSES)


def features(generator, factors, latents, *edits, **options):
    """The features of samples after edits, at the layer of the last one."""
    state = stop(generator, factors, latents)
    listed = [edit for given in edits for edit in as_edits(given, factors)]
    return edit_state(generator, factors, latents, state, listed, **options)[0].x


def inverted(generator, latents, folder):
    """What `panda invert` would write, had it found these latents."""
    size = generator.size[0]
    pictures = torch.zeros(len(latents), 3, size, size)
    if has_w(generator):
        latents = generator.with_w(latents, generator.w_plus(latents))
    config = {name: [0.5] * len(latents) for name in ("lpips", "pixels")}
    config |= {"pictures": ["a"] * len(latents), "weights_sha256": generator.digest, "label": None}
    inversion = Inversion.of(generator.name, latents, pictures, pictures, config)
    return inversion.save(folder)


@pytest.mark.parametrize("kind", ["mapped", "straight"])
def test_a_strength_of_one_arrives_at_a_photograph(request, kind, tmp_path):
    generator, factors = request.getfixturevalue(kind)
    label = {} if kind == "mapped" else {"label": 1}
    latents, others = generator.sample([1, 2], **label), generator.sample([7, 8], **label)
    folder = inverted(generator, others, tmp_path / "me")
    found = features(generator, factors, latents, f"all:{folder}/photo1:1")
    expected = stop(generator, factors, others[[1, 1]]).x
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)
    first = features(generator, factors, latents, f"all:{folder}/photo:1")
    assert torch.equal(first, features(generator, factors, latents, f"all:{folder}/photo0:1"))
    assert not torch.allclose(first, found)
    for text, said in (("/photo2", "has photo0 to photo1"), ("x/photo0", "holds no inversion")):
        with pytest.raises(PandaError, match=said):
            edit_images(generator, factors, latents, f"all:{folder}{text}:1")
    if kind == "mapped":
        last = len(generator.slots) - 1
        whole = features(generator, factors, latents, f"all:{folder}/photo1#0-{last}:1")
        assert torch.equal(whole, found)
        before = stop(generator, factors, latents).x
        assert torch.equal(
            features(generator, factors, latents, f"0:{folder}/photo#{last}:1"), before
        )


def test_a_part_of_a_photograph_brings_what_that_carries(mapped, tmp_path):
    generator, factors = mapped
    layer = factors.layer
    drawn = generator.sample([7, 8])
    change = torch.randn(2, layer.channels, layer.height, layer.width)
    folder = inverted(generator, carrying(drawn, layer.name, change), tmp_path / "me")
    latents = Inversion.load(folder).latents_for(generator)
    own, other = (stop(generator, factors, latents[[row]]).x for row in (0, 1))
    mask = torch.zeros(generator.size)
    mask[:, : generator.size[1] // 2] = 1
    half = layer.width // 2
    for edited in (latents[:1], generator.sample([3])):  # one that carries a change, and one not
        before = stop(generator, factors, edited).x
        edit = Edit(mask, f"{folder}/photo1", 1)
        idle = {}
        x = features(generator, factors, edited, edit, idle=idle)
        torch.testing.assert_close(x[..., : half - 1], other[..., : half - 1], atol=1e-4, rtol=1e-3)
        torch.testing.assert_close(x[..., half + 1 :], before[..., half + 1 :])
        assert not idle
    assert not torch.allclose(own, other)


def test_samples_with_one_number_each_stay_at_their_photograph(tmp_path, capsys):
    generator, factors = loaded("biggan-deep-hf/hf")
    folder = inverted(generator, generator.sample([7], label=1), tmp_path / "me")
    here = Inversion.load(folder).latents_for(generator)
    assert any(rows.ndim == 1 for rows in here.tensors.values())
    edit_images(generator, factors, here, f"all:{folder}/photo0:1")
    assert "the sample is already what it leads to" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["mapped", "straight"])
def test_a_photograph_of_another_generator_is_refused(request, kind, classes, tmp_path):
    generator, factors = request.getfixturevalue(kind)
    folder = inverted(classes[0], classes[0].sample([1]), tmp_path / "me")
    with pytest.raises(PandaError, match="latents"):
        edit_images(generator, factors, generator.sample([1]), f"all:{folder}/photo0:1")


def test_the_sample_of_a_seed_has_the_class_of_the_one_that_is_edited(classes):
    generator, factors = classes  # which are of all classes
    for label in (0, 1, [1, 0], None):
        latents = generator.sample([1, 2], label=label)
        other = generator.sample([7, 7], label=list(latents.labels))
        found = features(generator, factors, latents, "all:seed7:1")
        expected = stop(generator, factors, other).x
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)
        alone = features(generator, factors, latents[1], "all:seed7:1")
        torch.testing.assert_close(found[1:], alone, atol=1e-4, rtol=1e-3)


def test_of_a_generator_that_is_held_to_a_class_latents_move_too():
    generator = OneClass(create_generator("mini-biggan-faces-64"), 1)
    factors = fit(generator, "8.block1", parts=2, seeds=range(20))
    latents, other = generator.sample([1]), generator.sample([7])
    found = features(generator, factors, latents, "all:seed7:1")
    torch.testing.assert_close(found, stop(generator, factors, other).x, atol=1e-4, rtol=1e-3)
    assert not torch.equal(features(generator, factors, latents, "all:sefa/1:1"), found)


def test_refined_parts_hold_for_local_directions(mapped):
    generator, factors = mapped
    latents, edit = generator.sample([1, 2]), Edit(0, "seed7", 1)
    before, after = (stop(generator, factors, each).x for each in (latents, generator.sample([7])))
    parts = refine(factors, before)
    where = kept(where_map(factors, edit, before, parts), factors.layer, factors.layer)
    expected = before + where[:, None] * (after - before)
    state = stop(generator, factors, latents)
    found = edit_state(generator, factors, latents, state, [edit], parts)[0]
    torch.testing.assert_close(found.x, expected, atol=1e-4, rtol=1e-3)
    image = edit_images(generator, factors, latents, edit, refined=True)
    torch.testing.assert_close(image, generator.tail(found, factors.layer.name))
    assert not torch.equal(image, edit_images(generator, factors, latents, edit))


def test_the_shell_refines_for_local_directions(mapped, tmp_path):
    generator, factors = mapped
    factors.save(tmp_path / "factors")
    words = ["edit", str(tmp_path / "factors"), "--edit", "0:seed7:1", "--seeds", "3", "--refine"]
    assert main([*words, "--out", str(tmp_path / "out")]) in (None, 0)
    made = np.asarray(Image.open(tmp_path / "out" / "0003.png")).astype(float)
    latents = generator.sample([3])
    (expected,) = edit_images(generator, factors, latents, "0:seed7:1", refined=True).clamp(-1, 1)
    assert np.abs(made - 127.5 * (expected.permute(1, 2, 0).numpy() + 1)).max() <= 1.01


def test_what_localize_writes_is_a_place_for_each_sample(mapped, tmp_path, capsys):
    generator, factors = mapped
    factors.save(tmp_path / "factors")
    folder, masks = str(tmp_path / "factors"), str(tmp_path / "maps")
    words = ["localize", folder, "--appearance", "0", "--seeds", "1-2", "--out", masks]
    assert main(words) in (None, 0)
    latents = generator.sample([1, 2])
    for what in ("0:40", "seed7:1"):
        both = features(generator, factors, latents, f"{masks}/:{what}")
        for row in range(2):
            alone = features(generator, factors, latents[row], f"{masks}/000{row + 1}.png:{what}")
            torch.testing.assert_close(both[row : row + 1], alone, atol=1e-4, rtol=1e-3)
        assert not torch.equal(both, stop(generator, factors, latents).x)
    words = ["edit", folder, "--edit", f"{masks}/:0:40", "--out", str(tmp_path / "out")]
    assert main([*words, "--seeds", "1-2"]) in (None, 0)
    capsys.readouterr()
    assert main([*words, "--seeds", "2-3"]) == 2
    assert "has no mask of sample 3 (0003.png); it has 1, 2" in capsys.readouterr().err
    with pytest.raises(PandaError, match="there is no folder of masks .*map/; did you mean"):
        Edit(f"{masks[:-1]}/", 0, 1).check(factors)
    with pytest.raises(PandaError, match="which samples these are is not known here"):
        apply_edits(factors, stop(generator, factors, latents).x, [Edit(f"{masks}/", 0, 1)])


def test_masks_of_photographs_are_found_by_their_numbers(mapped, tmp_path):
    generator, factors = mapped
    factors.save(tmp_path / "factors")
    me = inverted(generator, generator.sample([8, 9]), tmp_path / "me")
    faces, maps = str(tmp_path / "factors"), str(tmp_path / "maps")
    words = ["--latents", str(me), "--out"]
    assert main(["localize", faces, "--appearance", "0", *words, maps]) in (None, 0)
    edit = ["edit", faces, "--edit", f"{maps}/:0:40"]
    assert main([*edit, *words, str(tmp_path / "out")]) in (None, 0)
    made = np.asarray(Image.open(tmp_path / "out" / "0001.png")).astype(float)
    alone = f"{maps}/0001.png:0:40"
    (expected,) = edit_images(generator, factors, generator.sample([9]), alone).clamp(-1, 1)
    assert np.abs(made - 127.5 * (expected.permute(1, 2, 0).numpy() + 1)).max() <= 1.01


@pytest.mark.parametrize(
    ("made", "edited", "said"),
    [
        (["localize", "--seeds", "0-1"], ["--latents"], "masks of seeds, but photographs are"),
        (["localize", "--latents"], ["--seeds", "0"], "the photographs of .*, but seeds are"),
        (["localize", "--seeds", "0"], ["--seeds", "0", "--psi", "1"], "with truncation 0.7, but"),
        (["edit", "--edit", "0:0:9", "--seeds", "0"], ["--seeds", "0"], "pictures of 'panda edit'"),
    ],
)
def test_masks_that_were_made_for_other_samples_are_refused(
    mapped, tmp_path, capsys, made, edited, said
):
    generator, factors = mapped
    factors.save(tmp_path / "factors")
    me = str(inverted(generator, generator.sample([8, 9]), tmp_path / "me"))
    faces, maps = str(tmp_path / "factors"), str(tmp_path / "maps")
    made, edited = ([*words, me] if words[-1] == "--latents" else words for words in (made, edited))
    verb, *words = made
    more = ["--appearance", "0"] if verb == "localize" else []
    assert main([verb, faces, *more, *words, "--out", maps]) in (None, 0)
    capsys.readouterr()
    words = ["edit", faces, "--edit", f"{maps}/:0:40", *edited, "--out", str(tmp_path / "out")]
    assert main(words) == 2
    assert re.search(said, capsys.readouterr().err)
    (tmp_path / "maps/config.json").write_text('{"mine": 1}')  # a folder of the user's own
    assert main(words) in (None, 0)


def test_masks_and_directions_may_be_arrays(mapped, tmp_path):
    generator, factors = mapped
    latents, size = generator.sample([1, 2]), len(generator.w_mean)
    row = np.random.default_rng(0).standard_normal(size).astype(np.float32)
    np.save(tmp_path / "d.npy", row[None])
    half = np.zeros((16, 16), dtype=np.uint8)
    half[:8] = 255
    Image.fromarray(half).save(tmp_path / "top.png")
    expected = edit_images(generator, factors, latents, f"{tmp_path}/top.png:{tmp_path}/d.npy:2")
    for mask in (half, half / 255, half > 0, torch.from_numpy(half), half[None]):
        for direction in (row, row[None], torch.from_numpy(row)):
            edit = Edit(mask, direction, 2)
            assert torch.equal(edit_images(generator, factors, latents, edit), expected)
            assert edit == Edit(half, row, 2) and hash(edit) == hash(Edit(half, row, 2))
    each = np.stack([half, half[::-1]])
    both = edit_images(generator, factors, latents, Edit(each, "seed7", 1))
    for one in range(2):
        alone = edit_images(generator, factors, latents[one], Edit(each[one], "seed7", 1))
        torch.testing.assert_close(both[one : one + 1], alone, atol=1e-4, rtol=1e-3)
    assert Edit(half, row, 2) != Edit(half, row + 1, 2) and Edit(half, row, 2) != Edit(0, row, 2)
    later = Edit(half, row, 2, layer=list(generator.layers)[3])
    assert not torch.equal(edit_images(generator, factors, latents, later), expected)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            (np.zeros((4, 0)), 0, 1),
            r"a mask of shape \[4, 0\] was given, expected one of the whole",
        ),
        ((np.full((4, 4), 2.0), 0, 1), "a mask of numbers from 2 to 2 was given, expected 0"),
        ((np.full((4, 4), np.nan), 0, 1), r"the mask of shape \[4, 4\] has NaN"),
        ((np.full((4, 4), "a"), 0, 1), "a mask is array.*expected an array of numbers"),
        ((0, np.zeros((2, 3)), 1), r"a direction of shape \[2, 3\] was given, expected \[D\]"),
        ((0, np.full(3, np.inf), 1), r"the direction of shape \[3\] has NaN"),
        ((0, np.full(3, 1j), 1), "a direction is array.*expected an array of numbers"),
        ((np.ones((4, 4)), 12), "an edit by appearance 12 needs a strength"),
    ],
)
def test_arrays_that_are_none_of_these_are_one_sentence(arguments, said):
    with pytest.raises(PandaError, match=said):
        Edit(*arguments)


def test_arrays_that_do_not_fit_are_one_sentence(mapped):
    generator, factors = mapped
    for edit, said in (
        (Edit(0, np.ones(3), 1), r"the direction is \[3\], expected a direction of w"),
        (Edit(0, np.zeros(len(generator.w_mean)), 1), "the direction is zero"),
        (Edit(np.ones((3, 4, 4)), 0, 1), "3 masks were given for 2 samples"),
        (Edit(np.ones((4, 4)), "p0", 1), "p0 belongs to one part"),
        (Edit(0, np.ones(len(generator.w_mean)), 1, sigma=True), "has no standard deviations"),
    ):
        with pytest.raises(PandaError, match=said):
            edit_images(generator, factors, generator.sample([1, 2]), edit)


def test_no_text_holds_an_array(tmp_path):
    for edit, way in ((Edit(np.ones((4, 4)), 0, 1), "a PNG"), (Edit(0, np.ones(4), 1), "numpy.s")):
        said = f"as an array, which no text can hold.*{way}"
        with pytest.raises(PandaError, match=said):
            Edit.parse(str(edit))
        with pytest.raises(PandaError, match=said):
            write_edits(tmp_path / "z.json", {"e": NamedEdit("g", "l", 1, 1, (str(edit),))})


NAMES = st.text("abz09_-.", min_size=1, max_size=8)
PLACES = st.one_of(
    st.lists(st.integers(0, 99), min_size=1, max_size=3, unique=True).map(
        lambda n: "+".join(map(str, n))
    ),
    st.sampled_from(["all", "object", "bg", "hair", "left eye+nose", "masks/", "a/b.png"]),
)
SLOTS = st.one_of(st.just(""), st.integers(0, 99).map("#{}".format), st.just("#4-7"))
SOURCES = st.one_of(
    st.integers(0, 10**9).map("seed{}".format),
    NAMES.map("{}.npy".format),
    st.tuples(NAMES, st.integers(0, 99)).map(lambda pair: "{}/photo{}".format(*pair)),
    st.tuples(st.sampled_from(["sefa", "resefa", "stylespace"]), NAMES).map("/".join),
)
WHATS = st.one_of(
    st.integers(0, 999).map(str),
    st.sampled_from(["p0", "p12", "bg", "remove"]),
    st.tuples(SOURCES, SLOTS).map("".join),
)
STRENGTHS = st.integers(-(10**6), 10**6).map(lambda n: n / 64)


@settings(max_examples=40, deadline=None)
@given(PLACES, WHATS, STRENGTHS, st.booleans(), st.one_of(st.just(""), NAMES))
def test_edit_files_hold_every_kind_of_edit(tmp_path_factory, where, what, strength, sigma, layer):
    edit = Edit(where, what, strength, sigma, layer=layer)
    path = tmp_path_factory.getbasetemp() / "zoo.json"
    write_edits(path, {"e": NamedEdit("g", "l", 1, 1, (str(edit),))})
    (text,) = read_edits(path)["e"].edits
    assert Edit.parse(text) == edit
    assert json.loads(path.read_text())["edits"]["e"]["edits"] == [str(edit)]


def test_files_that_an_edit_file_names_lie_beside_it(mapped, tmp_path):
    generator, factors = mapped
    row, folder = np.ones((1, len(generator.w_mean)), dtype=np.float32), tmp_path / "zoo"
    folder.mkdir()
    np.save(folder / "d.npy", row)
    Image.new("L", (8, 8), 255).save(folder / "all.png")
    ranks = factors.appearances.shape[1], factors.parts.shape[1]
    facts = factors.generator, factors.layer.name, *ranks

    def read(*edits):
        write_edits(folder / "zoo.json", {"e": NamedEdit(*facts, edits)})
        return as_edits(str(folder / "zoo.json"), factors)

    (edit,) = read("all.png:d.npy#0-1:2")
    assert edit == Edit(str(folder / "all.png"), f"{folder}/d.npy#0-1", 2)
    absolute = f"{folder}/all.png:{folder}/d.npy:2"
    assert read(absolute, "0:seed7:1") == [Edit.parse(absolute), Edit(0, "seed7", 1)]


@pytest.mark.parametrize("name", ["a#1", "b:c"])
def test_an_edit_file_may_lie_in_a_folder_of_any_name(mapped, tmp_path, name):
    generator, factors = mapped
    folder, latents = tmp_path / name, generator.sample([1])
    folder.mkdir()
    np.save(folder / "d.npy", np.ones((1, len(generator.w_mean)), np.float32))
    inverted(generator, generator.sample([8]), folder / "me")
    channels, count = factors.appearances.shape[1], factors.parts.shape[1]
    texts = "0:d.npy#1-2:2", "1:me/photo0#3:1"
    edit = NamedEdit(generator.name, factors.layer.name, channels, count, texts)
    write_edits(folder / "edits.json", {"a": edit})
    found = edit_images(generator, factors, latents, f"{folder}/edits.json:a")
    folder.rename(tmp_path / "plain")
    expected = edit_images(generator, factors, latents, f"{tmp_path}/plain/edits.json:a")
    assert torch.equal(found, expected)
    assert not torch.equal(found, generator.forward(latents))


def test_an_edit_that_changes_nothing_says_why(mapped, tmp_path, capsys):
    generator, factors = mapped
    Image.new("L", (8, 8)).save(tmp_path / "black.png")
    latents, layer, last = generator.sample([6, 7, 8]), factors.layer.name, len(generator.slots) - 1
    for edit, said in (
        (f"{tmp_path}/black.png:0:9", f"its place is empty at {layer}"),
        (f"{tmp_path}/black.png:seed7:1", f"its place is empty at {layer}"),
        ("all:seed7:1", "the sample is already what it leads to (seed 7)"),
        (f"all:seed9#{last}:1", f"what it moves has no part in {layer} or before"),
    ):
        edit_images(generator, factors, latents, edit)
        assert capsys.readouterr().err == f"{edit} changes nothing: {said}\n"
    for edit in ("0:0:9", "all:seed9:1", "all:seed7:0", "0:remove"):
        edit_images(generator, factors, latents, edit)
        assert capsys.readouterr().err == ""


def test_the_shell_tells_once_what_changes_nothing(mapped, tmp_path, capsys):
    _, factors = mapped
    factors.save(tmp_path / "factors")
    words = [
        "edit",
        str(tmp_path / "factors"),
        "--edit",
        "all:seed5:1",
        "--out",
        str(tmp_path / "o"),
    ]
    assert main([*words, "--seeds", "0-5"]) in (None, 0)
    assert capsys.readouterr().err.count("changes nothing") == 1


class Counting(AdvancingGenerator, ZSpace):
    """One that notes how far it ran, and from where."""

    def __init__(self):
        super().__init__()
        self.runs = []

    def z_weight(self):
        return self.dense.weight

    def head(self, latents, layer):
        self.runs.append(f"-{layer}")
        return super().head(latents, layer)

    def advance(self, state, layer, to_layer):
        self.runs.append(f"{layer}-{to_layer}")
        return super().advance(state, layer, to_layer)


@pytest.mark.parametrize(
    ("edits", "runs"),
    [
        (["0:0:1", "1:0:1"], []),
        (["0:seed7:1"], ["-a"]),
        (["0:seed7:1", "1:seed7:1"], ["-a"]),
        (["0:seed7:1", "1:seed7:2"], ["-a", "-a"]),
        (["0:seed7:1@c"], ["a-c", "-c"]),
        (["1:0:1", "0:seed7:1@c"], ["a-c", "-c", "a-c"]),
        (["0:seed7:1", "0:seed7:1@c"], ["-a", "a-c", "a-c", "a-c"]),
        (["0:seed7:1", "0:seed7:1@b", "0:seed7:1@c"], ["-a", *3 * ["a-b"], *3 * ["b-c"]]),
    ],
)
def test_no_pass_is_run_twice(edits, runs):
    generator = Counting()
    factors = fit(generator, "a", parts=2, seeds=range(20))
    latents = generator.sample([1])
    state = stop(generator, factors, latents)
    generator.runs.clear()
    listed = as_edits(edits, factors)
    found, layer = edit_state(generator, factors, latents, state, listed)
    assert generator.runs == runs
    assert layer == (edits[-1].partition("@")[2] or "a")
    assert torch.equal(found.x, features(generator, factors, latents, *edits))


def test_layers_before_the_factors_are_refused_with_those_that_work(mapped):
    generator, factors = mapped
    first, *later = generator.layers
    said = f"{first} comes before {later[0]}, the layer of the factors; it can act at {later[0]}, "
    with pytest.raises(PandaError, match=said):
        edit_images(generator, factors, generator.sample([1]), f"0:seed7:1@{first}")


@pytest.mark.parametrize("text", ["sefaa/1", "foo/bar"])
def test_a_method_that_there_is_not_is_one_sentence(mapped, text):
    generator, factors = mapped
    with pytest.raises(PandaError, match="there is no method '.*' of directions"):
        Edit(0, text, 1).check(factors)
    with pytest.raises(PandaError, match="there is no method '.*' of directions"):
        edit_images(generator, factors, generator.sample([1]), f"0:{text}:1")


def test_masks_are_removed_by_edits(mapped, tmp_path, capsys):
    _, factors = mapped
    factors.save(tmp_path / "factors")
    words = ["remove", str(tmp_path / "factors"), "--parts", "mask.png"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 2
    assert f"panda edit {tmp_path}/factors --edit mask.png:remove:1" in capsys.readouterr().err


@pytest.mark.parametrize("name", list_generators())
def test_cards_know_the_slots_of_w(name):
    card = cards()[name]
    assert len(card.slots) in (0, len(card.layers), len(card.layers) + 1)
    if card.weights is None or "mini" in name:
        generator = create_generator(name)
        slots = w_space(generator, "slots").slots if has_w(generator) else ()
        assert card.slots == tuple(slots)


def test_info_lists_the_slots_of_w(capsys):
    assert main(["info", "mini-stylegan2-faces-64"]) in (None, 0)
    assert "slots of w   0 4.conv1, 1 8.conv0, " in capsys.readouterr().out
    assert main(["info", str(FOLDER / MAPPED), "--json"]) in (None, 0)
    slots = json.loads(capsys.readouterr().out)["slots"]
    assert slots == list(create_generator(FOLDER / MAPPED).slots)
    assert main(["info", "mini-biggan-faces-64"]) in (None, 0)
    assert "slots" not in capsys.readouterr().out


def test_arrays_show_their_shape_and_find_source_takes_them(mapped):
    generator, _ = mapped
    assert str(Edit(np.ones((4, 4)), np.ones(8), 2)) == "mask[4 x 4]:direction[8]:2"
    row = torch.ones(len(generator.w_mean))
    assert torch.equal(find_source(Array(row), generator).direction, row)
