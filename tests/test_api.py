"""``import panda`` alone: what a new user types works, is cheap to import and has types."""

import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import MINI
from PIL import Image
from snippets import ROOT, blocks

import panda
from panda.metrics import lpips


@pytest.fixture(scope="module")
def generator():
    return panda.create_generator(MINI)


@pytest.fixture(scope="module")
def factors(generator):
    return panda.fit(generator, "16.conv1", parts=4, seeds=20)


SNIPPETS = {
    "samples side by side": """
images = generator(generator.sample(4))
panda.images.grid(images).save("grid.png")
with Image.open("grid.png") as picture:
    assert picture.size[0] >= 2 * 64
""",
    "a fit on n seeds": """
factors = panda.fit(generator, "16.conv1", parts=3, seeds=8)
assert factors.parts.shape == (256, 3)
print(factors)
""",
    "an edit by number": """
after = panda.edit_images(generator, factors, generator.sample([0, 3]), panda.Edit(0, "p0", 4))
assert after.shape == (2, 3, 64, 64)
""",
    "an edit as in the shell": """
latents = generator.sample("0-2")
one = panda.edit_images(generator, factors, latents, "0:p0:4sd")
two = panda.edit_images(generator, factors, latents, ["0:p0:4sd", "1+2:remove:1"])
assert one.shape == two.shape and not torch.equal(one, two)
""",
    "seeds from NumPy and torch": """
latents = generator.sample(np.arange(3))
assert latents.seeds == generator.sample(torch.tensor([0, 1, 2])).seeds == (0, 1, 2)
assert latents.seeds == generator.sample(range(3)).seeds == generator.sample(3).seeds
""",
    "latents as a sequence": """
latents = generator.sample(3)
assert [latent.seeds for latent in latents] == [(0,), (1,), (2,)]
assert latents[1].seeds == latents[1:2].seeds == (1,)
assert len(latents[-2:]) == 2
""",
    "removal of all, and of some parts": """
latents = generator.sample([3])
whole = panda.remove_images(generator, factors, latents)
some = panda.remove_images(generator, factors, latents, "0+1")
assert torch.equal(some, panda.remove_images(generator, factors, latents, [0, 1]))
assert not torch.equal(whole, some)
""",
    "where the background is": """
maps, masks = panda.localize(generator, factors, generator.sample(2), "bg")
assert maps.shape == masks.shape == (2, 64, 64) and masks.dtype == torch.bool
""",
    "refined parts": """
parts = panda.refine(generator, factors, generator.sample(2))
assert parts.shape == (2, 256, 4)
assert factors.as_masks(parts).shape == (2, 4, 16, 16)
""",
    "any module": """
network = torch.nn.Sequential(
    torch.nn.ConvTranspose2d(8, 12, 4), torch.nn.ConvTranspose2d(12, 3, 4, 2, 1), torch.nn.Tanh()
)
mine = panda.TorchModule(network, ["0"], latent=(8, 1, 1))
found = panda.fit(mine, "0", parts=2, seeds=16)
assert panda.edit_images(mine, found, mine.sample(2), "0:p0:2sd").shape == (2, 3, 8, 8)
""",
    "factors on the disk": """
factors.save("faces")
again = panda.Factors.load("faces")
assert torch.equal(again.parts, factors.parts)
""",
    "names by pattern, and what is there": """
assert panda.list_generators("mini-*") == sorted(panda.list_generators("mini-*")) != []
assert "fit" in dir(panda)
""",
    "a mistake is one kind of error": """
for wrong in (
    lambda: panda.create_generator("mini-stylegan2"),
    lambda: panda.fit(generator, "16.conv9"),
    lambda: panda.fit(generator, "16.conv1", parts=0),
    lambda: generator.sample([-1]),
    lambda: panda.edit_images(generator, factors, generator.sample(1), "9:p0:1"),
    lambda: panda.remove_images(generator, factors, generator.sample(1), [9]),
    lambda: panda.Factors.load("nowhere"),
):
    with pytest.raises(panda.PandaError):
        wrong()
""",
    "a look at things": """
latents = generator.sample(2)
for thing in (generator, latents, factors):
    assert len(repr(thing)) < 1000
    assert thing._repr_html_()
factors.show()
""",
    "the same device in a word": """
assert generator.to("cpu") is not None
assert generator(generator.to("cpu").sample(1)).device.type == "cpu"
""",
    "generators side by side": """
from panda.comparison import Plan

plan = Plan(levels=(4,), samples=8, parts=2, images=2, scored=2, selected=2, faces=False)
comparison = panda.compare(["mini-proggan-faces-64"], "comparison", plan)
assert [one.name for one in comparison.generators] == ["mini-proggan-faces-64"]
""",
}


@pytest.mark.parametrize("name", SNIPPETS)
def test_what_a_new_user_types_works(name, generator, factors, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"panda": panda, "np": np, "torch": torch, "pytest": pytest, "Image": Image}
    exec(SNIPPETS[name], {**names, "generator": generator, "factors": factors})


def test_an_image_becomes_latents(generator):
    if not lpips.WEIGHTS.cached:
        pytest.skip("the weights of LPIPS are not cached; 'panda invert' fetches them")
    inversion = panda.invert(generator, generator(generator.sample([700])), steps=2)
    assert inversion.reconstructions.shape == (1, 3, 64, 64)


def test_the_top_level_lists_what_it_offers():
    assert dir(panda) == sorted(panda.__all__)
    contract = {"Generator", "Latents", "Layer", "State", "Card", "Architecture", "hookimpl"}
    verbs = {"create_generator", "list_generators", "fit", "compare", "invert", "edit_images"}
    verbs |= {"remove_images", "localize", "refine"}
    assert contract | verbs | {"Factors", "Edit", "TorchModule", "PandaError"} <= set(dir(panda))
    for name in set(dir(panda)) - {"__version__"}:
        assert inspect.getdoc(getattr(panda, name)), name


def test_importing_panda_and_asking_for_names_loads_no_torch():
    program = "import panda, sys; dir(panda); panda.PandaError; panda.list_generators('mini-*');"
    program += "print('torch' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.split() == [b"False", b"False"]


def test_the_snippet_of_the_readme_has_types(tmp_path):
    pytest.importorskip("mypy", reason="mypy comes with the extra dev")
    (tmp_path / "snippet.py").write_text("\n".join(blocks("README.md", "python")))
    calls = [
        "import panda",
        "generator = panda.create_generator('x')",
        "factors = panda.fit(generator, 'y')",
        "reveal_type(factors)",
        "reveal_type(panda.localize(generator, factors, generator.sample([1])))",
        "panda.nothing",
    ]
    (tmp_path / "calls.py").write_text("\n".join(calls) + "\n")
    # In the checkout, with its cache; files outside of it are checked by the same settings.
    done = subprocess.run(
        [sys.executable, "-m", "mypy", str(tmp_path / "snippet.py"), str(tmp_path / "calls.py")],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    # What panda's own modules are to older stubs of torch is no matter here.
    files = ("snippet.py:", "calls.py:")
    errors = [line for line in done.stdout.splitlines() if ": error:" in line]
    (line,) = [line for line in errors if any(file in line for file in files)]
    assert line.endswith('calls.py:6: error: Module has no attribute "nothing"  [attr-defined]')
    assert 'Revealed type is "panda.factorization.factors.Factors"' in done.stdout
    assert 'Revealed type is "tuple[torch._tensor.Tensor, torch._tensor.Tensor]"' in done.stdout


def test_the_package_says_that_it_has_types():
    assert (Path(panda.__file__).parent / "py.typed").is_file()
