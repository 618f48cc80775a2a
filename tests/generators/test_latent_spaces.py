"""w, w+ and styles, or z: what every golden file has, moved and synthesized."""

import pytest
import torch
from golden_files import FILES, FOLDER

from panda import PandaError, create_generator
from panda.generators.latent_spaces import WSpace, ZSpace, w_space, z_space

pytestmark = pytest.mark.numeric

NEAR = {"atol": 1e-4, "rtol": 1e-4}
"""The same w may lie in memory otherwise, and products of it be added up in another order."""

MAPPED = [file for file, (kind, _) in FILES.items() if kind.startswith("StyleGAN")]
STRAIGHT = [file for file in FILES if file not in MAPPED]


@pytest.fixture(scope="module", params=MAPPED)
def mapped(request) -> WSpace:
    return create_generator(FOLDER / request.param)


@pytest.fixture(scope="module", params=STRAIGHT)
def straight(request) -> ZSpace:
    return create_generator(FOLDER / request.param)


def test_one_w_for_all_slots_is_the_forward_pass(mapped):
    check_broadcast(mapped, w_space(mapped, "this test"))


def check_broadcast(generator, space):
    latents = generator.sample([3, 4])
    w = space.w_plus(latents)
    assert w.shape == (2, len(space.slots), len(space.w_mean))
    assert torch.equal(w, w[:, :1].expand_as(w))
    same = space.with_w(latents, w[:, 0])
    torch.testing.assert_close(generator.forward(same), generator.forward(latents), **NEAR)
    moved = w.clone()
    moved[:, -1] += 1
    assert not torch.equal(
        generator.forward(space.with_w(latents, moved)), generator.forward(latents)
    )


def test_w_of_a_later_slot_leaves_earlier_layers_as_they_are(mapped):
    check_order(mapped)


def check_order(generator):
    latents = generator.sample([5])
    layers = list(generator.layers)
    w = generator.w_plus(latents).clone()
    w[:, 2] += 1
    moved = generator.with_w(latents, w)
    for index, layer in enumerate(layers[:4]):
        there, here = generator.head(moved, layer).x, generator.head(latents, layer).x
        assert torch.allclose(there, here, **NEAR) is (index < 2)


def test_shifted_styles_are_the_styles_of_another_w(mapped):
    check_styles(mapped)


def check_styles(generator):
    latents = generator.sample([6, 7])
    before = generator.styles(latents)
    slot = list(before)[1]
    weight, bias = generator.style_maps()[slot]
    assert weight.shape == (len(bias), len(generator.w_mean))
    step = torch.randn(2, len(generator.w_mean), generator=torch.Generator().manual_seed(0))
    w = generator.w_plus(latents).clone()
    w[:, generator.slots.index(slot)] += step
    by_w = generator.with_w(latents, w)
    by_style = generator.shift_styles(latents, {slot: step @ weight.T})
    for name, style in generator.styles(by_w).items():
        torch.testing.assert_close(generator.styles(by_style)[name], style, **NEAR)
    layer = slot
    torch.testing.assert_close(
        generator.head(by_style, layer).x, generator.head(by_w, layer).x, **NEAR
    )
    nothing = generator.shift_styles(latents, {slot: torch.zeros(1, len(bias))})
    assert torch.equal(generator.forward(nothing), generator.forward(latents))


def test_shifts_of_styles_add_up(mapped):
    latents = mapped.sample([1])
    slot, (_, bias) = next(iter(mapped.style_maps().items()))
    once = torch.ones(1, len(bias))
    twice = mapped.shift_styles(mapped.shift_styles(latents, {slot: once}), {slot: once})
    expected = mapped.shift_styles(latents, {slot: 2 * once})
    assert torch.equal(mapped.forward(twice), mapped.forward(expected))


def test_z_can_be_moved_and_its_first_map_is_told(straight):
    latents = straight.sample([0, 1])
    z = latents.tensors["z"]
    assert straight.z_weight().shape[1] == z.shape[1]
    same, other = straight.with_z(latents, z), straight.with_z(latents, z + 0.5)
    assert torch.equal(straight.forward(same), straight.forward(latents))
    assert not torch.equal(straight.forward(other), straight.forward(latents))


def test_z_along_the_null_space_of_the_first_map_does_not_matter(straight):
    if "biggan" not in straight.name:
        pytest.skip("z is normalized first")
    latents, weight = straight.sample([0]), straight.z_weight()
    layer = next(iter(straight.layers))
    step = torch.randn(1, weight.shape[1], generator=torch.Generator().manual_seed(1))
    moved = straight.with_z(latents, latents.tensors["z"] + step)
    change = (straight.head(moved, layer).x - straight.head(latents, layer).x).flatten()
    expected = (step @ weight.T).flatten()
    torch.testing.assert_close(change.sort().values, expected.sort().values, atol=1e-4, rtol=1e-3)


def test_what_a_generator_has_not_is_refused_in_a_sentence(tiny):
    with pytest.raises(PandaError, match=r"SeFa needs a mapped latent space \(w\), which tiny"):
        w_space(tiny, "SeFa")
    with pytest.raises(PandaError, match="GANSpace needs a latent z that goes straight"):
        z_space(tiny, "GANSpace")


def test_wrong_shapes_and_slots_are_refused():
    generator = create_generator(FOLDER / "stylegan2-genforce/checkpoint.pth")
    latents = generator.sample([0])
    with pytest.raises(PandaError, match=r"w of shape \[2, 32\], expected \[1, 32\]"):
        generator.with_w(latents, torch.zeros(2, 32))
    with pytest.raises(PandaError, match=r"no styles at '8\.conv9'; did you mean"):
        generator.shift_styles(latents, {"8.conv9": torch.zeros(1, 1)})
    with pytest.raises(PandaError, match=r"a shift of shape \[1, 1\] for the"):
        generator.shift_styles(latents, {"8.conv1": torch.zeros(1, 1)})


def test_the_face_generator_has_all_of_it(faces):
    check_broadcast(faces, faces)
    check_order(faces)
    check_styles(faces)
    assert [faces.slots[index] for index in (0, 4, 7)] == ["4.conv", "16.conv2", "64.conv1"]
